package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/status"
)

// state is what the status page and the metrics show. It reads rows, but
// neither the store nor manifests.
func (d *Daemon) state(ctx context.Context) (*status.State, error) {
	d.mu.Lock()
	s := &status.State{Version: d.Version, Name: mirrorName(d.config()), Started: d.started, Listen: d.listen}
	server := d.server
	d.mu.Unlock()
	if server != nil {
		s.Connections = status.Connections(server.Connections())
	}
	if r := d.reloading(); r != nil {
		s.Access = r.state()
	}
	s.Mirrors, s.Running = d.mirrors(), d.jobs.Running()
	err := d.addSuites(ctx, s)
	for _, add := range []func(context.Context, *status.State) error{d.addStore, d.addPools, d.addJobs, d.addRings, d.addSnapshots} {
		if err == nil {
			err = add(ctx, s)
		}
	}
	s.Expiries = append(accessEnds(s.Access), append(siteKeys(d.inForce.Load()), d.archiveKeys(s.Suites)...)...)
	return s, err
}

func (d *Daemon) addSuites(ctx context.Context, s *status.State) error {
	c := d.config()
	for _, r := range c.Repositories {
		for _, suite := range c.SuitesOf(r) {
			x, err := d.suiteStatus(ctx, r.Name, r.Archive, suite, nil)
			if err != nil {
				return err
			}
			d.counted.add(&x)
			s.Suites = append(s.Suites, x)
		}
	}
	for _, x := range d.cache.Catalog.Damaged() {
		i := slices.IndexFunc(s.Suites, func(s admin.SuiteStatus) bool { return s.Repository == x.Repository && s.Suite == x.Suite })
		if x.Current && i >= 0 {
			markDamaged(&s.Suites[i], x.Err)
		}
	}
	return nil
}

// mirrors tells of the mirrors of all archives.
func (d *Daemon) mirrors() (all []status.Mirror) {
	for _, a := range d.inForce.Load().Archives {
		for _, m := range d.upstream.Mirrors(a.Archive) {
			all = append(all, status.Mirror{Archive: a.Name, URI: m.URI, AsideUntil: m.LastUntil, Why: m.Why})
		}
	}
	return all
}

func (d *Daemon) addPools(ctx context.Context, s *status.State) (err error) {
	s.Pools, err = d.intake.Uses(ctx, "")
	return err
}

func (d *Daemon) addStore(ctx context.Context, s *status.State) error {
	space, err := d.cache.Space(ctx)
	if err != nil {
		return err
	}
	scrubbed, err := d.cache.Scrubbed()
	if err != nil {
		return err
	}
	files, _ := d.cache.Blobs.Stored()
	s.Store = status.Store{
		Files: files, Bytes: space.Stored, Reserved: space.Reserved, Max: space.Max, Disk: space.Disk,
		Evicted: space.Evicted, EvictedFiles: space.EvictedFiles, Scrubbed: scrubbed.Finished,
	}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(d.began.State, &disk); err != nil {
		return fmt.Errorf("measuring the disk of %s: %w", d.began.State, err)
	}
	s.Store.DiskFree, s.Store.DiskSize = int64(disk.Bavail)*disk.Bsize, int64(disk.Blocks)*disk.Bsize
	return nil
}

// finishedShown is how many records are looked at for jobs that ended.
const finishedShown = 50

func (d *Daemon) addJobs(ctx context.Context, s *status.State) error {
	rows, err := d.cache.Catalog.Jobs(ctx, finishedShown)
	for _, r := range rows {
		running := slices.ContainsFunc(s.Running, func(w status.Work) bool { return w.Number == r.Number })
		if !running {
			s.Finished = append(s.Finished, admin.Job(r))
		}
	}
	return err
}

// addRings compares what each ring serves with what it is taken from.
func (d *Daemon) addRings(_ context.Context, s *status.State) error {
	for _, r := range d.config().Repositories {
		for _, suite := range r.Suites {
			if !suite.Ring() {
				continue
			}
			ring, err := d.ringState(r.Name, suite)
			if err != nil {
				return err
			}
			s.Rings = append(s.Rings, ring)
		}
	}
	return nil
}

