package daemon

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/policy"
	"aptmirror/proxy/status"
	"aptmirror/resign"
	"aptmirror/resign/pool"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

// inForce is what a configuration amounts to, with what the files say that it
// names. It is replaced as a whole, by a reload, and never changed. An archive,
// pool or way of building that a reload leaves as it was is the very same in the
// next one, and what is under way of it goes on.
type inForce struct {
	config   *config.Config
	archives []*archive // in the order of the file
	pools    []*sitePool

	// What built suites are made and signed with. What is wrong with some of it
	// keeps back the repositories that need that, and no others.
	policies map[string]*policy.Policy
	keys     map[string][]*resign.Key // by repository
	// faults are by the name of a policy, or "repository NAME".
	faults map[string]error
	// making is the tenure of all that, and stamp tells it from another.
	making *tenure
	stamp  string
}

// archive is one of the configuration.
type archive struct {
	*upstream.Archive
	config config.Archive
	stamp  string // of the files that it names, from before they were read
	*tenure
}

// sitePool is a pool of the configuration.
type sitePool struct {
	*pool.Pool // made once the store is open
	config     config.Pool
	stamp      string // likewise
	uploaders  *pgp.Keyring
	*tenure
}

// config gives the configuration in force. Where a function needs it twice, it
// keeps it: it may be another one the next time.
func (d *Daemon) config() *config.Config { return d.inForce.Load().config }

// read makes of a configuration what can be put in force. With an error there is
// something that nothing could work with; faults of what is built are kept
// in it.
func (d *Daemon) read(c *config.Config) (*inForce, error) {
	before := d.inForce.Load()
	if before == nil {
		before = &inForce{config: &config.Config{}}
	}
	f := loadMakings(c)
	for _, a := range c.Archives {
		next, err := d.readArchive(a, before)
		if err != nil {
			return nil, err
		}
		f.archives = append(f.archives, next)
	}
	for _, p := range c.Pools {
		next, err := d.readPool(p, before)
		if err != nil {
			return nil, err
		}
		f.pools = append(f.pools, next)
	}
	f.making = before.making
	if f.making == nil || f.stamp != before.stamp || slices.ContainsFunc(config.Changed(before.config, c), shapesBuilds) {
		f.making = newTenure(d.life)
	}
	return f, nil
}

// shapesBuilds reports whether a key decides what built suites are made of, and
// what is signed of them.
func shapesBuilds(key string) bool {
	switch table, _, _ := strings.Cut(key, "."); table {
	case "archive", "pool", "policy", "key", "repository":
		return true
	}
	return key == "serve.public_url"
}

func (d *Daemon) readArchive(a config.Archive, before *inForce) (*archive, error) {
	next := &archive{config: a, stamp: stamps(archiveFiles(a))}
	if was := before.archive(a.Name); was != nil && was.stamp == next.stamp && reflect.DeepEqual(was.config, a) {
		return was, nil
	}
	keys, err := site.Keyring(a)
	if err != nil {
		return nil, err
	}
	if next.Archive, err = ArchiveOf(a, keys); err != nil {
		return nil, err
	}
	next.tenure = newTenure(d.life)
	return next, nil
}

func (d *Daemon) readPool(p config.Pool, before *inForce) (*sitePool, error) {
	next := &sitePool{config: p, stamp: stamps(keyringFiles(p.SignedBy))}
	if was := before.pool(p.Name); was != nil && was.stamp == next.stamp && reflect.DeepEqual(was.config, p) {
		return was, nil
	}
	var err error
	next.uploaders, err = site.Uploaders(p)
	next.tenure = newTenure(d.life)
	return next, err
}

// archiveFiles are those that say how an archive is reached and verified.
func archiveFiles(a config.Archive) []string {
	files := keyringFiles(a.SignedBy)
	for _, f := range []string{a.Auth, a.ClientCert, a.ClientKey, a.CA} {
		if f != "" {
			files = append(files, f)
		}
	}
	return files
}

