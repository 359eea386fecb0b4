package upstream

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestRefreshTakesInASignedSuite(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
	sources := a.AddSource("hello", "1.0")
	a.Publish()
	m := newMirror(t, a)
	r := m.refresh()
	if !r.New || r.Generation.Number != 1 {
		t.Fatalf("got generation %d, new %v; want a new one, 1", r.Generation.Number, r.New)
	}
	if got := r.Generation.Signers; len(got) != 1 || got[0].Fingerprint != a.Key() {
		t.Errorf("signers %v, want the archive's key %s", got, a.Key())
	}
	table := m.table(r.Generation)
	for _, path := range append(sources, p.Filename, "dists/stable/InRelease", "dists/stable/Release", "dists/stable/Release.gpg") {
		e, ok := table.Find(path)
		if !ok {
			t.Errorf("the generation has no %s", path)
			continue
		}
		if want := a.Get(path); e.Size != int64(len(want)) {
			t.Errorf("%s has %d bytes, want %d", path, e.Size, len(want))
		}
	}
	for path, digest := range map[string]string{"dists/stable/InRelease": r.Generation.InRelease.String(), "dists/stable/Release": r.Generation.Release.String(), "dists/stable/Release.gpg": r.Generation.ReleaseGPG.String()} {
		if e, _ := table.Find(path); e.Digest.String() != digest {
			t.Errorf("%s is %s in the manifest, %s in the generation", path, e.Digest, digest)
		}
		stored, err := m.Blobs.ReadAll(t.Context(), m.file(r.Generation, path).Digest, maxRelease)
		if err != nil || !bytes.Equal(stored, a.Get(path)) {
			t.Errorf("%s is not stored byte for byte (%v)", path, err)
		}
	}
	for e := range table.All() {
		if e.Kind == catalog.KindIndex {
			byHash := byHashPath(e.Path, e.Digest)
			if alias, ok := table.Find(byHash); !ok || alias.Digest != e.Digest || alias.Plain != e.Path {
				t.Errorf("%s is not reachable as %s", e.Path, byHash)
			}
		}
	}
}

func TestRefreshOfAnUnchangedSuiteFetchesOnlyInRelease(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{"conditional": nil, "answers 200 to everything": upstreamtest.Always200, "without dates": upstreamtest.NoLastModified} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddPackage(upstreamtest.Package{Name: "hello"})
			a.Publish()
			if fault != nil {
				a.Fault("*", fault)
			}
			m := newMirror(t, a)
			m.refresh()
			a.ForgetRequests()
			if r := m.refresh(); r.New || r.Generation.Number != 1 {
				t.Errorf("a second refresh made generation %d, new %v", r.Generation.Number, r.New)
			}
			for _, r := range a.Requests() {
				if !strings.Contains(r.Path, "Release") {
					t.Errorf("it asked for %s again", r.Path)
				}
			}
		})
	}
}

func TestRefreshFollowsUpstream(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
	a.Publish()
	m := newMirror(t, a)
	first := m.refresh()
	p := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	a.Publish()
	second := m.refresh()
	if !second.New || second.Generation.Number != 2 || !second.Generation.Date.After(first.Generation.Date) {
		t.Fatalf("got %+v after %+v", second.Generation, first.Generation)
	}
	if _, ok := m.table(first.Generation).Find(p.Filename); ok {
		t.Error("the first generation changed")
	}
	m.file(second.Generation, p.Filename)
}

func TestAChangeOfConfigurationMakesAGeneration(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.AddSource("hello", "1.0")
	a.Publish()
	m := newMirror(t, a)
	m.archive.Architectures = []string{a.Arch}
	without := m.refresh().Generation
	m.archive.Architectures = []string{a.Arch, "source"}
	with := m.refresh()
	if !with.New || with.Generation.Packages <= without.Packages {
		t.Errorf("adding source made %d packages of %d, new %v", with.Generation.Packages, without.Packages, with.New)
	}
}

