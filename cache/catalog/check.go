package catalog

import (
	"errors"
	"fmt"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// Check is what is known of one suite of an archive besides its generations:
// the last look at it, and the newest Release ever accepted, which is the mark
// below which time does not go back.
type Check struct {
	Archive string    `json:"archive"`
	Suite   string    `json:"suite"`
	At      time.Time `json:"at"`              // the last attempt
	OK      time.Time `json:"ok,omitzero"`     // the last one that found nothing wrong
	Error   string    `json:"error,omitempty"` // why the last attempt failed
	Reason  string    `json:"reason,omitempty"`
	URI     string    `json:"uri,omitempty"` // the mirror that gave what was accepted
	// What that mirror said of its InRelease, sent back to ask for a newer one.
	LastModified string `json:"last_modified,omitempty"`
	ETag         string `json:"etag,omitempty"`

	AcceptedDate    time.Time   `json:"accepted_date,omitzero"`
	AcceptedRelease blob.Digest `json:"accepted_release"`
	// Accepted is nil as long as nothing was accepted, or nothing that noted it.
	Accepted *Identity `json:"accepted,omitempty"`
	// Held is nil where nothing waits for a person.
	Held *Held `json:"held,omitempty"`
}

// SaveCheck replaces what is known of a suite.
func (c *Catalog) SaveCheck(s Check) error {
	err := checkNames(s.Archive, s.Suite)
	if err == nil {
		err = c.update(func(txn *badger.Txn) error { return set(txn, key('s', s.Archive, s.Suite), s) })
	}
	if err != nil {
		return fmt.Errorf("recording the state of archive %s, suite %s: %w", s.Archive, s.Suite, err)
	}
	return nil
}

// Check gives what is known of a suite; of a new one, nothing but its name.
func (c *Catalog) Check(archive, suite string) (Check, error) {
	s := Check{Archive: archive, Suite: suite}
	err := c.db.View(func(txn *badger.Txn) error { return get(txn, key('s', archive, suite), &s) })
	if err != nil && !errors.Is(err, ErrNotFound) {
		return s, err
	}
	return s, nil
}
