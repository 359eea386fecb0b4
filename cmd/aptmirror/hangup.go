package main

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangups are SIGHUPs of this process: to the daemon they say "reload", to every
// other command that its terminal is gone, which ends it as Ctrl-C does.
var hangups hangup

type hangup struct {
	mu    sync.Mutex // guards taken
	taken chan os.Signal
}

var errHangup = errors.New("hangup signal received")

// end makes a SIGHUP end the command, unless it was started to outlive its
// terminal (nohup(1)).
func (h *hangup) end(stop func()) {
	if signal.Ignored(syscall.SIGHUP) {
		return
	}
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGHUP)
	go func() {
		for s := range came {
			if !h.pass(s) {
				stop()
			}
		}
	}()
}

// take gives those that come from now on; a second one before the first was seen
// asks for the same.
func (h *hangup) take() <-chan os.Signal {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.taken = make(chan os.Signal, 1)
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(h.taken, syscall.SIGHUP)
	}
	return h.taken
}

// pass hands one on to who has taken them.
func (h *hangup) pass(s os.Signal) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken == nil {
		return false
	}
	select {
	case h.taken <- s:
	default:
	}
	return true
}
