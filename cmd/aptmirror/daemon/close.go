package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// workTimeout is how long what a serving daemon does may take to end when it is told to
	// stop: requests under way have stopTimeout of it.
	workTimeout = stopTimeout + 2*time.Second
	// closeTimeout is how long the store may then take to write down what is in memory.
	// Both together are less than TimeoutStopSec of the unit.
	closeTimeout = 8 * time.Second
)

var errClosing = errors.New("aptmirror is stopping")

// StopError says that a daemon could not end as it should. The process has to end all the
// same; to the store that is a power cut, which takes nothing that was acknowledged.
type StopError struct{ text string }

func (e *StopError) Error() string { return e.text }

// Close ends jobs and fills, waits for them and closes the store. Once ctx of Open has
// ended it waits no longer than closeTimeout and SlowDisk: the disk may not answer, and
// the database tries for ever.
func (d *Daemon) Close() error {
	d.end(errClosing)
	if d.stuck {
		return nil // Serve has said so
	}
	return d.within(closeTimeout+d.SlowDisk, "closing the store in "+d.began.State, d.closeAll)
}

func (d *Daemon) closeAll() error {
	if d.place.gone() {
		return &StopError{fmt.Sprintf("%s was removed or replaced while the store in it was open: put it back or restore a backup, else the next start makes a new store", d.began.State)}
	}
	d.jobs.Wait()
	d.intake.Close()
	d.upstream.Close()
	return d.cache.Close()
}

// within waits for what ends the daemon: until limit after it was asked to stop, or for
// as long as it takes where nobody has asked.
func (d *Daemon) within(limit time.Duration, what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-d.asked:
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		d.stuck = true
		return &StopError{fmt.Sprintf("%s did not end within %s, as if the disk did not answer; it is given up as in a power cut, which takes nothing that was acknowledged: look at the disk and into the log", what, limit)}
	}
}

// place is where the databases are, as it was when they were opened.
type place map[string]os.FileInfo // by path

func placeOf(state string) place {
	p := place{}
	for _, part := range []string{"blobs", "catalog"} {
		path := filepath.Join(state, part)
		if info, err := os.Stat(path); err == nil {
			p[path] = info
		}
	}
	return p
}

// gone reports whether what is open has no name any more: databases would try for ever
// to write into a folder that is not there.
func (p place) gone() bool {
	for path, opened := range p {
		if now, err := os.Stat(path); errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(opened, now) {
			return true
		}
	}
	return false
}