func (d *Daemon) ringState(repository string, suite config.Suite) (status.Ring, error) {
	from := suite.From[0]
	ring := status.Ring{Repository: repository, Suite: suite.Name, From: from.Name + "/" + from.Suite}
	has, err := d.cache.Catalog.Publication(repository, suite.Name)
	if errors.Is(err, catalog.ErrNotFound) {
		return ring, nil
	}
	if err != nil {
		return ring, err
	}
	ring.Published, ring.Snapshot = has.Published, has.Snapshot
	source, err := d.cache.Catalog.PublicationOrNone(from.Name, from.Suite)
	if err != nil {
		return ring, err
	}
	ring.Behind = err == nil && source.Current != has.Current
	return ring, nil
}

func (d *Daemon) addSnapshots(ctx context.Context, s *status.State) error {
	all, err := d.cache.Catalog.Snapshots(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b catalog.Snapshot) int { return b.Created.Compare(a.Created) })
	for _, x := range all {
		s.Snapshots = append(s.Snapshots, status.Snapshot{
			Name: x.Name, Created: x.Created, By: x.By, Comment: x.Comment, Suites: len(x.Pins), Complete: !x.Completed.IsZero(),
		})
	}
	return nil
}

// accessEnds are the ends of what decides who gets in.
func accessEnds(a *admin.Access) (ends []status.Expiry) {
	if a == nil {
		return nil
	}
	add := func(kind, name string, end time.Time) {
		i := slices.IndexFunc(ends, func(e status.Expiry) bool { return e.Kind == kind && e.Name == name })
		switch {
		case end.IsZero():
		case i < 0:
			ends = append(ends, status.Expiry{Kind: kind, Name: name, End: end})
		case end.After(ends[i].End): // one follows the other under the same name
			ends[i].End = end
		}
	}
	add(status.ServerCertificate, a.Certificate.Name, a.Certificate.NotAfter)
	for _, c := range a.ServerCA {
		add(status.ServerCA, c.Name, c.NotAfter)
	}
	for _, c := range a.Authorities {
		add(status.ClientCA, c.Name, c.NotAfter)
	}
	for _, l := range a.CRLs {
		add(status.RevocationList, l.Issuer, l.NextUpdate)
	}
	for _, c := range a.ClientsEnding {
		add(status.ClientCertificate, "dns:"+c.Name, c.NotAfter)
	}
	return ends
}

// siteKeys tells when the keys end that sign what the site makes.
func siteKeys(m *inforce.Parts) (ends []status.Expiry) {
	seen := map[string]bool{}
	for _, r := range m.Config.Repositories {
		for _, k := range m.Keys[r.Name] {
			if end := k.Expires(); !end.IsZero() && !seen[k.Fingerprint()] {
				seen[k.Fingerprint()] = true
				ends = append(ends, status.Expiry{Kind: status.SiteKey, Name: k.UserID(), End: end})
			}
		}
	}
	return ends
}

// archiveKeys tells, for each archive, when the last of the keys ends that
// signed what is served: keyrings have many that no longer sign anything.
func (d *Daemon) archiveKeys(suites []admin.SuiteStatus) (ends []status.Expiry) {
	for _, a := range d.inForce.Load().Archives {
		soonest := time.Time{}
		for _, s := range suites {
			if end := lastKey(a, s.Signers); s.Archive == a.Name && !end.IsZero() && (soonest.IsZero() || end.Before(soonest)) {
				soonest = end
			}
		}
		if !soonest.IsZero() {
			ends = append(ends, status.Expiry{Kind: status.ArchiveKey, Name: a.Name, End: soonest})
		}
	}
	return ends
}

// lastKey gives the end of the key that ends last; zero where one never does.
func lastKey(a *inforce.Archive, signers []admin.Signer) (last time.Time) {
	for _, k := range a.Keyring.Primaries() {
		if !slices.ContainsFunc(signers, func(s admin.Signer) bool { return s.Fingerprint == k.Fingerprint }) {
			continue
		}
		if k.Expires.IsZero() {
			return time.Time{}
		}
		if k.Expires.After(last) {
			last = k.Expires
		}
	}
	return last
}