// Each case publishes a good state first, refreshes, changes upstream, and
// expects the second refresh to be refused and the first to stay.
func TestRefreshRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, a *upstreamtest.Archive, m *mirror)
		reason Reason
		text   string
	}{
		{"unsigned", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) { a.Publish(upstreamtest.Unsigned()) }, Reason(pgp.Unsigned), "unsigned"},
		{"tampered", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) { a.Publish(upstreamtest.Tampered()) }, Reason(pgp.BadSignature), "bad-signature"},
		{"foreign key", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) {
			a.SignWith(upstreamtest.NewKey(t))
			a.Publish()
		}, Reason(pgp.UnknownKey), "unknown-key"},
		{"bit flip in transit", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) {
			a.Publish()
			a.Fault("InRelease", upstreamtest.WrongBytes)
		}, Reason(pgp.BadSignature), ""},
		{"captive portal", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) { a.Fault("InRelease", upstreamtest.HTML200) }, Reason(pgp.Unsigned), "login"},
		{"endless", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) { a.Fault("InRelease", upstreamtest.Endless) }, Malformed, "larger than"},
		{"re-keyed with 304", func(t *testing.T, a *upstreamtest.Archive, m *mirror) {
			keys, err := pgp.LoadKeyring(upstreamtest.New(t).KeyringFile())
			if err != nil {
				t.Fatal(err)
			}
			m.archive.Keyring = keys
			a.Fault("InRelease", upstreamtest.Always304)
		}, Reason(pgp.UnknownKey), ""},
		{"replayed", func(t *testing.T, a *upstreamtest.Archive, m *mirror) {
			a.Publish()
			m.refresh()
			a.Replay(1)
		}, RolledBack, "older than"},
		{"from the future", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) {
			a.Publish(upstreamtest.At(time.Now().Add(time.Hour)))
		}, FromFuture, "clock"},
		{"expired", func(t *testing.T, a *upstreamtest.Archive, m *mirror) {
			a.Suite.ValidUntil = time.Now().Add(time.Hour)
			a.Publish()
			m.at(time.Now().Add(2 * time.Hour))
		}, Expired, "valid until"},
		{"another suite", func(t *testing.T, a *upstreamtest.Archive, _ *mirror) {
			a.Suite.Suite, a.Suite.Codename = "unstable", "sid"
			a.Publish()
		}, WrongSuite, "unstable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddPackage(upstreamtest.Package{Name: "hello"})
			a.Publish()
			m := newMirror(t, a)
			m.refresh()
			tc.change(t, a, m)
			before, err := m.Catalog.Latest(t.Context(), "test", "stable")
			if err != nil {
				t.Fatal(err)
			}
			_, err = m.Refresh(t.Context(), m.archive, "stable")
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Reason != tc.reason {
				t.Fatalf("got %v, want a refusal for %s", err, tc.reason)
			}
			for _, want := range []string{"archive test", "suite stable", "Release", tc.text} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("message %q does not name %q", err, want)
				}
			}
			if after, err := m.Catalog.Latest(t.Context(), "test", "stable"); err != nil || after.Number != before.Number {
				t.Errorf("generation %d became %d (%v)", before.Number, after.Number, err)
			}
			if c, err := m.Catalog.Check("test", "stable"); err != nil || c.Reason != string(tc.reason) || c.Error == "" {
				t.Errorf("remembered %+v, %v; want reason %s", c, err, tc.reason)
			}
		})
	}
}

func TestAReleaseWithTheSameDateAndOtherContentsIsRefused(t *testing.T) {
	a := upstreamtest.New(t)
	date := time.Now().Add(-time.Hour).Truncate(time.Second)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish(upstreamtest.At(date))
	m := newMirror(t, a)
	m.refresh()
	a.AddPackage(upstreamtest.Package{Name: "evil"})
	a.Publish(upstreamtest.At(date))
	_, err := m.Refresh(t.Context(), m.archive, "stable")
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reason != Equivocating {
		t.Errorf("got %v, want a refusal for %s", err, Equivocating)
	}
}

func TestRefreshFallsBackToRelease(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	a.Remove("dists/stable/InRelease")
	m := newMirror(t, a)
	g := m.refresh().Generation
	if g.InRelease == g.Release || len(g.Signers) != 1 {
		t.Errorf("got %+v", g)
	}
	if _, ok := m.table(g).Find("dists/stable/InRelease"); ok {
		t.Error("the generation has an InRelease that upstream has not")
	}
}

