// Package status shows how the mirror does: a page for people, metrics for
// Prometheus, and two answers for whoever watches over the service.
//
// A Board is told of every request, refusal, fetch and job as it happens, and
// asks for the rest, a State, when somebody looks. What it remembers (traffic of
// the last days, when each client was last here) is bounded, and kept as notes
// so that a restart loses minutes at most.
//
// Addresses, below whatever the caller mounts the handler at:
//
//	/status, /   the page: plain HTML, no scripts, nothing from elsewhere
//	/metrics     the metrics that README.md lists
//	/healthz     200 as long as this process answers
//	/readyz      200 if every configured suite has a generation that clients
//	             accept, else 503 with the others and why, one a line
//
// The package decides nobody's rights: Local guards what is reachable without a
// certificate, and the server in front of Handler everything else. It never
// looks at the store, and all that it shows from outside is escaped.
package status

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os/user"
	"sync"
	"time"
)

// Config is what a Board works with. It must not be changed after New.
type Config struct {
	// State gives what is the case now. It is called for every look at the page
	// and the metrics, so it must be cheap.
	State func(ctx context.Context) (*State, error)
	// Archives are the configured ones: their counters exist from the start.
	// See SetArchives.
	Archives []Archive
	// Reasons are the classes of refusals of what upstream sends, Kinds those
	// of jobs. What is not among them counts as "other".
	Reasons, Kinds []string
	// Notes keeps what is remembered over a restart; nil forgets.
	Notes Notes
	Log   *slog.Logger
	Now   func() time.Time // nil: the system's clock
}

// Archive names an archive and its suites.
type Archive struct {
	Name   string
	Suites []string
}

// Notes keeps small values under names; cache/catalog has such a thing.
type Notes interface {
	Note(name string, into any) error
	SaveNote(name string, value any) error
}

// Board is the page, the metrics and what they are made of. Its methods may be
// called from many goroutines.
type Board struct {
	Config
	metrics *metrics
	traffic *traffic
	clients *clients
	users   *users
	saving  sync.Mutex        // guards saved, and is held while notes are written
	saved   map[string][]byte // what was written last, by name
}

// New prepares a board and reads what an earlier one remembered.
func New(c Config) *Board {
	if c.Now == nil {
		c.Now = time.Now
	}
	b := &Board{Config: c, traffic: newTraffic(), clients: newClients(), users: &users{lookUp: user.LookupId}, saved: map[string][]byte{}}
	b.metrics = newMetrics(b)
	b.remember()
	return b
}

// SetArchives puts archives in the place of those there were: counters begin and
// end with them. One call follows the other.
func (b *Board) SetArchives(archives []Archive) { b.metrics.setArchives(archives, b.Reasons) }

// saveEvery is how often notes are written: what a crash may lose.
const saveEvery = 10 * time.Minute

// Run writes notes now and then until ctx ends, and once more then.
func (b *Board) Run(ctx context.Context) error {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			b.Save()
		case <-ctx.Done():
			b.Save()
			return nil
		}
	}
}

// Names of the notes.
const (
	trafficNote = "status-traffic"
	clientsNote = "status-clients"
)

// Save writes down what is remembered. A failure is logged: the page is not
// worth stopping for.
func (b *Board) Save() {
	if b.Notes == nil {
		return
	}
	b.saving.Lock()
	defer b.saving.Unlock()
	for name, value := range map[string]any{trafficNote: b.traffic.note(), clientsNote: b.clients.note()} {
		if err := b.save(name, value); err != nil {
			b.Log.Warn("keeping what the status page remembers failed", "note", name, "error", err)
		}
	}
}

// save writes a note, unless it would be the same once more.
func (b *Board) save(name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil || bytes.Equal(raw, b.saved[name]) {
		return err
	}
	if err := b.Notes.SaveNote(name, json.RawMessage(raw)); err != nil {
		return err
	}
	b.saved[name] = raw
	return nil
}

// remember takes up the notes; the first start has none.
func (b *Board) remember() {
	if b.Notes == nil {
		return
	}
	var kept trafficKept
	if b.Notes.Note(trafficNote, &kept) == nil {
		b.traffic.restore(kept)
	}
	var seen clientsKept
	if b.Notes.Note(clientsNote, &seen) == nil {
		b.clients.restore(seen)
	}
}
