package catalog

import (
	"context"
	"encoding/binary"
	"time"

	badger "github.com/dgraph-io/badger/v4"
)

// Job is the record of one unit of work.
type Job struct {
	Number   uint64    `json:"number"` // counts from 1; StartJob sets it
	Kind     string    `json:"kind"`   // "sync", "verify"
	Names    []string  `json:"names,omitempty"`
	By       string    `json:"by"` // who asked: "schedule", "uid 0"
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Error    string    `json:"error,omitempty"`
	Summary  string    `json:"summary,omitempty"`
}

// keptJobs is how many records stay; older ones go as new ones start.
const keptJobs = 500

// StartJob records a job under the next number and gives it back.
func (c *Catalog) StartJob(j Job) (Job, error) {
	err := c.db.Update(func(txn *badger.Txn) error {
		j.Number = 1
		err := each(txn, []byte{'j'}, true, func(item *badger.Item) (bool, error) {
			j.Number = binary.BigEndian.Uint64(item.Key()[1:]) + 1
			return false, nil
		})
		if err != nil {
			return err
		}
		if j.Number > keptJobs {
			if err := txn.Delete(numbered([]byte{'j'}, j.Number-keptJobs)); err != nil {
				return err
			}
		}
		return set(txn, numbered([]byte{'j'}, j.Number), j)
	})
	return j, err
}

// FinishJob replaces the record of a job that StartJob gave.
func (c *Catalog) FinishJob(j Job) error {
	return c.db.Update(func(txn *badger.Txn) error { return set(txn, numbered([]byte{'j'}, j.Number), j) })
}

// Jobs gives the newest jobs, newest first, at most that many.
func (c *Catalog) Jobs(ctx context.Context, most int) ([]Job, error) {
	return collect[Job](ctx, c, []byte{'j'}, true, most)
}
