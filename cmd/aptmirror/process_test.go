package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take before a test gives up on it; with
// the race detector on a busy machine, a minute is needed at times.
const patience = 5 * time.Minute

// output collects what a process prints, for those who wait for a line of it.
type output struct {
	mu   sync.Mutex // guards the fields below
	text bytes.Buffer
	more chan struct{} // closed and replaced when there is more
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// wait returns when the output matches, or false when ctx has ended.
func (o *output) wait(ctx context.Context, pattern *regexp.Regexp) bool {
	for {
		o.mu.Lock()
		found, more := pattern.Match(o.text.Bytes()), o.more
		o.mu.Unlock()
		if found {
			return true
		}
		select {
		case <-more:
		case <-ctx.Done():
			return false
		}
	}
}

// process is a daemon in the background.
type process struct {
	*output
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

var readyLine = regexp.MustCompile(`(?m)^ready\b.*\n`)

// background starts a command that dies with the test and returns when it has
// said that it is ready.
func background(ctx context.Context, cmd *exec.Cmd) (*process, error) {
	p := &process{output: newOutput(), cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	go func() {
		defer close(p.done)
		defer cancel()
		cmd.Wait()
	}()
	if !p.wait(ctx, readyLine) {
		p.kill()
		return nil, errors.New("the daemon did not become ready:\n" + p.String())
	}
	return p, nil
}

// stop ends the daemon in good order and returns its exit code.
func (p *process) stop(s os.Signal) int {
	p.cmd.Process.Signal(s) // it may have ended
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

func (p *process) kill() {
	p.cmd.Process.Kill() // it may have ended
	<-p.done
}

// freePort gives a port that others who ask for any port do not get until the
// test ends: it stays bound, which keeps nobody from listening on it by name.
func freePort(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	err = errors.Join(syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	if err != nil {
		t.Fatal(err)
	}
	address, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(address.(*syscall.SockaddrInet4).Port)
}

// eventually asks again and again, for what nobody can be told about.
func eventually(t testing.TB, what string, true func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !true() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal("never happened: " + what)
		}
	}
}
