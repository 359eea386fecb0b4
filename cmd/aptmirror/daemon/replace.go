package daemon

import (
	"context"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/status"
)

// retirePatience is how long a reload waits for what it has ended: requests to
// mirrors break off at once, what is being read or written to the store soon.
const retirePatience = 15 * time.Second

// config gives the configuration in force. Where a function needs it twice, it
// keeps it: it may be another one the next time.
func (d *Daemon) config() *config.Config { return d.inForce.Load().Config }

// replace puts f in force: admit is called where grants begin to count, after
// what goes is served no longer and before what comes is served. Nothing
// has happened if there is an error. What is returned waits until nothing is
// under way any more of what went.
func (d *Daemon) replace(f *inforce.Parts, admit func()) (settle func(), err error) {
	before := d.inForce.Load()
	d.intake.Open(f)
	was, err := d.snapshots.StatesOf(d.life, before)
	if err != nil {
		return nil, err
	}
	will, err := d.snapshots.StatesOf(d.life, f)
	if err != nil {
		return nil, err
	}
	err = d.cache.Catalog.Replace(d.life, f.Served(), func() {
		d.snapshots.Withdraw(was, will)
		d.inForce.Store(f)
		d.upstream.SetArchives(f.Upstreams())
		if b := d.board.Load(); b != nil {
			b.SetArchives(boardArchives(f))
		}
		admit()
	})
	if err != nil {
		return nil, err
	}
	d.snapshots.ServeStates(will)
	if f.Making != before.Making {
		d.builds.EndRests()
	}
	over := before.Retire(f)
	d.intake.GiveUpOthers(f)
	d.begin()
	return func() { d.await(over) }, nil
}

// begin has what is new looked after.
func (d *Daemon) begin() {
	d.publishFound(d.life)
	d.seeGone()
	select {
	case d.replaced <- struct{}{}:
	default: // it will be looked at anyway
	}
	d.builds.Ask("a reload")
}

// await gives what ends retirePatience.
func (d *Daemon) await(over []<-chan struct{}) {
	ctx, cancel := context.WithTimeout(d.life, retirePatience)
	defer cancel()
	for _, done := range over {
		select {
		case <-done:
		case <-ctx.Done():
			d.Log.Warn("something that a reload has ended is still ending")
			return
		}
	}
}

// boardArchives are those whose counters are shown.
func boardArchives(f *inforce.Parts) (all []status.Archive) {
	for _, a := range f.Archives {
		all = append(all, status.Archive{Name: a.Name, Suites: a.Suites})
	}
	return all
}
