package jobs

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
)

func TestJobs(t *testing.T) {
	store, err := cache.OpenWith(t.TempDir(), cache.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if _, err := store.Catalog.StartJob(catalog.Job{Kind: "gc"}); err != nil { // by a process that was killed
		t.Fatal(err)
	}
	now, done := time.Now(), time.Duration(0)
	life, end := context.WithCancel(t.Context())
	s := New(Config{
		Catalog: store.Catalog, Life: life, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Done: func(kind string, took time.Duration, err error) { done = took },
	})
	fault := errors.New("no disk")
	var heard []admin.Event
	err = s.Run(catalog.Job{Kind: "verify", By: "me"}, func(ctx context.Context, number uint64) (string, error) {
		s.News(number, func(e admin.Event) { heard = append(heard, e) })(admin.Event{Text: "half of it"})
		if r := s.Running(); len(r) != 1 || r[0].Number != number || r[0].Text != "half of it" {
			t.Errorf("running: %+v", r)
		}
		end()
		now = now.Add(time.Minute)
		return "done", errors.Join(ctx.Err(), fault)
	})
	if !errors.Is(err, fault) || !errors.Is(err, context.Canceled) || done != time.Minute || len(s.Running()) != 0 {
		t.Errorf("got %v after %v, and %+v is running", err, done, s.Running())
	}
	list, err := s.List(t.Context())
	if err != nil || len(list.Jobs) != 2 || len(heard) != 1 || heard[0].Job != list.Jobs[0].Number {
		t.Fatalf("%+v, %v, heard %+v", list, err, heard)
	}
	if j := list.Jobs[0]; j.Summary != "done" || j.Error == "" || !j.Finished.Equal(now) {
		t.Errorf("on record: %+v", j)
	}
	if j := list.Jobs[1]; j.Error != "aptmirror ended before the job did" {
		t.Errorf("what was cut short: %+v", j)
	}
}
