package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// opened opens a daemon that mirrors a test archive; state is kept in dir.
func opened(t *testing.T, a *upstreamtest.Archive, dir string) *Daemon {
	t.Helper()
	c := &config.Config{
		Path: filepath.Join(dir, "aptmirror.toml"), State: filepath.Join(dir, "state"),
		Archives: []config.Archive{{
			Name: "debian", URIs: []string{a.URL()}, Suites: []string{"stable"}, Components: []string{"main"},
			Architectures: []string{a.Arch}, SignedBy: []string{a.KeyringFile()}, Download: config.OnDemand,
		}},
		Repositories: []config.Repository{{Name: "debian", Archive: "debian"}},
	}
	d, err := Open(t.Context(), c, Options{Version: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustClose(t *testing.T, d *Daemon) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func nobody(admin.Event) {}

func suiteStatus(t *testing.T, d *Daemon) admin.SuiteStatus {
	t.Helper()
	s, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Suites[0]
}

// exit gives the exit code that an error makes a command end with.
func exit(err error) int {
	if ae := (*admin.Error)(nil); errors.As(err, &ae) {
		return ae.Exit
	}
	return 0
}

// What is held is held across restarts, told with the command that takes it,
// and published once somebody has accepted it.
func TestAcceptPublishesWhatWasHeld(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	dir := t.TempDir()
	me := admin.Caller{UID: os.Getuid()}
	d := opened(t, a, dir)
	if _, err := d.Sync(t.Context(), me, admin.SyncRequest{}, nobody); err != nil {
		t.Fatal(err)
	}
	a.Suite.Label = "Other"
	a.Publish()
	var told string
	result, err := d.Sync(t.Context(), me, admin.SyncRequest{}, func(e admin.Event) { told += e.Text })
	if exit(err) != admin.ExitRefused || !result.Suites[0].Refused || result.Suites[0].Reason != "info-changed" {
		t.Fatalf("sync: %+v, %v", result, err)
	}
	if !strings.Contains(told, "aptmirror archive accept debian stable") {
		t.Errorf("sync does not say what to do: %q", told)
	}
	mustClose(t, d)

	d = opened(t, a, dir)
	defer func() { mustClose(t, d) }()
	s := suiteStatus(t, d)
	if s.Generation != 1 || s.Held == nil || !strings.Contains(s.Held.What, "Label") || !strings.Contains(s.Advice, "archive accept debian stable") {
		t.Errorf("status after a restart: %+v", s)
	}
	accepted, err := d.Accept(t.Context(), me, admin.AcceptRequest{Archive: "debian", Suite: "stable"}, nobody)
	if err != nil || !accepted.Suite.New || accepted.Accepted.Reason != "info-changed" {
		t.Fatalf("accept: %+v, %v", accepted, err)
	}
	if s := suiteStatus(t, d); s.Generation != 2 || s.Held != nil || s.Error != "" {
		t.Errorf("status afterwards: %+v", s)
	}
	if _, err := d.Accept(t.Context(), me, admin.AcceptRequest{Archive: "debian", Suite: "stable"}, nobody); exit(err) != admin.ExitFailed {
		t.Errorf("accepting nothing: %v", err)
	}
	if _, err := d.Accept(t.Context(), me, admin.AcceptRequest{Archive: "debian", Suite: "sid"}, nobody); exit(err) != admin.ExitUsage {
		t.Errorf("accepting an unknown suite: %v", err)
	}
}
