package daemon

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhileQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []time.Duration
		heard, stop := whileQuiet(func(since time.Duration) { said = append(said, since) })
		time.Sleep(quietFor - time.Second)
		heard()
		synctest.Wait()
		time.Sleep(2*quietFor + time.Second)
		stop()
		time.Sleep(2 * quietFor)
		if want := []time.Duration{2*quietFor - time.Second, 3*quietFor - time.Second}; !slices.Equal(said, want) {
			t.Errorf("said something after %v, want %v", said, want)
		}
	})
}