// A bad InRelease must not lead to a look at Release and Release.gpg, however
// good those are.
func TestABadInReleaseIsNotWorkedAround(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	a.Fault("InRelease", upstreamtest.WrongBytes)
	m := newMirror(t, a)
	if _, err := m.Refresh(t.Context(), m.archive, "stable"); err == nil {
		t.Fatal("accepted")
	}
	if n := a.Count("dists/stable/Release"); n != 0 {
		t.Errorf("asked for Release %d times", n)
	}
}

func TestRefreshUsesTheNextMirror(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"down": upstreamtest.Reset, "503": upstreamtest.Status(http.StatusServiceUnavailable, ""), "lying": upstreamtest.WrongBytes,
	} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddPackage(upstreamtest.Package{Name: "hello"})
			a.Publish()
			second := a.Mirror()
			a.Fault("*", fault)
			m := newMirror(t, a, second.URL())
			if g := m.refresh().Generation; g.Number != 1 {
				t.Errorf("got %+v", g)
			}
		})
	}
}

// An archive that is in the middle of an update has a Release that is newer
// than its indexes, or the reverse.
func TestAHalfUpdatedArchiveIsNotTakenIn(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
	a.Publish()
	m := newMirror(t, a)
	m.refresh()
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	a.Publish()
	for _, p := range a.Paths() {
		if strings.Contains(p, "/binary-") && !strings.HasSuffix(p, "/Release") {
			a.Fault(p, upstreamtest.NotFound)
		}
	}
	if _, err := m.Refresh(t.Context(), m.archive, "stable"); err == nil {
		t.Fatal("took in a suite whose indexes are missing")
	}
	if g, err := m.Catalog.Latest(t.Context(), "test", "stable"); err != nil || g.Number != 1 {
		t.Errorf("latest is %d (%v), want 1", g.Number, err)
	}
	a.ClearFaults()
	if r := m.refresh(); r.Generation.Number != 2 {
		t.Errorf("after the update was complete: generation %d, want 2", r.Generation.Number)
	}
}

func TestFlatSuites(t *testing.T) {
	for _, name := range []string{"./", "packages/"} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.AddSuite(name)
			p := a.AddPackage(upstreamtest.Package{Name: "flat", Suite: name})
			a.Publish()
			m := newMirror(t, a)
			m.archive.Suites, m.archive.Components = []string{name}, nil
			g := m.refresh().Generation
			m.file(g, strings.TrimPrefix(name, "./")+"InRelease")
			f := m.file(g, strings.TrimPrefix(p.Filename, "./"))
			if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
		})
	}
}

func TestAComponentThatIsNotThereIsNamed(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := newMirror(t, a)
	m.archive.Components = []string{"man"}
	_, err := m.Refresh(t.Context(), m.archive, "stable")
	if err == nil || !strings.Contains(err.Error(), `"man"`) || !strings.Contains(err.Error(), `"main"`) {
		t.Errorf("got %v", err)
	}
}

// The installer's index is one that apt never asks for: mirrors that do not
// have it, or have another, must not keep a whole suite away.
func TestAnIndexThatNobodyNeedsMayBeMissing(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	udebs := "main/debian-installer/binary-" + a.Arch + "/Packages"
	a.Suite.Files = map[string][]byte{udebs: []byte("Package: u\nVersion: 1\nArchitecture: " + a.Arch +
		"\nFilename: pool/u.udeb\nSize: 1\nSHA256: " + strings.Repeat("0", 64) + "\n")}
	a.Publish()
	a.Fault("dists/stable/"+udebs, upstreamtest.NotFound)
	a.Fault("dists/stable/main/debian-installer/*/by-hash/SHA256/*", upstreamtest.NotFound)
	m := newMirror(t, a)
	without := m.refresh()
	if !without.New || len(without.Generation.Missing) != 1 {
		t.Fatalf("got %+v", without.Generation)
	}
	if again := m.refresh(); again.New || again.Generation.Number != 1 {
		t.Errorf("still missing: made generation %d", again.Generation.Number)
	}
	a.ClearFaults()
	with := m.refresh()
	if !with.New || with.Generation.Missing != nil {
		t.Fatalf("no longer missing: got %+v", with.Generation)
	}
	m.file(with.Generation, "pool/u.udeb")
}

