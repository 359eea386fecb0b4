package daemon

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
)

// What is no longer configured goes after a week, or at once where somebody
// says so, but for what snapshots pin; what comes back in time is as it was.
func TestWhatIsGoneIsKeptForAWhile(t *testing.T) {
	a, now := published(t), time.Now()
	c := newSite(t, a, "stable")
	site := func(c *config.Config) {
		c.Repositories = append(c.Repositories, config.Repository{
			Name: "site", SignWith: []string{filepath.Join(filepath.Dir(c.Path), "keys", "site.asc")}, Origin: "site", Label: "site", ValidFor: config.DefaultValidFor,
			Suites: []config.Suite{{Name: "stable", From: []config.Source{{Kind: config.FromArchive, Name: "debian", Suite: "stable"}}}},
		})
	}
	all, none := *c, *c
	site(&all)
	none.Archives, none.Repositories = nil, nil
	d, err := Open(t.Context(), &all, Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, d) })
	d.mustSync(t)
	put := func(c *config.Config) {
		t.Helper()
		f, err := inforce.Read(d.life, c, d.inForce.Load())
		if err != nil {
			t.Fatal(err)
		}
		settle, err := d.replace(f, func() {})
		if err != nil {
			t.Fatal(err)
		}
		settle()
	}
	left := func() (generations int) {
		t.Helper()
		s, err := d.cache.Catalog.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(s.Generations)
	}
	put(&none)
	since := now
	want := []admin.Kept{
		{Archive: "debian", Suite: "stable", Until: since.Add(keptGone)},
		{Repository: "debian", Suite: "stable", Until: since.Add(keptGone)},
		{Repository: "site", Suite: "stable", Until: since.Add(keptGone)},
	}
	if diff := cmp.Diff(want, d.kept()); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	verified, err := d.Verify(t.Context(), me, admin.VerifyRequest{}, func(admin.Event) {})
	if err != nil || len(verified.Unchecked) != 2 {
		t.Errorf("to verify, it is %+v, %v", verified, err)
	}
	now = now.Add(keptGone - time.Hour)
	if r := gc(t, d, false); len(r.Generations) != 0 || r.Files != 0 {
		t.Errorf("removed before its time: %+v", r)
	}
	put(&all)
	if got := d.kept(); len(got) != 0 {
		t.Errorf("it came back, and yet %v is kept for a while only", got)
	}
	if _, err := d.cache.Catalog.Resolve("site", "dists/stable/InRelease", func(string) bool { return true }); err != nil {
		t.Errorf("what came back: %v", err)
	}

	put(&none)
	now = now.Add(time.Hour)
	d.inForce.Store(must(inforce.Read(d.life, &all, d.inForce.Load()))(t)) // as a start does
	d.seeGone()
	put(&none)
	now = now.Add(time.Hour)
	if r := gc(t, d, false); len(r.Generations) != 0 {
		t.Errorf("counted from the first time: %+v", r)
	}
	r, err := d.GC(t.Context(), me, admin.GCRequest{DryRun: true, Unconfigured: true})
	if err != nil || len(r.Generations) != 2 || r.Files == 0 || left() != 2 {
		t.Errorf("a rehearsal: %+v, %v", r, err)
	}
	now = now.Add(keptGone)
	done := gc(t, d, false)
	if len(done.Generations) != 2 || done.Files != r.Files || left() != 0 || len(d.kept()) != 0 {
		t.Errorf("after its time: %+v, %d generations left, kept %v", done, left(), d.kept())
	}
	for _, repository := range []string{"debian", "site"} {
		if _, err := d.cache.Catalog.Publication(repository, "stable"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("repository %s: %v", repository, err)
		}
		if moves, err := d.cache.Catalog.History(t.Context(), repository, "stable", 10); err != nil || len(moves) != 0 {
			t.Errorf("its history: %v, %v", moves, err)
		}
	}
	put(&all)
	d.mustSync(t)
	if _, err := d.cache.Catalog.Resolve("site", "dists/stable/InRelease", func(string) bool { return true }); err != nil {
		t.Errorf("anew: %v", err)
	}
}

// Nobody shall take the signatures of a repository whose keys have gone for checked.
func TestVerifyMissesTheKeysOfTheSite(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	without := *s.inForce.Load()
	without.Keys = nil
	s.inForce.Store(&without)
	r, err := s.Verify(t.Context(), me, admin.VerifyRequest{}, func(admin.Event) {})
	if err == nil || len(r.Problems) != 1 || !strings.HasPrefix(r.Problems[0].What, "verifying InRelease: ") || len(r.Unchecked) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSnapshotsKeepWhatIsGone(t *testing.T) {
	a := published(t)
	c := newSite(t, a, "stable")
	d := openDaemon(t, c)
	d.mustSync(t)
	create(t, d, "june")
	none := *c
	none.Archives, none.Repositories = nil, nil
	f, err := inforce.Read(d.life, &none, d.inForce.Load())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.replace(f, func() {}); err != nil {
		t.Fatal(err)
	}
	if r, err := d.GC(t.Context(), me, admin.GCRequest{Unconfigured: true}); err != nil || len(r.Generations) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
