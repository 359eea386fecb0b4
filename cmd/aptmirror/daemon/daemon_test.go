package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// newSite makes a site with one archive, "debian".
func newSite(t *testing.T, a *upstreamtest.Archive, suites ...string) *config.Config {
	t.Helper()
	c, err := site.Create(site.Plan{
		Dir: filepath.Join(t.TempDir(), "site"), Hosts: []string{"localhost"}, Listen: "127.0.0.1:1",
		Archives: []config.Archive{{
			Name: "debian", URIs: []string{a.URL()}, Suites: suites, Components: []string{"main"}, Architectures: []string{a.Arch},
			SignedBy: []string{a.KeyringFile()}, Refresh: config.DefaultRefresh, Download: config.OnDemand,
		}},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openDaemon opens a daemon that is closed at the end of the test.
func openDaemon(t *testing.T, c *config.Config) *Daemon {
	t.Helper()
	d, err := Open(t.Context(), c, Options{Version: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func published(t *testing.T) *upstreamtest.Archive {
	t.Helper()
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	return a
}

func syncOnce(ctx context.Context, d *Daemon, archives ...string) (*admin.SyncResult, []admin.Event, error) {
	var news []admin.Event
	r, err := d.Sync(ctx, admin.Caller{UID: 7}, admin.SyncRequest{Archives: archives}, func(e admin.Event) { news = append(news, e) })
	return r, news, err
}

func TestSyncIsRecordedAsAJob(t *testing.T) {
	a := published(t)
	d := openDaemon(t, newSite(t, a, "stable"))
	result, news, err := syncOnce(t.Context(), d)
	if err != nil || len(result.Suites) != 1 || !result.Suites[0].New || result.Suites[0].Generation != 1 {
		t.Fatalf("got %+v, %v", result, err)
	}
	if len(news) != 1 || news[0].Job != 1 || news[0].Time.IsZero() {
		t.Errorf("news %+v", news)
	}
	a.Publish(upstreamtest.Tampered())
	if _, _, err := syncOnce(t.Context(), d, "debian"); err == nil {
		t.Error("a tampered Release was taken in")
	}
	jobs, err := d.Jobs(t.Context())
	if err != nil || len(jobs.Jobs) != 2 {
		t.Fatalf("got %+v, %v", jobs, err)
	}
	first, second := jobs.Jobs[1], jobs.Jobs[0]
	if first.By != "uid 7" || first.Summary != "1 suites: 1 new, 0 unchanged, 0 failed" || first.Finished.Before(first.Started) || first.Error != "" {
		t.Errorf("the first is recorded as %+v", first)
	}
	if !slices.Equal(second.Names, []string{"debian"}) || !strings.Contains(second.Error, "refused") || second.Finished.IsZero() {
		t.Errorf("the second is recorded as %+v", second)
	}
}

// Whoever asked may leave; what was begun is finished.
func TestSyncGoesOnWithoutItsCaller(t *testing.T) {
	a := published(t)
	d := openDaemon(t, newSite(t, a, "stable"))
	gone, leave := context.WithCancel(t.Context())
	leave()
	if r, _, err := syncOnce(gone, d); err != nil || r.Suites[0].Generation != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestSyncOfUnknownArchives(t *testing.T) {
	d := openDaemon(t, newSite(t, published(t), "stable"))
	_, _, err := syncOnce(t.Context(), d, "debian", "nosuch")
	fault := (*admin.Error)(nil)
	if !errors.As(err, &fault) || fault.Exit != admin.ExitUsage || !strings.Contains(fault.Text, `"nosuch"`) {
		t.Errorf("got %v", err)
	}
	if jobs, err := d.Jobs(t.Context()); err != nil || len(jobs.Jobs) != 0 {
		t.Errorf("a mistake was recorded as a job: %+v, %v", jobs, err)
	}
}

// Results stand in configured order, whichever suite is done first.
func TestResultsAreInOrder(t *testing.T) {
	a := published(t)
	suites := []string{"stable"}
	for _, name := range []string{"s1", "s2", "s3", "s4", "s5", "s6"} {
		a.AddSuite(name)
		suites = append(suites, name)
	}
	a.AddPackage(upstreamtest.Package{Name: "p", Suite: "s3"})
	a.Publish()
	a.Fault("dists/s2/InRelease", upstreamtest.Status(500, ""))
	d := openDaemon(t, newSite(t, a, suites...))
	result, news, err := syncOnce(t.Context(), d)
	fault := (*admin.Error)(nil)
	if !errors.As(err, &fault) || len(result.Suites) != len(suites) || len(news) != len(suites) {
		t.Fatalf("got %+v, %d news, %v", result, len(news), err)
	}
	for i, r := range result.Suites {
		if r.Suite != suites[i] || (r.Error != "") != (r.Suite == "s2") && r.Packages > 0 {
			t.Errorf("result %d is %+v, want suite %s", i, r, suites[i])
		}
	}
}

func TestStoreHasOneOwner(t *testing.T) {
	c := newSite(t, published(t), "stable")
	openDaemon(t, c)
	if _, err := Open(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, blob.ErrLocked) {
		t.Errorf("a second daemon: %v", err)
	}
}

func TestOpenNamesWhatIsMissing(t *testing.T) {
	c := newSite(t, published(t), "stable")
	c.Archives[0].SignedBy = []string{filepath.Join(t.TempDir(), "none.gpg")}
	if _, err := Open(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), "archive debian") || !strings.Contains(err.Error(), "none.gpg") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.State); err == nil {
		t.Error("a store was made before the configuration was looked at")
	}
}

// A closed daemon leaves a store that another can open, and does nothing more.
func TestClose(t *testing.T) {
	a := published(t)
	c := newSite(t, a, "stable")
	d := openDaemon(t, c)
	if _, _, err := syncOnce(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again := openDaemon(t, c)
	status, err := again.Status(t.Context())
	if err != nil || status.Running || len(status.Suites) != 1 || status.Suites[0].Generation != 1 || status.Blobs == 0 {
		t.Errorf("got %+v, %v", status, err)
	}
	report, err := again.Verify(t.Context(), admin.Caller{}, admin.VerifyRequest{}, func(admin.Event) {})
	if err != nil || report.Generations != 1 || len(report.Problems) != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
}

func TestStatusBeforeTheFirstSync(t *testing.T) {
	d := openDaemon(t, newSite(t, published(t), "stable"))
	status, err := d.Status(t.Context())
	if err != nil || len(status.Suites) != 1 {
		t.Fatalf("got %+v, %v", status, err)
	}
	if s := status.Suites[0]; s.Repository != "debian" || s.Suite != "stable" || s.Generation != 0 || !s.Checked.IsZero() {
		t.Errorf("got %+v", s)
	}
}

// Nothing but another bundle would ever publish there.
func TestANewRepositoryBeginsWithWhatItsArchiveHas(t *testing.T) {
	a := published(t)
	c := newSite(t, a, "stable")
	d := openDaemon(t, c)
	if _, _, err := syncOnce(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	mustClose(t, d)
	c.Archives[0].URIs = nil
	c.Repositories = append(c.Repositories, config.Repository{Name: "again", Archive: "debian"})
	d = openDaemon(t, c)
	for _, r := range []string{"debian", "again"} {
		if p, err := d.cache.Catalog.Publication(r, "stable"); err != nil || p.Current.Number != 1 {
			t.Errorf("repository %s has %v, %v", r, p.Current, err)
		}
		if _, err := d.cache.Catalog.Resolve(r, "dists/stable/InRelease", func(string) bool { return true }); err != nil {
			t.Errorf("repository %s: %v", r, err)
		}
	}
}
