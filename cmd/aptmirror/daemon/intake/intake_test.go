package intake

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
	"aptmirror/resign/pool"
	"aptmirror/upstream/upstreamtest"
)

// site is an Intake with what is in force, and a clock.
type site struct {
	*Intake
	parts   atomic.Pointer[inforce.Parts]
	changed []string // the pools of which that was told
	now     time.Time
}

// poolSite has the pools internal, and strict which asks for the archive's key.
func poolSite(t *testing.T, change func(*config.Config)) *site {
	t.Helper()
	c := &config.Config{Path: "aptmirror.toml", State: t.TempDir(), Pools: []config.Pool{
		{Name: "internal", Component: "main", Names: []string{"corp-*"}},
		{Name: "strict", Component: "main", SignedBy: []string{upstreamtest.New(t).KeyringFile()}},
	}}
	if change != nil {
		change(c)
	}
	store, err := cache.OpenWith(c.State, cache.Options{MaxSize: c.Cache.MaxSize, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &site{now: time.Now()}
	s.Intake = New(Config{
		State: c.State, Cache: store, InForce: s.parts.Load, Changed: func(_ context.Context, pool string) { s.changed = append(s.changed, pool) },
		Life: t.Context(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now },
	})
	s.force(t, c)
	return s
}

// force puts a configuration in force, and waits until nothing is under way of
// what it does not have.
func (d *site) force(t *testing.T, c *config.Config) {
	t.Helper()
	before := d.parts.Load()
	f, err := inforce.Read(t.Context(), c, before)
	if err != nil {
		t.Fatal(err)
	}
	d.Open(f)
	d.parts.Store(f)
	if before != nil {
		for _, over := range before.Retire(f) {
			<-over
		}
		d.GiveUpOthers(f)
	}
}

// A package counts by the rules that are in force when it is added, not by those
// when it came.
func TestAPoolChangesWhileAPackageWaits(t *testing.T) {
	d := poolSite(t, nil)
	f := newDeb(t, "hello", "9")
	offered := []pool.File{{Name: f.name, Size: int64(len(f.data)), Body: bytes.NewReader(f.data)}}
	for range examinedAtOnce {
		d.examining <- struct{}{}
	}
	added := make(chan error, 1)
	go func() {
		_, err := d.addInForce(context.WithoutCancel(t.Context()), "internal", "me", (*pool.Pool).Add, offered)
		added <- err
	}()
	next := *d.InForce().Config
	next.Pools = []config.Pool{{Name: "internal", Component: "main", SignedBy: next.Pools[1].SignedBy}}
	d.force(t, &next)
	for range examinedAtOnce {
		<-d.examining
	}
	no := (*pool.Error)(nil)
	if err := <-added; !errors.As(err, &no) || no.Reason != pool.Signature {
		t.Errorf("it was added without a signature: %v", err)
	}
	none := next
	none.Pools = nil
	d.force(t, &none)
	fault := (*admin.Error)(nil)
	if _, err := d.addInForce(t.Context(), "internal", "me", (*pool.Pool).Add, offered); !errors.As(err, &fault) || fault.Exit != admin.ExitUsage {
		t.Errorf("there is no pool any more: %v", err)
	}
}

// What has begun for a pool is not kept for one that comes later.
func TestSetsGoWithTheirPool(t *testing.T) {
	d := poolSite(t, nil)
	d.sends(t, "dns:a", "internal", true, newDeb(t, "one", "1"))
	none := *d.InForce().Config
	none.Pools = none.Pools[1:]
	d.force(t, &none)
	d.nothingHeld(t)
}
