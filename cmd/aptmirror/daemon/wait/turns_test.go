package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turns Turns
		first, err := turns.Take(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		other, err := turns.Take(t.Context(), "b")
		if err != nil {
			t.Fatal("another name has to wait:", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := turns.Take(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while somebody has the turn: %v", err)
		}
		second := make(chan func())
		go func() {
			free, _ := turns.Take(t.Context(), "a")
			second <- free
		}()
		synctest.Wait()
		first()
		(<-second)()
		other()
		if len(turns.of) > 0 {
			t.Errorf("%d names are kept", len(turns.of))
		}
	})
}

func TestFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !For(t.Context(), time.Hour) || time.Since(began) != time.Hour {
			t.Errorf("it lasted %v", time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if For(ctx, time.Hour) || time.Since(began) != time.Hour+time.Minute {
			t.Errorf("it lasted %v", time.Since(began))
		}
	})
}
