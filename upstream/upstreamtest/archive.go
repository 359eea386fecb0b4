// Package upstreamtest builds and serves small signed Debian archives that a test can change, break and watch.
//
//	a := upstreamtest.New(t)
//	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
//	a.Publish()
//	... let the code under test fetch a.URL(), suite "stable", keyring a.KeyringFile() ...
//	a.Fault("InRelease", upstreamtest.WrongBytes)
//
// The archives are real: dpkg-deb, gpgv and apt-get accept them, and the package's own tests hold them to that. The server
// behaves like a plain mirror (Last-Modified, If-Modified-Since, ranges) except where a Fault makes it lie.
//
// The package is for tests only: it fails the test instead of returning errors, keeps everything in memory, and shares no
// code with what it tests: it parses nothing, and signs by itself.
package upstreamtest

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Archive is one upstream archive with its server. Its methods may be called concurrently; its exported fields, and
// those of its suites, must not be changed while Publish runs.
type Archive struct {
	*Server

	// Suite is the suite that New makes, "stable" with codename "bookworm".
	Suite *Suite
	// Arch is the architecture of apt on this machine, as dpkg names it.
	Arch string
	// SHA512Only makes Packages and Sources name files by SHA-512 alone. See Suite.Hashes for Release.
	SHA512Only bool
	// Clock dates what is published. The default stands still one hour before New was called, so that the thousands of
	// publications that are each a second newer than the last do not reach the future.
	Clock func() time.Time

	t           testing.TB
	keyringFile string

	mu          sync.Mutex // guards the fields below
	suites      []*Suite
	binaries    []Package
	sources     []source
	keys        []*Key // sign
	trusted     []*Key // are in the keyring
	generations []map[string][]byte
	date        time.Time         // of the last publication
	packed      map[string][]byte // compressed indexes, by format and content: xz is slow to start
}

// New returns an archive with one key, one empty suite of component main, and a server on the loopback interface that is
// closed at the end of the test. Nothing is published yet.
func New(t testing.TB) *Archive {
	t.Helper()
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	a := &Archive{
		Server:      newServer(t, &fileTree{start: start, files: make(map[string]file), modified: make(map[string]time.Time)}),
		Arch:        debianArch(),
		Clock:       func() time.Time { return start },
		t:           t,
		keyringFile: filepath.Join(t.TempDir(), "archive-keyring.gpg"),
		packed:      make(map[string][]byte),
	}
	a.Suite = a.AddSuite("stable")
	a.Suite.Codename = "bookworm"
	key := NewKey(t)
	a.SignWith(key)
	a.Trust(key)
	return a
}

// debianArch translates Go's name of the architecture that the test runs on.
func debianArch() string {
	names := map[string]string{"386": "i386", "arm": "armhf", "ppc64le": "ppc64el", "mips64le": "mips64el"}
	if name, ok := names[runtime.GOARCH]; ok {
		return name
	}
	return runtime.GOARCH
}

// AddSuite adds a suite whose Release is at dists/NAME/. The name may contain slashes ("stable/updates"). A name that
// ends in a slash makes a flat repository in that directory ("./" is the top one), without components.
func (a *Archive) AddSuite(name string) *Suite {
	s := &Suite{
		Name: name, Suite: strings.Trim(name, "./"), Codename: strings.Trim(name, "./"),
		Origin: "Example", Label: "Example", Version: "12", Description: "an archive for tests",
		Components: []string{"main"}, Architectures: []string{a.Arch},
		AcquireByHash: true, Hashes: []string{"SHA256"}, Compressions: []string{"gz", "xz"},
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.suites = append(a.suites, s)
	return s
}

// AddPackage builds a binary package, puts it into the pool at once and into the indexes from the next Publish on. It
// returns p with everything filled in.
func (a *Archive) AddPackage(p Package) Package {
	a.t.Helper()
	p.fillIn(a)
	p.Deb = buildDeb(a.t, p)
	a.Set(p.Filename, p.Deb)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.binaries = append(a.binaries, p)
	return p
}

// RemovePackage takes a binary package, in all its versions, out of the indexes from the next Publish on. The file stays
// in the pool, as it does in real archives for a while.
func (a *Archive) RemovePackage(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.binaries = slices.DeleteFunc(a.binaries, func(p Package) bool { return p.Name == name })
}

// Trust puts the keys into the keyring, beside those that are in it.
func (a *Archive) Trust(keys ...*Key) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trusted = append(a.trusted, keys...)
	if err := os.WriteFile(a.keyringFile, publicKeys(a.trusted), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// SignWith replaces the keys that sign from the next Publish on. They are not trusted by that.
func (a *Archive) SignWith(keys ...*Key) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = slices.Clone(keys)
}

// Key returns the fingerprint of the first trusted key, the one that New made.
func (a *Archive) Key() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trusted[0].Fingerprint()
}

// Keyring returns the trusted keys in binary.
func (a *Archive) Keyring() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return publicKeys(a.trusted)
}

// KeyringFile returns the path of a file with the content of Keyring, kept up to date.
func (a *Archive) KeyringFile() string { return a.keyringFile }

// Generations returns how often Publish was called.
func (a *Archive) Generations() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.generations)
}

// Replay serves the indexes and Release files of an earlier generation again, with a newer Last-Modified as an attacker
// would send: n counts from 1, as Publish does. The next Publish continues from the newest.
func (a *Archive) Replay(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.replaceDists(a.generations[n-1])
}

// replaceDists swaps what was published for files in one step; by-hash files stay. Needs a.mu.
func (a *Archive) replaceDists(files map[string][]byte) {
	var stale []string
	for _, generation := range a.generations {
		stale = slices.AppendSeq(stale, maps.Keys(generation))
	}
	stale = slices.DeleteFunc(stale, func(path string) bool { return strings.Contains(path, "/by-hash/") })
	a.tree.replace(stale, files, a.Clock())
}

// Mirror returns another server of the same files, with its own faults and requests.
func (a *Archive) Mirror() *Server {
	a.t.Helper()
	return newServer(a.t, a.tree)
}
