// Package inforce is what a configuration amounts to: its archives, pools,
// policies and keys, with what the files say that it names. A reload replaces it
// as a whole; what it leaves as it was stays the very same, and what is under way
// of the rest ends with its tenure.
//
// The package opens no store and signs nothing.
package inforce

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/policy"
	"aptmirror/resign"
	"aptmirror/resign/pool"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

// Parts are all of one configuration, and never changed. An archive, pool or way
// of building that the next one leaves as it was is the very same there, and what
// is under way of it goes on.
type Parts struct {
	Config   *config.Config
	Archives []*Archive // in the order of the file
	Pools    []*Pool

	// What built suites are made and signed with. What is wrong with some of it
	// keeps back the repositories that need that, and no others.
	Policies map[string]*policy.Policy
	Keys     map[string][]*resign.Key // by repository
	// Faults are by the name of a policy, or "repository NAME".
	Faults map[string]error
	// Making is the tenure of all that, and stamp tells it from another.
	Making *Tenure
	stamp  string
}

// SuiteKey names a suite of an archive.
type SuiteKey struct{ Archive, Suite string }

// String is "ARCHIVE SUITE".
func (k SuiteKey) String() string { return k.Archive + " " + k.Suite }

// Archive is one of the configuration.
type Archive struct {
	*upstream.Archive
	Config config.Archive
	stamp  string // of the files that it names, from before they were read
	*Tenure
}

// Pool is a pool of the configuration.
type Pool struct {
	*pool.Pool // of package intake, once the store is open
	Config     config.Pool
	stamp      string // likewise
	Uploaders  *pgp.Keyring
	*Tenure
}

// Read makes of a configuration what can be put in force after before, which is
// nil at first. Nothing of it outlasts life. With an error there is something that
// nothing could work with; faults of what is built are kept in it.
func Read(life context.Context, c *config.Config, before *Parts) (*Parts, error) {
	if before == nil {
		before = &Parts{Config: &config.Config{}}
	}
	f := loadMakings(c)
	for _, a := range c.Archives {
		next, err := readArchive(life, a, before)
		if err != nil {
			return nil, err
		}
		f.Archives = append(f.Archives, next)
	}
	for _, p := range c.Pools {
		next, err := readPool(life, p, before)
		if err != nil {
			return nil, err
		}
		f.Pools = append(f.Pools, next)
	}
	f.Making = before.Making
	if f.Making == nil || f.stamp != before.stamp || slices.ContainsFunc(config.Changed(before.Config, c), shapesBuilds) {
		f.Making = newTenure(life)
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

func readArchive(life context.Context, a config.Archive, before *Parts) (*Archive, error) {
	next := &Archive{Config: a, stamp: Stamps(archiveFiles(a))}
	if was := before.Archive(a.Name); was != nil && was.stamp == next.stamp && reflect.DeepEqual(was.Config, a) {
		return was, nil
	}
	keys, err := site.Keyring(a)
	if err != nil {
		return nil, err
	}
	if next.Archive, err = ArchiveOf(a, keys); err != nil {
		return nil, err
	}
	next.Tenure = newTenure(life)
	return next, nil
}

func readPool(life context.Context, p config.Pool, before *Parts) (*Pool, error) {
	next := &Pool{Config: p, stamp: Stamps(keyringFiles(p.SignedBy))}
	if was := before.Pool(p.Name); was != nil && was.stamp == next.stamp && reflect.DeepEqual(was.Config, p) {
		return was, nil
	}
	var err error
	next.Uploaders, err = site.Uploaders(p)
	next.Tenure = newTenure(life)
	return next, err
}

// Archive gives the archive of that name, or nil.
func (f *Parts) Archive(name string) *Archive {
	if i := slices.IndexFunc(f.Archives, func(a *Archive) bool { return a.Config.Name == name }); i >= 0 {
		return f.Archives[i]
	}
	return nil
}

// ArchiveOf gives the archive that has a suite.
func (f *Parts) ArchiveOf(k SuiteKey) (*Archive, error) {
	a := f.Archive(k.Archive)
	if a == nil || !slices.Contains(a.Suites, k.Suite) {
		return nil, fmt.Errorf("archive %s, suite %s: it is not in the configuration any more", k.Archive, k.Suite)
	}
	return a, nil
}

// Pool gives the pool of that name, or nil.
func (f *Parts) Pool(name string) *Pool {
	if i := slices.IndexFunc(f.Pools, func(p *Pool) bool { return p.Config.Name == name }); i >= 0 {
		return f.Pools[i]
	}
	return nil
}

// Served names the suites of every repository.
func (f *Parts) Served() map[string][]string {
	suites := map[string][]string{}
	for _, r := range f.Config.Repositories {
		suites[r.Name] = f.Config.SuitesOf(r)
	}
	return suites
}

// Has says whether a suite of a repository is served.
func (f *Parts) Has(repository, suite string) bool {
	return slices.ContainsFunc(f.Config.Repositories, func(r config.Repository) bool {
		return r.Name == repository && slices.Contains(f.Config.SuitesOf(r), suite)
	})
}

func (f *Parts) Upstreams() (all []*upstream.Archive) {
	for _, a := range f.Archives {
		all = append(all, a.Archive)
	}
	return all
}

// tenures are all that a reload may end.
func (f *Parts) tenures() []*Tenure {
	all := []*Tenure{f.Making}
	for _, a := range f.Archives {
		all = append(all, a.Tenure)
	}
	for _, p := range f.Pools {
		all = append(all, p.Tenure)
	}
	return all
}

// Retire ends what next does not have; each of what it gives is closed when
// nothing is under way of something.
func (f *Parts) Retire(next *Parts) (over []<-chan struct{}) {
	stay := next.tenures()
	for _, t := range f.tenures() {
		if !slices.Contains(stay, t) {
			over = append(over, t.Retire())
		}
	}
	return over
}
