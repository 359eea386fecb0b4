package main

import (
	"bytes"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// moved is news of a download, some seconds after it began.
func moved(second float64, present int, bytes int64) admin.Event {
	return admin.Event{
		Archive: "debian", Suite: "stable", Text: "debian stable: on its way",
		Time:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(second * float64(time.Second))),
		Progress: &admin.Progress{Wanted: 100, Present: present, WantedBytes: 10e6, PresentBytes: bytes},
	}
}

func TestPace(t *testing.T) {
	first := moved(0, 10, 1e6)
	p := pace{first: *first.Progress, began: first.Time}
	for _, tt := range []struct {
		event admin.Event
		want  string
	}{
		{first, " 10/100 files  1.0 MB/10.0 MB"},
		{moved(2, 20, 3e6), " 20/100 files  3.0 MB/10.0 MB  1.0 MB/s  7s left"},
		{moved(800, 20, 3e6), " 20/100 files  3.0 MB/10.0 MB  2.5 kB/s  46m40s left"},
		{moved(9, 100, 10e6), " 100/100 files  10.0 MB/10.0 MB  1.0 MB/s"},
	} {
		if got := p.next(tt.event).String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestLinesTellOfALongDownloadNowAndThen(t *testing.T) {
	var out bytes.Buffer
	news := lines(&out)
	for second := range 12 {
		news(moved(float64(second), second, int64(second)))
	}
	news(admin.Event{Archive: "debian", Suite: "stable", Text: "debian stable: all 100 files are here"})
	news(admin.Event{Archive: "debian", Suite: "other", Text: "it failed", Failed: true})
	want := strings.Repeat("debian stable: on its way\n", 2) + "debian stable: all 100 files are here\nFAILED: it failed\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestBarsAreDrawnAndTakenAway(t *testing.T) {
	var out bytes.Buffer
	draw := make(chan any)
	b := &bars{w: &out, all: map[string]*bar{}, options: []mpb.ContainerOption{mpb.WithManualRefresh(draw), mpb.WithWidth(150)}}
	b.show(admin.Event{Archive: "debian", Suite: "other", Text: "before"})
	b.show(moved(0, 10, 1e6))
	b.show(moved(2, 20, 3e6))
	draw <- time.Now()
	draw <- time.Now() // the first has been drawn
	b.show(admin.Event{Archive: "debian", Suite: "stable", Text: "debian stable: all is here"})
	b.show(moved(3, 30, 4e6)) // as if another began
	draw <- time.Now()
	b.done()
	text := out.String()
	for _, want := range []string{"before\n", "debian stable", "20/100 files  3.0 MB/10.0 MB  1.0 MB/s  7s left", "debian stable: all is here\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%q", want, text)
		}
	}
	if strings.Contains(text, "\x1b[3") || strings.Contains(text, "\x1b[9") {
		t.Errorf("colours in %q", text)
	}
	if n := strings.Count(text, "all is here"); n != 1 {
		t.Errorf("the line stands there %d times", n)
	}
}

// wholeHost is a site whose archive is downloaded ahead of time.
func wholeHost(t *testing.T, a *upstreamtest.Archive) *host {
	t.Helper()
	h := newHost(t, a)
	h.edit(func(text string) string {
		return strings.Replace(text, "\nname = \"debian\"\nuris", "\nname = \"debian\"\ndownload = \"all\"\nuris", 1)
	})
	return h
}

func TestDryRunTellsWhatWouldCome(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello", Size: 50_000})
	a.Publish()
	h := wholeHost(t, a)
	before := data[admin.SyncResult](h, "sync", "--dry-run").Suites[0]
	if !before.New || before.Wanted != 2 || before.Present != 0 || before.WantedBytes <= int64(len(p.Deb)) || before.IndexBytes == 0 {
		t.Errorf("got %+v", before)
	}
	if status := data[admin.Status](h, "status"); status.Blobs != 0 || status.Suites[0].Generation != 0 || !status.Suites[0].Checked.IsZero() {
		t.Errorf("it left %+v", status)
	}
	if jobs := data[admin.Jobs](h, "jobs"); len(jobs.Jobs) != 0 {
		t.Errorf("it is recorded: %+v", jobs)
	}
	if r := h.must("sync", "--dry-run"); !strings.Contains(r.stderr, "something new") || !strings.Contains(r.stderr, "2 of 2 files would come, 5") {
		t.Errorf("it says %q", r.stderr)
	}
	h.must("sync")
	if r := h.must("sync", "debian", "--dry-run"); !strings.Contains(r.stderr, "nothing new since") || !strings.Contains(r.stderr, "all 2 files are here") {
		t.Errorf("after a sync it says %q", r.stderr)
	}
	a.Publish(upstreamtest.Tampered())
	if r := h.run("sync", "--dry-run"); r.code != admin.ExitRefused || !strings.Contains(r.stderr, "FAILED") {
		t.Errorf("of a tampered Release: exit code %d, %s", r.code, r.stderr)
	}
}

// What is missing is said, and the exit code says it too.
func TestSyncIsHonestAboutWhatIsMissing(t *testing.T) {
	a := upstreamtest.New(t)
	bad := a.AddPackage(upstreamtest.Package{Name: "bad"})
	a.AddPackage(upstreamtest.Package{Name: "good"})
	a.Publish()
	a.Fault(bad.Filename, upstreamtest.NotFound)
	h := wholeHost(t, a)
	for range 2 {
		r := h.run("sync")
		if r.code != admin.ExitPartly || !strings.Contains(r.stderr, "1 of 3 files could not be fetched") || !strings.Contains(r.stderr, bad.Filename) {
			t.Errorf("exit code %d, it says %q", r.code, r.stderr)
		}
		if strings.Contains(r.stderr, "files are here") {
			t.Errorf("it claims too much: %q", r.stderr)
		}
	}
	a.ClearFaults()
	if r := h.must("sync"); !strings.Contains(r.stderr, "all 3 files are here") {
		t.Errorf("in the end it says %q", r.stderr)
	}
}

// script(1) gives the program a terminal.
func TestSyncDrawsABarOnATerminal(t *testing.T) {
	if _, err := exec.LookPath("script"); err != nil {
		t.Skip("script is not installed")
	}
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "large", Size: 4 << 20})
	a.Publish()
	screen := newOutput()
	a.Fault("*.deb", drip(func() bool { return strings.Contains(screen.String(), "s left") }))
	h := wholeHost(t, a)
	cmd := h.command(t.Context(), "script", "-qec", "stty rows 40 cols 150; "+h.program+" sync", "/dev/null")
	cmd.Env = append(cmd.Env, "TERM=xterm", "SHELL=/bin/sh")
	cmd.Stdout = screen
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, screen)
	}
	for _, want := range []string{"/2 files", "B/s", "s left", "debian stable: verified", "all 2 files are here"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("no %q in\n%q", want, screen)
		}
	}
}

// drip answers with a few bytes at a time, until it is enough.
func drip(enough func() bool) upstreamtest.Fault {
	return func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Data)))
		rest := f.Data
		until(r.Context(), func() bool {
			w.Write(rest[:min(1<<10, len(rest)-1)])
			http.NewResponseController(w).Flush() // the client may be gone
			rest = rest[min(1<<10, len(rest)-1):]
			return enough()
		})
		w.Write(rest)
	}
}