// keyringFiles leaves the fingerprints out of signed_by.
func keyringFiles(signedBy []string) (files []string) {
	for _, s := range signedBy {
		if strings.HasPrefix(s, "/") {
			files = append(files, s)
		}
	}
	return files
}

// archive gives the archive of that name, or nil.
func (f *inForce) archive(name string) *archive {
	if i := slices.IndexFunc(f.archives, func(a *archive) bool { return a.config.Name == name }); i >= 0 {
		return f.archives[i]
	}
	return nil
}

// archiveOf gives the archive that has a suite.
func (f *inForce) archiveOf(k suiteKey) (*archive, error) {
	a := f.archive(k.archive)
	if a == nil || !slices.Contains(a.Suites, k.suite) {
		return nil, fmt.Errorf("archive %s, suite %s: it is not in the configuration any more", k.archive, k.suite)
	}
	return a, nil
}

// pool gives the pool of that name, or nil.
func (f *inForce) pool(name string) *sitePool {
	if i := slices.IndexFunc(f.pools, func(p *sitePool) bool { return p.config.Name == name }); i >= 0 {
		return f.pools[i]
	}
	return nil
}

// served names the suites of every repository.
func (f *inForce) served() map[string][]string {
	suites := map[string][]string{}
	for _, r := range f.config.Repositories {
		suites[r.Name] = f.config.SuitesOf(r)
	}
	return suites
}

// has says whether a suite of a repository is served.
func (f *inForce) has(repository, suite string) bool {
	return slices.ContainsFunc(f.config.Repositories, func(r config.Repository) bool {
		return r.Name == repository && slices.Contains(f.config.SuitesOf(r), suite)
	})
}

func (f *inForce) upstreams() (all []*upstream.Archive) {
	for _, a := range f.archives {
		all = append(all, a.Archive)
	}
	return all
}

// boardArchives are those whose counters are shown.
func (f *inForce) boardArchives() (all []status.Archive) {
	for _, a := range f.archives {
		all = append(all, status.Archive{Name: a.Name, Suites: a.Suites})
	}
	return all
}

// tenures are all that a reload may end.
func (f *inForce) tenures() []*tenure {
	all := []*tenure{f.making}
	for _, a := range f.archives {
		all = append(all, a.tenure)
	}
	for _, p := range f.pools {
		all = append(all, p.tenure)
	}
	return all
}

// replace puts f in force: admit is called where grants begin to count, after
// what goes is served no longer and before what comes is served. Nothing
// has happened if there is an error. What is returned waits until nothing is
// under way any more of what went.
func (d *Daemon) replace(f *inForce, admit func()) (settle func(), err error) {
	before := d.inForce.Load()
	d.openPools(f)
	was, err := d.statesOf(d.life, before)
	if err != nil {
		return nil, err
	}
	will, err := d.statesOf(d.life, f)
	if err != nil {
		return nil, err
	}
	err = d.cache.Catalog.Replace(d.life, f.served(), func() {
		d.withdrawStates(was, will)
		d.inForce.Store(f)
		d.upstream.SetArchives(f.upstreams())
		if b := d.board.Load(); b != nil {
			b.SetArchives(f.boardArchives())
		}
		admit()
	})
	if err != nil {
		return nil, err
	}
	d.serveSnapshots(will)
	if f.making != before.making {
		d.rests.end()
	}
	over := before.retire(f)
	d.uploads.giveUpOthers(f)
	d.begin()
	return func() { d.await(over) }, nil
}

// retire ends what next does not have; each of what it gives is closed when
// nothing is under way of something.
func (f *inForce) retire(next *inForce) (over []<-chan struct{}) {
	stay := next.tenures()
	for _, t := range f.tenures() {
		if !slices.Contains(stay, t) {
			over = append(over, t.retire())
		}
	}
	return over
}

// begin has what is new looked after.
func (d *Daemon) begin() {
	d.publishFound(d.life)
	d.seeGone()
	select {
	case d.replaced <- struct{}{}:
	default: // it will be looked at anyway
	}
	d.rebuild("a reload")
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
