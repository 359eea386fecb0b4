package daemon

import (
	"fmt"
	"time"

	"aptmirror/cmd/aptmirror/daemon/inforce"
)

// quietFor is how long nothing may be heard of a suite before whoever watches
// is told that the work on it goes on: mirrors that do not answer are waited
// for and asked again, which takes minutes.
const quietFor = 10 * time.Second

// whileQuiet calls say with the time since the beginning whenever nothing was
// heard for quietFor. stop ends that, and waits for a call that is under way.
func whileQuiet(say func(since time.Duration)) (heard, stop func()) {
	began, news, done, ended := time.Now(), make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		quiet := time.NewTimer(quietFor)
		defer quiet.Stop()
		for {
			select {
			case <-done:
				return
			case <-news:
			case <-quiet.C:
				say(time.Since(began).Round(time.Second))
			}
			quiet.Reset(quietFor)
		}
	}()
	heard = func() {
		select {
		case news <- struct{}{}:
		default:
		}
	}
	return heard, func() { close(done); <-ended }
}

// stillAtIt names the mirrors that keep a suite waiting, where it is they.
func (d *Daemon) stillAtIt(k inforce.SuiteKey, since time.Duration) string {
	text := fmt.Sprintf("%s: still at it after %s", k, since)
	a := d.upstream.Archive(k.Archive)
	if a == nil {
		return text
	}
	for _, m := range d.upstream.Mirrors(a) {
		if !m.LastUntil.IsZero() {
			text += "; " + m.URI + ": " + m.Why
		}
	}
	return text
}
