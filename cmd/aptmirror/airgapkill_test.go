package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// A bundle of which half has been read is no state: killed there, with or
// without a daemon, a site has what it had, and importing again finishes it.
func TestAnImportThatIsKilled(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	out := newHost(t, a)
	out.exports()
	out.must("sync")
	out.must("snapshot", "create", "monday", "--complete")
	first := filepath.Join(out.dir, "monday.tar")
	out.must("export", "monday", first)
	for _, name := range []string{"one", "two", "three"} {
		a.AddPackage(upstreamtest.Package{Name: name, Size: 3 << 20})
	}
	a.Publish()
	out.must("sync")
	out.must("snapshot", "create", "tuesday", "--complete")
	second := filepath.Join(out.dir, "tuesday.tar")
	out.must("export", "tuesday", second)
	for name, withDaemon := range map[string]bool{"without a daemon": false, "with one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := out.inside(a)
			in.t = t
			in.must("import", first)
			killImport(t, in, second, withDaemon)
			if s := data[admin.Status](in, "status").Suites[0]; s.Generation != 1 {
				t.Errorf("after the kill: %+v", s)
			}
			in.checkStore()
			in.must("import", second)
			if s := data[admin.Status](in, "status").Suites[0]; s.Generation != 2 || s.Cached != s.Packages {
				t.Errorf("after importing again: %+v", s)
			}
			in.checkStore()
		})
	}
}

// killImport gives an import half of a bundle and kills whoever works on it.
func killImport(t *testing.T, in *host, bundle string, withDaemon bool) {
	t.Helper()
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	var daemon *process
	if withDaemon {
		daemon = in.serve()
	}
	cmd := in.command(context.WithoutCancel(t.Context()), in.program, "import", "-")
	pipe, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	// More than the pipes on the way can hold is written only when it is read.
	if _, err := pipe.Write(text[:len(text)/2]); err != nil {
		t.Error(err)
	}
	if withDaemon {
		daemon.kill()
	} else if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	pipe.Close()
}
