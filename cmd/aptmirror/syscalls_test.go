package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// The unit's SystemCallFilter= answers EPERM to what it does not allow. Here the
// daemon does what it does all day, and everything it asked the kernel for must
// be in the filter. Go asks for more open files when it starts and goes on where
// it may not (the unit sets LimitNOFILE=).
func TestSystemCallsAreAllowed(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	allowed := allowedCalls(t)
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1"})
	a.Publish()
	h := newHost(t, a)
	summary := filepath.Join(t.TempDir(), "calls")
	if err := os.Chmod(filepath.Dir(summary), 0o777); err != nil {
		t.Fatal(err)
	}
	// With -D the daemon is the child and strace ends after it.
	p, err := background(t.Context(), h.command(context.WithoutCancel(t.Context()), strace, "-D", "-f", "-qq", "-c", "-U", "name", "-o", summary, h.program, "serve"))
	if err != nil {
		t.Skipf("strace cannot trace here: %v", err)
	}
	t.Cleanup(p.kill)
	h.must("sync")
	h.must("verify")
	h.must("gc")
	c := h.client("one.example.org")
	c.get("dists/stable/InRelease")
	p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done

	file, err := os.Open(summary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	calls := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name := strings.TrimSpace(lines.Text())
		if !regexp.MustCompile(`^[a-z0-9_]+$`).MatchString(name) || name == "syscall" || name == "total" {
			continue
		}
		calls++
		if !slices.Contains(allowed, name) && name != "prlimit64" && name != "setrlimit" {
			t.Errorf("the daemon uses %s, which the unit's filter denies", name)
		}
	}
	if calls < 20 {
		t.Errorf("strace saw only %d different calls", calls)
	}
}

// allowedCalls gives what the unit's filter lets through, sets taken apart.
func allowedCalls(t *testing.T) []string {
	t.Helper()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed (Debian package systemd)")
	}
	unit, err := os.ReadFile(filepath.Join("..", "..", "systemd", "aptmirror.service"))
	if err != nil {
		t.Fatal(err)
	}
	var allowed []string
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(unit), -1) {
		for _, set := range strings.Fields(m[2]) {
			calls := callsOf(t, analyze, set)
			if m[1] == "" {
				allowed = append(allowed, calls...)
			} else {
				allowed = slices.DeleteFunc(allowed, func(c string) bool { return slices.Contains(calls, c) })
			}
		}
	}
	return allowed
}

func callsOf(t *testing.T, analyze, set string) (calls []string) {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), analyze, "syscall-filter", set).Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		switch word := strings.TrimSpace(line); {
		case word == "" || strings.HasPrefix(word, "#") || word == set:
		case strings.HasPrefix(word, "@"):
			calls = append(calls, callsOf(t, analyze, word)...)
		default:
			calls = append(calls, word)
		}
	}
	return calls
}
