package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Bounds of a body: a server that is slower than these is as good as down.
const (
	stallTimeout = 30 * time.Second // between two pieces
	minRate      = 1000             // bytes a second, averaged over rateWindow
	rateWindow   = 30 * time.Second
)

var (
	errStalled = fmt.Errorf("the server sent nothing for %s", stallTimeout)
	errTooSlow = fmt.Errorf("the server sends less than %d bytes a second", minRate)
)

// isSlow tells a server that crawls from one whose connection broke: there is
// no use in going on with the same one.
func isSlow(err error) bool { return errors.Is(err, errStalled) || errors.Is(err, errTooSlow) }

// guard is a body that fails when the server is too slow. Only the time that
// is spent waiting for the server counts: who reads may take its time. One
// goroutine reads; the timer's only cancels.
type guard struct {
	body   io.ReadCloser
	url    string
	limit  *limiter // nil: no bound
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   func() // gives the request's slot back
	over   func() // is told once, when the body is closed

	waited time.Duration // in the present window
	got    int64         // bytes in it
	all    int64         // bytes that came
	broke  error         // why no more came than did
}

func newGuard(ctx context.Context, body io.ReadCloser, cancel context.CancelCauseFunc) *guard {
	g := &guard{body: body, ctx: ctx, cancel: cancel, done: func() {}, over: func() {}}
	g.timer = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	g.timer.Stop()
	return g
}

func (g *guard) Read(p []byte) (int, error) {
	if g.limit != nil {
		p = p[:min(len(p), g.limit.piece())]
	}
	start := time.Now()
	g.timer.Reset(stallTimeout)
	n, err := g.body.Read(p)
	g.timer.Stop()
	g.all += int64(n)
	if err == nil {
		err = g.judge(n, time.Since(start))
	}
	if err == nil && g.limit != nil {
		err = wait(g.ctx, g.limit.take(n, time.Now()))
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	if cause := context.Cause(g.ctx); cause != nil {
		err = cause
	}
	err = &requestError{g.url, err}
	if !errors.Is(err, context.Canceled) { // who wanted it went away
		g.broke = err
	}
	return n, err
}

// judge adds what one read brought to the window and looks at it when it is full.
func (g *guard) judge(n int, took time.Duration) error {
	g.waited += took
	g.got += int64(n)
	if g.waited < rateWindow {
		return nil
	}
	if g.got < minRate*int64(rateWindow/time.Second) {
		return errTooSlow
	}
	g.waited, g.got = 0, 0
	return nil
}

// Close may be called more than once.
func (g *guard) Close() error {
	g.timer.Stop()
	err := g.body.Close()
	g.cancel(nil)
	g.freeSlot()
	g.over()
	g.over = func() {}
	return err
}

// freeSlot lets another request begin while this one goes on.
func (g *guard) freeSlot() {
	g.done()
	g.done = func() {}
}
