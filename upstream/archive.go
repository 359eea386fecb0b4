// Package upstream brings archives in: it fetches a suite's Release, verifies
// its signature and its freshness, fetches and checks the indexes it lists, and
// leaves one immutable mirrored generation in the catalog; and it fills single
// files that a generation names when somebody first wants them.
//
// Nothing reaches the store's readers that was not checked against a signature
// by a key of the archive's keyring: Release by its signature, an index by its
// digest in Release, a package by its digest in an index. Headers, status texts
// and lengths that a server sends decide nothing. A refresh that fails at any
// point leaves what was served before.
//
// Files that are signed by SHA-512 alone are read once when they are first seen,
// since the store knows files by their SHA-256.
package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
)

// Archive is one configured upstream. It is never changed: SetArchives puts another one in its place.
type Archive struct {
	// Name is the archive's name in the configuration and in messages.
	Name string
	// URIs are bases in order of preference, each with a final slash. Empty:
	// nothing is ever fetched.
	URIs []string
	// Suites as in sources.list(5); one that ends in a slash is flat.
	Suites []string
	// Components are ignored for flat suites.
	Components []string
	// Architectures may contain "source"; "all" is implied by any other.
	Architectures []string
	// Installer adds the images of the Debian installer, which Release reaches
	// through a SHA256SUMS.
	Installer bool
	// Keyring holds the keys one of which must have signed Release.
	Keyring *pgp.Keyring
	// MaxAge is how long ago a Release may be dated, whatever its Valid-Until
	// says (apt's Acquire::Max-ValidTime); 0 is no bound.
	MaxAge time.Duration
	// Route is how its mirrors are reached.
	Route Route
}

// wantsArchitecture says whether files for an architecture are part of the mirror.
func (a *Archive) wantsArchitecture(arch string) bool {
	return arch == "all" || slices.Contains(a.Architectures, arch)
}

// scope names everything of the configuration that decides what a generation
// contains, so that a change of it makes a new one.
func (a *Archive) scope() string {
	scope := strings.Join(a.Components, " ") + "; " + strings.Join(a.Architectures, " ")
	if a.Installer {
		scope += "; installer"
	}
	return scope
}

// Config is what an Upstream works with.
type Config struct {
	Archives []*Archive // the first ones; see SetArchives
	Blobs    *blob.Store
	Catalog  *catalog.Catalog
	// Room decides what is stored; nil stores everything.
	Room Room
	Log  *slog.Logger
	// Version is sent as part of User-Agent.
	Version string
	// Now is the clock that signatures and dates are judged by; nil is the
	// system's.
	Now func() time.Time
	// Refused is told of everything that an archive sent and that was not
	// accepted, Fetched of every request to a mirror once it is over, with the
	// bytes that came; both from many goroutines. They may be nil.
	Refused func(archive, suite string, reason Reason)
	Fetched func(archive string, bytes int64, err error)
	// Wait pauses between retries; nil waits. Tests put something quicker here.
	Wait func(ctx context.Context, d time.Duration) error
}

// Upstream is all archives together. Its methods may be called concurrently.
type Upstream struct {
	Config
	resting resting

	fills    sync.WaitGroup // one for each running fill; Close waits for it
	mu       sync.Mutex     // guards the fields below
	archives map[string]*Archive
	// healths are of mirrors as archives see them, by name: one address may answer
	// one archive and not another, which has other passwords, proxies or keys.
	healths map[string]*health
	// running holds the fills under way, by what they bring.
	running map[blob.Digest]*fill
	// fetchers are made when an archive is first asked for something.
	fetchers map[*Archive]*fetcher
	closed   bool
}

// New prepares the archives; it fetches nothing.
func New(c Config) *Upstream {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Room == nil {
		c.Room = endless{}
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	if c.Refused == nil {
		c.Refused = func(string, string, Reason) {}
	}
	if c.Fetched == nil {
		c.Fetched = func(string, int64, error) {}
	}
	u := &Upstream{
		Config: c, running: map[blob.Digest]*fill{}, fetchers: map[*Archive]*fetcher{}, healths: map[string]*health{},
	}
	u.SetArchives(c.Archives)
	return u
}

// SetArchives puts archives in the place of those there were. One that is the
// same, by its pointer, keeps its connections. What is under way of the others
// goes on until its context ends, and fills to their end.
func (u *Upstream) SetArchives(archives []*Archive) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.archives = map[string]*Archive{}
	for _, a := range archives {
		u.archives[a.Name] = a
	}
	maps.DeleteFunc(u.healths, func(name string, _ *health) bool { return u.archives[name] == nil })
	for a, f := range u.fetchers {
		if u.archives[a.Name] != a { // who still needs it makes it anew
			f.client.CloseIdleConnections()
			delete(u.fetchers, a)
		}
	}
}

// Archive gives the archive of that name, or nil.
func (u *Upstream) Archive(name string) *Archive {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.archives[name]
}

// Close stops the fills under way and waits for them.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.closed = true
	for _, f := range u.running {
		f.stop(errClosed)
	}
	u.mu.Unlock()
	u.fills.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, f := range u.fetchers {
		f.client.CloseIdleConnections()
	}
}

var errClosed = fmt.Errorf("aptmirror is stopping")
