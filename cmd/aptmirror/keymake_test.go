package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"aptmirror/resign"
)

// Whoever makes keys one right after the other gets dates that differ.
func TestKeysHaveSecondsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keys []*resign.Key
		for range 3 {
			made, err := ownSecond(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}
			key, err := resign.NewKeyAt(made, "Site", "", resign.EdDSA)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(keys); n > 0 && !key.Changed().After(keys[n-1].Changed()) {
				t.Errorf("a key of %s follows one of %s", key.Changed(), keys[n-1].Changed())
			}
			if err := key.Check(clock()); err != nil {
				t.Errorf("it cannot sign at once: %v", err)
			}
			keys = append(keys, key)
		}
	})
}

func TestWaitingForASecondEndsWithTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, stop := context.WithCancelCause(t.Context())
		stop(stopped)
		key, err := resign.NewKeyAt(time.Now(), "Site", "", resign.EdDSA)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ownSecond(ctx, []*resign.Key{key}); !errors.Is(err, stopped) {
			t.Errorf("got %v", err)
		}
	})
}
