package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"strings"
	"syscall"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// stopInTime stops the daemon and wants it to end well, which it does not where
// it has to give something up: how soon that is, package daemon tests.
func stopInTime(t *testing.T, p *process, s os.Signal) {
	t.Helper()
	if code := endsInTime(t, p, s); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// endsInTime gives the exit code.
func endsInTime(t *testing.T, p *process, s os.Signal) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p.cmd.Process.Signal(s) // it runs
	select {
	case <-p.done:
	case <-ctx.Done():
		p.cmd.Process.Signal(syscall.SIGQUIT) // shows where it is
		<-p.done
		t.Fatalf("not stopped after %s", patience)
	}
	if strings.Contains(p.String(), "panic") || strings.Contains(p.String(), "fatal error") {
		t.Errorf("the daemon said\n%s", p.String())
	}
	return p.cmd.ProcessState.ExitCode()
}

// A daemon whose store was taken away under it ends, and says so.
func TestStopWithoutItsState(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(state string) error{
		"removed": func(state string) error { // renamed first: the daemon writes into it
			return errors.Join(os.Rename(state, state+".away"), os.RemoveAll(state+".away"))
		},
		"replaced": func(state string) error {
			return errors.Join(os.Rename(state, state+".away"), os.MkdirAll(state+"/blobs", 0o700), os.MkdirAll(state+"/catalog", 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _, _ := sample(t)
			h := newHost(t, a)
			h.must("sync")
			p := h.serve()
			if err := take(h.dir + "/site/state"); err != nil {
				t.Fatal(err)
			}
			if code := endsInTime(t, p, syscall.SIGTERM); code != 1 || !strings.Contains(p.String(), "/state was removed or replaced while the store in it was open") {
				t.Errorf("it ends with %d:\n%s", code, p.String())
			}
		})
	}
}

// A command whose terminal goes away ends as with Ctrl-C, but under nohup; the
// daemon reads its files again.
func TestHangup(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	h := newHost(t, a)
	h.must("sync")
	p := h.serve()
	p.cmd.Process.Signal(syscall.SIGHUP)
	eventually(t, "the daemon has read its files again", func() bool { return strings.Contains(p.String(), "by=SIGHUP") })
	stopInTime(t, p, syscall.SIGTERM)

	for _, nohup := range []bool{false, true} {
		begun, proceed := make(chan struct{}, 10), make(chan struct{})
		a.AddPackage(upstreamtest.Package{Name: fmt.Sprint("more-", nohup)})
		a.Publish()
		a.Fault("dists/stable/main/*/by-hash/SHA256/*", func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
			begun <- struct{}{}
			select {
			case <-proceed:
				w.Write(f.Data)
			case <-r.Context().Done():
			}
		})
		command, want := []string{h.program, "sync"}, 130
		if nohup {
			command, want = append([]string{"nohup"}, command...), 0
		}
		cmd := h.command(t.Context(), command[0], command[1:]...)
		out := newOutput()
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-begun
		cmd.Process.Signal(syscall.SIGHUP)
		if nohup {
			close(proceed)
		}
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("nohup %v: exit code %d\n%s", nohup, code, out)
		}
		a.ClearFaults()
		h.checkStore()
	}
}

func TestStopWhileNothingHappens(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		h := newHost(t, a)
		stopInTime(t, h.serve(), s)
		h.checkStore()
	}
}

// A client that takes its time does not keep the daemon, neither from the
// store nor from upstream.
func TestStopDuringSlowDownloads(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	hit := a.AddPackage(upstreamtest.Package{Name: "hit", Size: 12 << 20})
	fill := a.AddPackage(upstreamtest.Package{Name: "fill", Size: 1 << 20})
	a.Publish()
	a.Fault(path.Base(fill.Filename), upstreamtest.Stall)
	h := newHost(t, a)
	c := h.client("client")
	h.must("sync")
	p := h.serve()
	io.Copy(io.Discard, c.get(hit.Filename).Body)

	var slow []*http.Response
	for _, file := range []string{hit.Filename, fill.Filename, hit.Filename} {
		resp := c.get(file)
		if _, err := io.ReadFull(resp.Body, make([]byte, 100)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		slow = append(slow, resp)
	}
	stopInTime(t, p, syscall.SIGTERM)
	for _, resp := range slow {
		if n, err := io.Copy(io.Discard, resp.Body); err == nil && n+100 < resp.ContentLength {
			t.Errorf("%s ended after %d of %d bytes as if it were whole", resp.Request.URL.Path, n+100, resp.ContentLength)
		}
	}
	h.checkStore()
}

// A job ends with the daemon; whoever waits for it is told.
func TestStopDuringSync(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	h := newHost(t, a)
	h.must("sync")
	p := h.serve()
	arrived := make(chan struct{}, 10)
	a.AddPackage(upstreamtest.Package{Name: "more"})
	a.Publish()
	a.Fault("dists/stable/main/binary-*/by-hash/SHA256/*", func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		arrived <- struct{}{}
		upstreamtest.Stall(w, r, f)
	})
	waiting := make(chan result, 1)
	go func() { waiting <- h.run("sync") }()
	<-arrived
	stopInTime(t, p, syscall.SIGTERM)
	if r := <-waiting; r.code != 1 || r.stderr == "" {
		t.Errorf("sync ended with %d\n%s", r.code, r.stderr)
	}
	a.ClearFaults()
	h.must("sync")
	h.checkStore()
}

