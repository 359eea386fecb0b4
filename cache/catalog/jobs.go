package catalog

import (
	"context"
	"errors"
	"fmt"
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
	Finished time.Time `json:"finished,omitzero"` // zero: running, or the process ended first
	Error    string    `json:"error,omitempty"`
	Summary  string    `json:"summary,omitempty"`
}

// keptJobs is how many records stay; older ones go as new ones start.
const keptJobs = 500

var jobPrefix = []byte{'j'}

// StartJob records a job under the next number and gives it back.
func (c *Catalog) StartJob(j Job) (Job, error) {
	c.numbering.Lock()
	defer c.numbering.Unlock()
	err := c.update(func(txn *badger.Txn) (err error) {
		if j.Number, err = nextNumber(txn, jobPrefix); err != nil {
			return err
		}
		if j.Number > keptJobs {
			if err := txn.Delete(numbered(jobPrefix, j.Number-keptJobs)); err != nil {
				return err
			}
		}
		return set(txn, numbered(jobPrefix, j.Number), j)
	})
	if err != nil {
		return j, fmt.Errorf("recording a job: %w", err)
	}
	return j, nil
}

// FinishJob replaces the record of a job that StartJob gave. A record that has
// gone meanwhile does not come back.
func (c *Catalog) FinishJob(j Job) error {
	c.numbering.Lock()
	defer c.numbering.Unlock()
	err := c.update(func(txn *badger.Txn) error {
		k := numbered(jobPrefix, j.Number)
		if err := get(txn, k, &Job{}); err != nil {
			return err
		}
		return set(txn, k, j)
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("recording the end of job %d: %w", j.Number, err)
	}
	return nil
}

// Jobs gives the newest jobs, newest first, at most that many.
func (c *Catalog) Jobs(ctx context.Context, most int) ([]Job, error) {
	rows, err := collect[Job](ctx, c, jobPrefix, true, most)
	if err != nil {
		return nil, fmt.Errorf("listing jobs: %w", err)
	}
	return rows, nil
}
