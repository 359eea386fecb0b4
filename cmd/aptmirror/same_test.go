package main

import (
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// view is everything that commands tell of a site.
type view struct {
	Status admin.Status
	Sync   admin.SyncResult
	Verify admin.VerifyResult
	Jobs   []admin.Job
}

func look(h *host) (v view) {
	v.Sync = data[admin.SyncResult](h, "sync")
	v.Verify = data[admin.VerifyResult](h, "verify")
	v.Status = data[admin.Status](h, "status")
	v.Jobs = data[admin.Jobs](h, "jobs").Jobs
	return v
}

// The daemon answers commands as they would answer themselves.
func TestCommandsSayTheSameWithAndWithoutADaemon(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	p := h.serve()
	c.update()
	c.download(hello)
	eventually(t, "the daemon has done its first refresh", func() bool {
		return slices.ContainsFunc(data[admin.Jobs](h, "jobs").Jobs, func(j admin.Job) bool { return j.By == "schedule" && !j.Finished.IsZero() })
	})
	with := look(h)
	p.stop(syscall.SIGTERM)
	without := look(h)

	if !with.Status.Running || with.Status.Started.IsZero() || len(with.Status.Listen) != 1 || without.Status.Running || without.Status.Listen != nil {
		t.Errorf("running: %+v, not running: %+v", with.Status, without.Status)
	}
	if with.Status.Suites[0].Cached != 1 || with.Status.Suites[0].Packages == 0 {
		t.Errorf("cached %+v", with.Status.Suites[0])
	}
	// Job numbers go on; otherwise both looks did the same two jobs.
	sameJob := cmpopts.IgnoreFields(admin.Job{}, "Number", "Started", "Finished")
	if diff := cmp.Diff(with.Jobs[:2], without.Jobs[:2], sameJob); diff != "" {
		t.Errorf("jobs differ:\n%s", diff)
	}
	if diff := cmp.Diff(with.Jobs, without.Jobs[2:], cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("the record of jobs changed:\n%s", diff)
	}
	with.Jobs, without.Jobs = nil, nil
	options := cmp.Options{
		cmpopts.IgnoreFields(admin.Status{}, "Running", "Started", "Listen", "Access"),
		cmpopts.IgnoreFields(admin.Space{}, "Disk"),
		cmpopts.IgnoreFields(admin.SuiteStatus{}, "Checked", "CheckedOK"),
	}
	if diff := cmp.Diff(with, without, options); diff != "" {
		t.Errorf("(-with +without a daemon):\n%s", diff)
	}
	for _, s := range []admin.SuiteStatus{with.Status.Suites[0], without.Status.Suites[0]} {
		if time.Since(s.CheckedOK) > patience || s.CheckedOK.Before(s.Published) {
			t.Errorf("checked at %s, published at %s", s.CheckedOK, s.Published)
		}
	}
}

// A quickstart that was broken off goes on where it is run again.
func TestQuickstartGoesOn(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	h := &host{t: t, dir: t.TempDir(), program: "aptmirror", port: freePort(t)}
	args := []string{"quickstart", "--dir", "site", "--listen", "127.0.0.1:" + h.port, "--uri", a.URL(), "--suite", "stable", "--keyring", a.KeyringFile()}
	broken := "dists/stable/main/binary-" + a.Arch + "/*"
	a.Fault(broken, upstreamtest.Status(500, ""))
	a.Fault(filepath.Dir(broken)+"/by-hash/SHA256/*", upstreamtest.Status(500, ""))
	if r := h.run(args...); r.code == 0 || r.stderr == "" {
		t.Fatalf("without indexes: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	a.ClearFaults()
	p, err := background(t.Context(), h.command(t.Context(), h.program, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	h.config = filepath.Join(h.dir, "site", "aptmirror.toml")
	c := &client{h, "client", filepath.Join(h.dir, "site", "client")}
	if err := h.mkdir(c.work("")); err != nil {
		t.Fatal(err)
	}
	c.update()
	c.download(hello)
}
