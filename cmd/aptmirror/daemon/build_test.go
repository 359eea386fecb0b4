package daemon

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/upstreamtest"
)

// builtSite is a daemon that builds suites from an archive, with a clock of its
// own.
type builtSite struct {
	*Daemon
	t       *testing.T
	archive *upstreamtest.Archive
	now     time.Time
	file    string // of the configuration
}

// newBuiltSite adds text to the configuration of a site with the archive.
func newBuiltSite(t *testing.T, a *upstreamtest.Archive, text string) *builtSite {
	t.Helper()
	c := newSite(t, a, "stable")
	s := &builtSite{t: t, archive: a, now: time.Now(), file: c.Path}
	s.write(text)
	s.open()
	return s
}

func (s *builtSite) open() {
	s.t.Helper()
	c, err := config.Load(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Daemon, err = Open(s.t.Context(), c, Options{Version: "test", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.Close() })
}

// write adds text to the configuration.
func (s *builtSite) write(text string) {
	s.t.Helper()
	old, err := os.ReadFile(s.file)
	if err == nil {
		err = os.WriteFile(s.file, append(old, text...), 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// newKey makes a further site key.
func (s *builtSite) newKey(name string) {
	s.t.Helper()
	k, err := resign.NewKeyAt(time.Now().Add(-time.Hour), name, "", resign.EdDSA)
	if err != nil {
		s.t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(s.file), "keys", name+".asc"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(k.WritePrivate(f), f.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// built gives the result of a sync for one built suite.
func (s *builtSite) sync(repository, suite string) admin.SuiteResult {
	s.t.Helper()
	r, _, err := syncOnce(s.t.Context(), s.Daemon)
	if r == nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(r.Suites, func(r admin.SuiteResult) bool { return r.Repository == repository && r.Suite == suite })
	if i < 0 {
		s.t.Fatalf("no result of %s %s: %+v, %v", repository, suite, r.Suites, err)
	}
	return r.Suites[i]
}

// sees gives the packages that clients of a repository see.
func (s *builtSite) sees(repository, suite string) (names []string) {
	s.t.Helper()
	f, err := s.cache.Catalog.Resolve(repository, "dists/"+suite+"/main/binary-"+s.archive.Arch+"/Packages.gz", func(string) bool { return true })
	if err != nil {
		s.t.Fatal(err)
	}
	stored, err := s.cache.Blobs.Open(f.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	defer stored.Close()
	plain, err := gzip.NewReader(stored)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(plain)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "Package: "); ok {
			names = append(names, strings.TrimSpace(name))
		}
		if version, ok := strings.CutPrefix(line, "Version: "); ok {
			names[len(names)-1] += " " + strings.TrimSpace(version)
		}
	}
	return names
}

// release gives the Release that clients of a repository see, and the
// publication it is of.
func (s *builtSite) release(repository, suite string) (*debian.Release, catalog.Publication) {
	s.t.Helper()
	p, err := s.cache.Catalog.Publication(repository, suite)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := s.cache.Blobs.ReadAll(s.t.Context(), p.Signed.Release, 1<<20)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := debian.ParseRelease(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return r, p
}

const siteRepository = `
[[policy]]
name = "workstations"
rules = """
deny ?section(games) # not here
hold 7d ?true
allow ?true
"""

[[repository]]
name = "site"
sign_with = ["keys/site.asc"]
origin = "Example"
valid_for = "10d"
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable"]
  policy = "workstations"
`

func games(t *testing.T) *upstreamtest.Archive {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.AddPackage(upstreamtest.Package{Name: "chess", Section: "games"})
	a.Publish()
	return a
}

func TestSyncBuildsAndPublishes(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	if r := s.sync("site", "stable"); !r.New || r.Generation != 1 || r.Packages != 1 || r.Error != "" {
		t.Errorf("%+v", r)
	}
	if got := s.sees("site", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("clients see %v", got)
	}
	release, first := s.release("site", "stable")
	if release.Origin != "Example" || release.Label != "site" || release.Suite != "stable" || !strings.HasSuffix(release.Snapshots, "/site/snapshot/@SNAPSHOTID@/") {
		t.Errorf("%+v", release)
	}
	if got := release.ValidUntil.Sub(release.Date); got != 10*24*time.Hour {
		t.Errorf("it is valid for %v", got)
	}
	s.now = s.now.Add(time.Hour)
	if r := s.sync("site", "stable"); r.New || r.Error != "" {
		t.Errorf("the second time: %+v", r)
	}
	if _, second := s.release("site", "stable"); !second.Published.Equal(first.Published) {
		t.Error("nothing has changed, and yet something was published")
	}
	if f, err := s.cache.Catalog.Resolve("site", "pool/debian/pool/main/h/hello/hello_1.0_"+s.archive.Arch+".deb", func(string) bool { return true }); err != nil || f.Archive != "debian" || !strings.HasPrefix(f.Plain, "pool/main/") {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestAHoldEndsByItself(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	s.archive.Publish()
	s.sync("site", "stable")
	if got := s.sees("site", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("at once clients see %v", got)
	}
	if why := s.builds.Due(t.Context()); why != "" {
		t.Errorf("something is due: %s", why)
	}
	s.now = s.now.Add(7*24*time.Hour + time.Minute)
	if why := s.builds.Due(t.Context()); why == "" {
		t.Error("nothing is due although a hold ends")
	}
	if err := s.builds.Job(t.Context(), "test", nil); err != nil {
		t.Fatal(err)
	}
	if got := s.sees("site", "stable"); !cmp.Equal(got, []string{"hello 1.0", "hello 2.0"}) {
		t.Errorf("after seven days clients see %v", got)
	}
}

// A machine that begins in 1970 must not take what is new for old.
func TestAHoldDoesNotBeginBeforeItsRelease(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	right := s.now
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	s.archive.Publish()
	if _, err := s.upstream.Refresh(t.Context(), s.upstream.Archive("debian"), "stable"); err != nil {
		t.Fatal(err)
	}
	s.now = time.Unix(60, 0)
	m := s.inForce.Load()
	_, suite, _ := m.Suite("site", "stable")
	if _, err := s.recipes.Of(t.Context(), m.Config, m.Policies, "site", suite); err != nil {
		t.Fatal(err)
	}
	s.now = right
	s.sync("site", "stable")
	if got := s.sees("site", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("clients see %v", got)
	}
}

func TestSignaturesAreRenewed(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	before, p := s.release("site", "stable")
	s.now = s.now.Add(4 * 24 * time.Hour)
	if why := s.builds.Due(t.Context()); why != "" {
		t.Errorf("after four of ten days: %s", why)
	}
	s.now = s.now.Add(24 * time.Hour)
	if why := s.builds.Due(t.Context()); why != "half of its time is over" {
		t.Errorf("after five of ten days: %q", why)
	}
	if err := s.builds.Job(t.Context(), "test", nil); err != nil {
		t.Fatal(err)
	}
	after, again := s.release("site", "stable")
	if !after.Date.After(before.Date) || !after.ValidUntil.After(before.ValidUntil) || again.Current != p.Current || !again.Published.After(p.Published) {
		t.Errorf("%v to %v became %v to %v", before.Date, before.ValidUntil, after.Date, after.ValidUntil)
	}
}

func TestALiveSuiteEndsWithItsInputs(t *testing.T) {
	a := games(t)
	a.Suite.ValidFor = 3 * 24 * time.Hour
	a.Publish()
	s := newBuiltSite(t, a, siteRepository)
	s.sync("site", "stable")
	g, err := s.cache.Catalog.Latest(t.Context(), "debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	if r, _ := s.release("site", "stable"); !r.ValidUntil.Equal(g.ValidUntil) {
		t.Errorf("valid until %v, its input until %v", r.ValidUntil, g.ValidUntil)
	}
	s.now = s.now.Add(2 * 24 * time.Hour)
	if why := s.builds.Due(t.Context()); why != "" {
		t.Errorf("nothing is won by signing again, and yet: %s", why)
	}
	a.Publish(upstreamtest.At(s.now.Add(-time.Minute)))
	s.sync("site", "stable")
	if r, _ := s.release("site", "stable"); !r.ValidUntil.After(g.ValidUntil) {
		t.Errorf("valid until %v although the input has moved on", r.ValidUntil)
	}
}

// What cannot be built anew must not live on the Valid-Until of what it was not
// made from.
func TestASuiteThatCannotBeBuiltEndsWithItsOldInputs(t *testing.T) {
	a := games(t)
	a.Suite.ValidFor = 3 * 24 * time.Hour
	a.Publish()
	s := newBuiltSite(t, a, siteRepository)
	s.sync("site", "stable")
	before, _ := s.release("site", "stable")
	good := s.inForce.Load()
	broken := *good
	broken.Faults = map[string]error{"workstations": errors.New("a rule is wrong")}
	s.inForce.Store(&broken)
	s.now = s.now.Add(2 * 24 * time.Hour)
	a.AddPackage(upstreamtest.Package{Name: "more"})
	a.Publish(upstreamtest.At(s.now.Add(-time.Minute)))
	for range 2 {
		s.sync("site", "stable")
	}
	if r, _ := s.release("site", "stable"); !r.ValidUntil.Equal(before.ValidUntil) {
		t.Errorf("valid until %v, which is not that of what it was made from, %v", r.ValidUntil, before.ValidUntil)
	}
	s.inForce.Store(good)
	s.now = s.now.Add(2 * 24 * time.Hour)
	a.Publish(upstreamtest.At(s.now.Add(-time.Minute)))
	s.sync("site", "stable")
	if r, _ := s.release("site", "stable"); !r.ValidUntil.After(s.now) {
		t.Errorf("valid until %v although it is built again", r.ValidUntil)
	}
}

// Nor must what is not built anew yet, because its suite rests.
func TestASuiteThatRestsEndsWithItsOldInputs(t *testing.T) {
	a := games(t)
	a.Suite.ValidFor = 3 * 24 * time.Hour
	a.Publish()
	s := newBuiltSite(t, a, siteRepository)
	s.sync("site", "stable")
	before, _ := s.release("site", "stable")
	s.now = s.now.Add(2 * 24 * time.Hour)
	a.AddPackage(upstreamtest.Package{Name: "more"})
	a.Publish(upstreamtest.At(s.now.Add(-time.Minute)))
	if r := s.refreshSuite(t.Context(), inforce.SuiteKey{Archive: "debian", Suite: "stable"}, nobody); r.Error != "" {
		t.Fatal(r.Error)
	}
	s.builds.Build(t.Context(), "test", map[inforce.BuiltSuite]bool{{Repository: "site", Suite: "stable"}: true}, nobody)
	if r, _ := s.release("site", "stable"); !r.ValidUntil.Equal(before.ValidUntil) {
		t.Errorf("valid until %v, which is not that of what it was made from, %v", r.ValidUntil, before.ValidUntil)
	}
	s.builds.Build(t.Context(), "test", nil, nobody)
	if r, _ := s.release("site", "stable"); !r.ValidUntil.After(before.ValidUntil) {
		t.Errorf("valid until %v although it is built anew", r.ValidUntil)
	}
}

func TestAFailedBuildLeavesWhatWasServed(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	m := *s.inForce.Load()
	m.Faults = map[string]error{"workstations": errors.New("a rule is wrong")}
	s.inForce.Store(&m)
	s.archive.AddPackage(upstreamtest.Package{Name: "more"})
	s.archive.Publish()
	if r := s.sync("site", "stable"); !strings.Contains(r.Error, "a rule is wrong") || r.New {
		t.Errorf("%+v", r)
	}
	if got := s.sees("site", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("clients see %v", got)
	}
}

// A second repository that is made from the first is built after it, a ring not
// at all.
func TestRepositoriesThatFeedOthers(t *testing.T) {
	s := newBuiltSite(t, games(t), `
[[repository]]
name = "narrow"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["repository:wide/stable"]
  keyring_package = true

[[repository]]
name = "wide"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable"]

[[repository]]
name = "ring"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["repository:wide/stable"]
  publish = "manual"
`)
	s.sync("narrow", "stable")
	if got := s.sees("narrow", "stable"); len(got) != 3 || got[0] != "chess 1.0" || !strings.HasPrefix(got[2], "narrow-archive-keyring ") {
		t.Errorf("clients see %v", got)
	}
	if _, err := s.cache.Catalog.Publication("ring", "stable"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("a ring was published: %v", err)
	}
	wide, err := s.cache.Catalog.Publication("wide", "stable")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.builds.Move(t.Context(), catalog.Move{Repository: "ring", Suite: "stable", Next: wide.Current, By: "test"}); err != nil {
		t.Fatal(err)
	}
	if got := s.sees("ring", "stable"); !cmp.Equal(got, []string{"chess 1.0", "hello 1.0"}) {
		t.Errorf("clients of the ring see %v", got)
	}
	if r, _ := s.release("ring", "stable"); r.Origin != "ring" {
		t.Errorf("the ring says it is %s", r.Origin)
	}
}

func TestKeysAreRotated(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	s.newKey("next")
	for _, step := range []struct {
		sign string
		want int
	}{{`["keys/site.asc", "keys/next.asc"]`, 2}, {`["keys/next.asc"]`, 1}} {
		text, err := os.ReadFile(s.file)
		if err != nil {
			t.Fatal(err)
		}
		changed := regexp.MustCompile(`(?m)^sign_with = .*$`).ReplaceAll(text, []byte("sign_with = "+step.sign))
		if err := os.WriteFile(s.file, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(s.file)
		if err != nil {
			t.Fatal(err)
		}
		if m := s.force(c); len(m.Faults) > 0 {
			t.Fatal(m.Faults)
		}
		if why := s.builds.Due(t.Context()); why != "other keys sign" {
			t.Errorf("%s: %q is due", step.sign, why)
		}
		if err := s.builds.Job(t.Context(), "test", nil); err != nil {
			t.Fatal(err)
		}
		if _, p := s.release("site", "stable"); len(p.Signed.Signers) != step.want {
			t.Errorf("%s: signed by %v", step.sign, p.Signed.Signers)
		}
	}
}

func TestStatusOfBuiltSuites(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	s.archive.Publish()
	s.sync("site", "stable")
	find := func() admin.SuiteStatus {
		all, err := s.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(all.Suites, func(x admin.SuiteStatus) bool { return x.Repository == "site" })
		return all.Suites[i]
	}
	x := find()
	if !x.Built || x.Generation != 1 || x.Packages != 1 || x.HeldBack != 1 || x.Next.IsZero() || len(x.Signers) != 1 || x.Error != "" || x.ValidUntil.IsZero() ||
		!cmp.Equal(x.Inputs, []string{"generation 2 of archive debian, suite stable"}) || !x.CheckedOK.Equal(x.Checked) {
		t.Errorf("%+v", x)
	}
	m := *s.inForce.Load()
	m.Faults = map[string]error{"repository site": errors.New("the key cannot be read")}
	s.inForce.Store(&m)
	s.now = s.now.Add(6 * 24 * time.Hour)
	s.sync("site", "stable")
	if x = find(); x.Generation != 1 || !strings.Contains(x.Error, "the key cannot be read") {
		t.Errorf("with a key that cannot be read: %+v", x)
	}
}

func TestWhatIsBuiltVerifies(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	for _, quick := range []bool{true, false} {
		out, err := s.Verify(t.Context(), admin.Caller{}, admin.VerifyRequest{Quick: quick}, func(admin.Event) {})
		if err != nil || len(out.Problems) > 0 {
			t.Errorf("quick %v: %v, %v", quick, out, err)
		}
	}
	gc(t, s.Daemon, false)
	s.sync("site", "stable")
	if got := s.sees("site", "stable"); !cmp.Equal(got, []string{"hello 1.0"}) {
		t.Errorf("after a collection clients see %v", got)
	}
}

// What lists names but no packages is fetched when a suite is built from it.
func TestTranslationsAndContentsAreFetched(t *testing.T) {
	a := games(t)
	a.Suite.Files = map[string][]byte{
		"main/i18n/Translation-en": []byte("Package: chess\nDescription-md5: 1\nDescription-en: a game\n\n"),
		"main/Contents-" + a.Arch:  []byte("bin/chess\tgames/chess\nbin/hello\tmisc/hello\n"),
	}
	a.Publish()
	for _, contents := range []bool{false, true} {
		s := newBuiltSite(t, a, fmt.Sprintf("%s  contents = %v\n", siteRepository, contents))
		s.sync("site", "stable")
		_, err := s.cache.Catalog.Resolve("site", "dists/stable/main/Contents-"+a.Arch+".gz", func(string) bool { return true })
		if (err == nil) != contents {
			t.Errorf("contents = %v: %v", contents, err)
		}
		if status, err := s.builtStatus(t.Context(), "site", "stable"); err != nil || status.Error != "" || status.Generation != 1 {
			t.Errorf("contents = %v: %+v, %v", contents, status, err)
		}
	}
}

// Publications of one suite that are asked for at once are signed one after the
// other; one of them wins, or all of them in a row.
func TestMovesAtOnce(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	_, p := s.release("site", "stable")
	s.now = s.now.Add(time.Hour)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			_, err := s.builds.Move(t.Context(), catalog.Move{Repository: "site", Suite: "stable", Expect: p.Current, Next: p.Current, By: "test"})
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if _, after := s.release("site", "stable"); after.Signed.Date.Sub(s.now) > 3*time.Second || !after.Published.After(p.Published) {
		t.Errorf("signed at %v, published at %v", after.Signed.Date, after.Published)
	}
}

func TestStatusTellsOfADateToCome(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	right := s.now
	s.now = right.Add(5 * time.Hour)
	s.sync("site", "stable")
	s.now = right
	for _, at := range []struct {
		now  time.Time
		want bool
	}{{right, true}, {right.Add(5 * time.Hour), false}} {
		s.now = at.now
		x, err := s.builtStatus(t.Context(), "site", "stable")
		if err != nil || strings.Contains(x.Warning, "clock") != at.want {
			t.Errorf("at %v: %q, %v", at.now, x.Warning, err)
		}
	}
}
