package upstream

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// brought gives what a suite's Release is now, with all other files put into
// the store of m.
func broughtTo(m *mirror, a *upstreamtest.Archive, without ...string) Brought {
	m.t.Helper()
	sizes := map[int64][]blob.Digest{}
	for _, p := range a.Paths() {
		data := a.Get(p)
		if hasSuffix(p, without) {
			continue
		}
		d, err := m.Blobs.Put(m.t.Context(), data, time.Unix(0, 0))
		if err != nil {
			m.t.Fatal(err)
		}
		sizes[int64(len(data))] = append(sizes[int64(len(data))], d)
	}
	dir := a.Suite.Dir() + "/"
	return Brought{
		From: "bundle nightly", InRelease: a.Get(dir + "InRelease"), Release: a.Get(dir + "Release"), ReleaseGPG: a.Get(dir + "Release.gpg"),
		OfSize: func(size int64) []blob.Digest { return sizes[size] },
	}
}

func hasSuffix(path string, suffixes []string) bool {
	for _, s := range suffixes {
		if len(path) >= len(s) && path[len(path)-len(s):] == s {
			return true
		}
	}
	return false
}

// isolated is a mirror of an archive that it cannot reach.
func isolated(t *testing.T, a *upstreamtest.Archive) *mirror {
	m := newMirror(t, a)
	m.archive.URIs = nil
	return m
}

func (m *mirror) from(b Brought) (Refreshed, error) {
	return m.RefreshFrom(m.t.Context(), m.archive, "stable", b)
}

func TestWhatIsBroughtBecomesTheGenerationThatAMirrorGives(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.AddSource("src", "1.0")
	a.Publish()
	direct, apart := newMirror(t, a), isolated(t, a)
	want := direct.refresh()
	b := broughtTo(apart, a)
	a.ForgetRequests()
	got, err := apart.from(b)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a.Requests()); n != 0 {
		t.Errorf("the archive was asked %d times", n)
	}
	if !got.New || got.Generation.Manifest != want.Generation.Manifest || got.Generation.InRelease != want.Generation.InRelease || got.Generation.ReleaseGPG != want.Generation.ReleaseGPG {
		t.Errorf("got %+v\nwant %+v", got.Generation, want.Generation)
	}
	if c := apart.check(); c.Error != "" || c.AcceptedRelease != want.Generation.Release || c.URI != b.From {
		t.Errorf("the check is %+v", c)
	}
	again, err := apart.from(b)
	if err != nil || again.New || again.Generation.Number != got.Generation.Number {
		t.Errorf("a second time: %+v, %v", again, err)
	}
}

func TestWhatIsBroughtIsJudgedAsAMirrorIs(t *testing.T) {
	otherKey := upstreamtest.NewKey(t)
	for name, c := range map[string]struct {
		change func(a *upstreamtest.Archive, b *Brought)
		after  func(m *mirror, a *upstreamtest.Archive) // before the change, with the first publication taken in
		want   Reason
	}{
		"other key": {change: func(a *upstreamtest.Archive, b *Brought) {
			a.SignWith(otherKey)
			a.Publish()
			b.InRelease, b.Release, b.ReleaseGPG = a.Get("dists/stable/InRelease"), nil, nil
		}, want: "unknown-key"},
		"damaged signature": {change: func(_ *upstreamtest.Archive, b *Brought) {
			b.InRelease = bytes.Replace(b.InRelease, []byte("Suite:"), []byte("Siute:"), 1)
		}, want: "bad-signature"},
		"Release of another time": {change: func(a *upstreamtest.Archive, b *Brought) {
			a.Publish()
			b.Release = a.Get("dists/stable/Release")
		}, want: Malformed},
		"unsigned": {change: func(_ *upstreamtest.Archive, b *Brought) { b.InRelease, b.ReleaseGPG = nil, nil }, want: "unsigned"},
		"older":    {change: func(a *upstreamtest.Archive, b *Brought) {}, after: (*mirror).takeNewer, want: RolledBack},
		"no index": {change: func(*upstreamtest.Archive, *Brought) {}, want: NotBrought},
	} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddPackage(upstreamtest.Package{Name: "hello"})
			a.Publish()
			m := isolated(t, a)
			var without []string
			if c.want == NotBrought {
				without = []string{"Packages.xz", "Packages.gz", "Packages", "by-hash"}
				a.Suite.AcquireByHash = false
			}
			b := broughtTo(m, a, without...)
			if c.want == NotBrought {
				for info := range m.Blobs.All(t.Context()) {
					if err := m.Blobs.Delete(t.Context(), info.Digest); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.after != nil {
				c.after(m, a)
			}
			before, _ := m.Catalog.Generations(t.Context())
			c.change(a, &b)
			_, err := m.from(b)
			if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Reason != c.want {
				t.Fatalf("got %v, want a refusal with %s", err, c.want)
			}
			after, _ := m.Catalog.Generations(t.Context())
			if len(after) != len(before) {
				t.Errorf("there are %d generations, not %d", len(after), len(before))
			}
			if seen := m.check(); seen.Reason != string(c.want) {
				t.Errorf("the check says %+v", seen)
			}
		})
	}
}

// takeNewer publishes once more and takes that in.
func (m *mirror) takeNewer(a *upstreamtest.Archive) {
	m.t.Helper()
	a.Publish()
	if _, err := m.from(broughtTo(m, a)); err != nil {
		m.t.Fatal(err)
	}
}

func TestWhatIsHeldOfWhatIsBroughtCanBeAccepted(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := isolated(t, a)
	m.takeNewer(a)
	a.Suite.Label = "Another"
	a.Publish()
	b := broughtTo(m, a)
	_, err := m.from(b)
	if refused := (*RefusedError)(nil); !errors.As(err, &refused) || refused.Reason != InfoChanged {
		t.Fatalf("got %v", err)
	}
	if _, err := m.Accept("test", "stable"); err != nil {
		t.Fatal(err)
	}
	if got, err := m.from(b); err != nil || !got.New {
		t.Errorf("after accepting: %+v, %v", got, err)
	}
}

func TestExaminingMakesNoGeneration(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := isolated(t, a)
	e, err := m.Examine(t.Context(), m.archive, "stable", broughtTo(m, a))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if _, err := m.Catalog.Latest(t.Context(), "test", "stable"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("the latest generation: %v", err)
	}
	if c := m.check(); !c.AcceptedDate.IsZero() {
		t.Errorf("accepted before it is recorded: %+v", c)
	}
	if !e.New() || e.Table().Len() == 0 {
		t.Errorf("new %v, %d paths", e.New(), e.Table().Len())
	}
	if r, err := e.Record(t.Context()); err != nil || !r.New || r.Generation.Number != 1 {
		t.Errorf("recording: %+v, %v", r, err)
	}
}

func TestFilesSignedBySHA512AloneAreFoundAmongWhatIsBrought(t *testing.T) {
	a := upstreamtest.New(t)
	a.SHA512Only = true
	a.Suite.Hashes = []string{"SHA512"}
	p := a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := isolated(t, a)
	got, err := m.from(broughtTo(m, a))
	if err != nil {
		t.Fatal(err)
	}
	if f := m.file(got.Generation, p.Filename); f.Digest != blob.Sum(p.Deb) {
		t.Errorf("%s has the digest %v", f.Path, f.Digest)
	}
}

func TestAFileThatDidNotComeDoesNotExist(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := isolated(t, a)
	got, err := m.from(broughtTo(m, a, ".deb"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.read(m.file(got.Generation, p.Filename)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