// Between the look at Release and the look at the indexes an archive may have
// been updated; the next Release then belongs to what is there.
func TestAnUpdateDuringARefreshHealsByItself(t *testing.T) {
	for name, byHash := range map[string]bool{"by hash": true, "plain": false} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			a.Suite.AcquireByHash = byHash
			a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
			a.Publish()
			m := newMirror(t, a)
			m.refresh()
			a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
			before := a.Paths()
			a.Publish()
			passing := bytes.Clone(a.Get("dists/stable/InRelease"))
			for _, p := range a.Paths() {
				if strings.Contains(p, "/by-hash/") && !slices.Contains(before, p) {
					a.Remove(p)
				}
			}
			p := a.AddPackage(upstreamtest.Package{Name: "hello", Version: "3.0"})
			a.Publish()
			a.FaultTimes(1, "InRelease", serving(passing))
			m.file(m.refresh().Generation, p.Filename)
		})
	}
}

// The store may lose what it holds; the marks of time are not in it.
func TestALostGenerationIsMadeAnew(t *testing.T) {
	a, m := small(t)
	g, err := m.Catalog.Latest(t.Context(), "test", "stable")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Blobs.Delete(t.Context(), g.InRelease); err != nil {
		t.Fatal(err)
	}
	if r := m.refresh(); r.Generation.Number != 2 || r.Generation.InRelease != g.InRelease {
		t.Errorf("got %+v", r.Generation)
	}
	if n := a.Count("dists/stable/InRelease"); n != 2 {
		t.Errorf("%d requests for InRelease", n)
	}
}

// "Not changed" must not keep a suite whose stored InRelease cannot be read.
func TestADamagedInReleaseComesAgain(t *testing.T) {
	a := upstreamtest.New(t)
	// The bytes must be of the size that the store keeps in its files.
	a.Suite.Fields = append(a.Suite.Fields, "Note: "+strings.Repeat("long ", 1000)+".")
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := newMirror(t, a)
	first := m.refresh().Generation
	inRelease := a.Get("dists/stable/InRelease")
	m.damage(inRelease)
	again := m.refresh()
	if !again.New || again.Generation.InRelease != first.InRelease {
		t.Errorf("got generation %d, new %v", again.Generation.Number, again.New)
	}
	if data, err := m.Blobs.ReadAll(t.Context(), first.InRelease, maxRelease); err != nil || !bytes.Equal(data, inRelease) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	if once := m.refresh(); once.New {
		t.Errorf("and once more, generation %d", once.Generation.Number)
	}
}

// "apt-ftparchive release ." finds the Release that it is writing.
func TestAReleaseMayListItself(t *testing.T) {
	for _, name := range []string{"./", "packages/", "stable"} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			s := a.Suite
			if name != s.Name {
				s = a.AddSuite(name)
			}
			s.Files = map[string][]byte{"Release": []byte("Date: yesterday\n"), "InRelease": []byte("of yesterday"), "Release.gpg": nil}
			a.AddPackage(upstreamtest.Package{Name: "hello", Suite: name})
			a.Publish()
			m := newMirror(t, a)
			m.archive.Suites = []string{name}
			g := m.refresh().Generation
			if f := m.file(g, catalog.SuiteDir(name)+"InRelease"); f.Kind != catalog.KindRelease || f.Digest != g.InRelease {
				t.Errorf("InRelease is %+v, want the bytes that were signed", f.Entry)
			}
		})
	}
}

// What is counted of a suite is what the store can have of it.
func TestAPackageOfAllArchitecturesCountsOnce(t *testing.T) {
	a := upstreamtest.New(t)
	a.Suite.Architectures = []string{"amd64", "arm64"}
	p := a.AddPackage(upstreamtest.Package{Name: "hello", Arch: "all"})
	a.Publish()
	m := newMirror(t, a)
	m.archive.Architectures = a.Suite.Architectures
	if g := m.refresh().Generation; g.Packages != 1 || g.Bytes != int64(len(p.Deb)) {
		t.Errorf("%d packages with %d bytes, want 1 with %d", g.Packages, g.Bytes, len(p.Deb))
	}
}