// Somebody who imports and sends nothing for the moment keeps neither the daemon nor,
// where none runs, the command; and is told when the daemon goes away.
func TestStopDuringAnImportThatWaits(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	h := newHost(t, a)
	h.edit(func(text string) string { return text + fmt.Sprintf("\n[bundles]\nsigned_by = [%q]\n", h.siteKey()) })
	begin := func() (*exec.Cmd, *output) {
		cmd, out := h.command(t.Context(), h.program, "import", "-"), newOutput()
		cmd.Stdout, cmd.Stderr = out, out
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(stdin, "the beginning of a bundle")
		return cmd, out
	}
	d := h.serve()
	cmd, out := begin()
	eventually(t, "the daemon has the import", func() bool { return strings.Contains(d.String(), "kind=import") })
	stopInTime(t, d, syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "the daemon went away") {
		t.Errorf("the import ends with %d:\n%s", code, out)
	}
	cmd, out = begin()
	eventually(t, "the command has the store", func() bool {
		_, err := os.Stat(h.dir + "/site/state/catalog/LOCK")
		return err == nil
	})
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("the import ends with %d:\n%s", code, out)
	}
	h.checkStore()
}

// Ctrl-C on a sync that runs in the command's own process stops it cleanly.
func TestInterruptSync(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	a.Fault("dists/stable/main/*/by-hash/SHA256/*", upstreamtest.Stall)
	h := newHost(t, a)
	cmd := h.command(t.Context(), h.program, "sync")
	out := newOutput()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an index is asked for", func() bool { return len(a.Requests()) > 2 })
	cmd.Process.Signal(os.Interrupt) // it waits for upstream
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	a.ClearFaults()
	h.must("sync")
	h.checkStore()
}

// rounds of kill -9; each is a daemon of its own.
const rounds = 3

// What was published stays so, whatever the moment the daemon is killed at.
func TestKill(t *testing.T) {
	t.Parallel()
	for name, during := range map[string]func(*testing.T, *upstreamtest.Archive, *client, *process){
		"in the middle of a sync":   killDuringSync,
		"in the middle of a fill":   killDuringFill,
		"right after a publication": killAfterPublication,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, hello, _ := sample(t)
			h := newHost(t, a)
			c := h.client("client")
			h.must("sync")
			for range rounds {
				during(t, a, c, h.serve())
				generation := data[admin.Status](h, "status").Suites[0].Generation
				h.checkStore()
				a.ClearFaults()
				p := h.serve()
				c.update()
				c.download(hello)
				if got := data[admin.Status](h, "status").Suites[0].Generation; got < generation {
					t.Errorf("generation %d is served, it was %d", got, generation)
				}
				h.checkStore()
				p.stop(syscall.SIGTERM)
			}
		})
	}
}

func publishMore(a *upstreamtest.Archive) upstreamtest.Package {
	p := a.AddPackage(upstreamtest.Package{Name: "more", Version: "1." + string(rune('a'+a.Generations())), Size: 1 << 20})
	a.Publish()
	return p
}

func killDuringSync(t *testing.T, a *upstreamtest.Archive, c *client, p *process) {
	arrived := make(chan struct{}, 10)
	publishMore(a)
	a.Fault("dists/stable/main/*/by-hash/SHA256/*", func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		arrived <- struct{}{}
		upstreamtest.Stall(w, r, f)
	})
	before := commandsJobs(c)
	go c.run("sync")
	<-arrived
	// What arrived may be of the daemon's own first refresh. A command that
	// comes only after the kill would open the store itself.
	eventually(t, "the daemon has the command's job", func() bool { return commandsJobs(c) > before })
	p.kill()
}

// commandsJobs counts the jobs that commands asked for, not the schedule.
func commandsJobs(c *client) (n int) {
	for _, j := range data[admin.Jobs](c.host, "jobs").Jobs {
		if strings.HasPrefix(j.By, "uid") {
			n++
		}
	}
	return n
}

func killDuringFill(t *testing.T, a *upstreamtest.Archive, c *client, p *process) {
	more := publishMore(a)
	c.must("sync")
	a.Fault(path.Base(more.Filename), upstreamtest.Stall)
	if _, err := io.ReadFull(c.get(more.Filename).Body, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	p.kill()
}

func killAfterPublication(t *testing.T, a *upstreamtest.Archive, c *client, p *process) {
	more := publishMore(a)
	c.must("sync")
	p.kill()
	c.must("client", "list") // needs no daemon
	p = c.serve()
	c.update()
	c.download(more)
	p.kill()
}
