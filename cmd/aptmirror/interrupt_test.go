package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// never gives nothing until it is let go, as a terminal that nobody types at.
type never chan struct{}

func (n never) Read([]byte) (int, error) {
	<-n
	return 0, io.EOF
}

func TestReadingEndsWithTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if text, err := io.ReadAll(untilEnd(t.Context(), strings.NewReader("text"))); string(text) != "text" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		stopped, nobody := errors.New("stopped"), make(never)
		time.AfterFunc(time.Hour, func() { stop(stopped) })
		if _, err := io.ReadAll(untilEnd(ctx, nobody)); !errors.Is(err, stopped) {
			t.Errorf("got %v", err)
		}
		close(nobody)
	})
}

func TestWhatDoesNotEndIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		begun, told := time.Now(), &strings.Builder{}
		var again, ended time.Duration
		endAnyway(ctx, told, func() { again = time.Since(begun) }, func(code int) {
			if ended = time.Since(begun); code != exitInterrupted {
				t.Errorf("exit code %d", code)
			}
		})
		time.Sleep(time.Hour)
		if again != 0 || ended != 0 {
			t.Error("ended without a signal")
		}
		stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if again != time.Hour+secondSignal || ended != time.Hour+lastResort || !strings.Contains(told.String(), "given up after 19s") {
			t.Errorf("signals work after %s, the end came after %s: %s", again, ended, told)
		}
	})
}

// Write never takes anything until it is let go, as a pipe that is not read.
func (n never) Write(p []byte) (int, error) {
	<-n
	return len(p), nil
}

func TestWritingEndsWithTheCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped, failed := errors.New("stopped"), errors.New("failed")
		write := func(w io.Writer) error {
			_, err := io.Copy(w, strings.NewReader("text"))
			return err
		}
		var to strings.Builder
		if err := writeUntilEnd(t.Context(), &to, write); err != nil || to.String() != "text" {
			t.Errorf("%q, %v", to.String(), err)
		}
		if err := writeUntilEnd(t.Context(), &to, func(io.Writer) error { return failed }); err != failed {
			t.Errorf("what fails: %v", err)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		nobody := make(never)
		time.AfterFunc(time.Hour, func() { stop(stopped) })
		if err := writeUntilEnd(ctx, nobody, write); !errors.Is(err, stopped) {
			t.Errorf("what is not taken: %v", err)
		}
		close(nobody)
	})
}
