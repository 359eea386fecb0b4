package daemon

import (
	"context"
	"fmt"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
)

const (
	// scrubRate is what the slow reading of the store may take, in bytes a
	// second; 200 GB then take half a day.
	scrubRate = 4 << 20
	// scrubEvery is the time between the end of one reading and the next, and
	// scrubRetry that after a failure or a start.
	scrubEvery = 7 * 24 * time.Hour
	scrubRetry = 10 * time.Minute
)

// mended counts what a repair did.
type mended struct {
	dropped  int // damaged files
	restored int // files and generations that were incomplete without them
}

// repair drops what is damaged, which quick does not look for, and brings back
// what is needed and missing.
func (d *Daemon) repair(ctx context.Context, quick bool, tell func(string)) (m mended, err error) {
	if !quick {
		damaged, err := d.cache.Damaged(ctx, tell)
		if err != nil {
			return m, err
		}
		for _, digest := range damaged {
			tell(fmt.Sprintf("file %s is damaged and is dropped", digest))
		}
		if err := d.cache.Drop(ctx, damaged...); err != nil {
			return m, err
		}
		m.dropped = len(damaged)
	}
	m.restored, err = d.restore(ctx, tell)
	return m, err
}

// restore brings back what generations consist of and the store has lost: an
// index by its digest, while upstream has it, and the rest by another refresh.
// What cannot be had is told; Verify will name it too.
func (d *Daemon) restore(ctx context.Context, tell func(string)) (restored int, err error) {
	lost, err := d.cache.Lost(ctx)
	if err != nil {
		return 0, err
	}
	again := map[inforce.SuiteKey]bool{}
	for _, g := range lost.Generations {
		again[inforce.SuiteKey{Archive: g.Archive, Suite: g.Suite}] = true
	}
	for k := range again {
		d.refreshLost(ctx, k, tell)
	}
	for _, f := range lost.Files {
		if err := d.upstream.Restore(ctx, f); err != nil {
			tell(fmt.Sprintf("archive %s, suite %s: %s cannot be restored: %v", f.Archive, f.Suite, f.Path, err))
		}
	}
	tellLost(lost, tell)
	left, err := d.cache.Lost(ctx)
	return lost.Count() - left.Count(), err
}

// tellLost names what fetching cannot bring back.
func tellLost(lost cache.Lost, tell func(string)) {
	for _, g := range lost.Built {
		tell(fmt.Sprintf("%s is incomplete: the next build makes the newest one anew", g.Ref()))
	}
	for _, p := range lost.Publications {
		tell(fmt.Sprintf("repository %s, suite %s: its Release is lost: it is signed again with the next build or renewal", p.Repository, p.Suite))
	}
	for _, f := range lost.Pool {
		tell(fmt.Sprintf("pool %s: %s is lost: remove it and add it again from a copy of yours (aptmirror package)", f.Pool, f.Path))
	}
	for _, s := range lost.Snapshots {
		tell(fmt.Sprintf("snapshot %s is incomplete for good: delete it (aptmirror snapshot delete %s)", s.Name, s.Name))
	}
}

func (d *Daemon) refreshLost(ctx context.Context, k inforce.SuiteKey, tell func(string)) {
	if a, err := d.inForce.Load().ArchiveOf(k); err != nil || len(a.URIs) == 0 {
		tell(fmt.Sprintf("archive %s, suite %s cannot be restored: the configuration does not say where to fetch it", k.Archive, k.Suite))
		return
	}
	result := d.refreshSuite(ctx, k, func(e admin.Event) { tell(e.Text) })
	tell(outcome.Event(result).Text)
}

// scrubForever reads the store back, slowly and over and over, until ctx ends.
func (d *Daemon) scrubForever(ctx context.Context) error {
	for pause := scrubRetry; wait.For(ctx, pause); {
		s, err := d.cache.Scrubbed()
		if now := d.Now(); err == nil && s.Next == (blob.Digest{}) && !overdue(s.Finished, now, scrubEvery) {
			pause = scrubEvery - now.Sub(s.Finished)
			continue
		}
		if err == nil {
			err = d.cache.Scrub(ctx, scrubRate, d.mendDamaged)
		}
		if err != nil && ctx.Err() == nil {
			d.Log.Warn("reading the store back failed, it is tried again", "error", err)
		}
		pause = scrubRetry
	}
	return nil
}

// mendDamaged is what happens to a damaged file that nobody has asked for yet.
func (d *Daemon) mendDamaged(ctx context.Context, damage *blob.CorruptError) error {
	d.Log.Error("a stored file is damaged and is dropped", "digest", damage.Digest, "error", damage)
	if err := d.cache.Drop(ctx, damage.Digest); err != nil {
		return err
	}
	_, err := d.restore(ctx, func(text string) { d.Log.Warn("mending the store", "outcome", text) })
	return err
}
