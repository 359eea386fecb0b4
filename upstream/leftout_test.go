package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// sloppy is an archive with files that nobody can verify, beside others.
type sloppy struct {
	*upstreamtest.Archive
	good  []string // paths of what can be had
	wrong []catalog.LeftOut
}

func newSloppy(t *testing.T) *sloppy {
	t.Helper()
	a := upstreamtest.New(t)
	s := &sloppy{Archive: a}
	a.Suite.Architectures = []string{"amd64", "arm64"}
	for _, name := range []string{"a", "z"} {
		s.good = append(s.good, a.AddPackage(upstreamtest.Package{Name: name, Arch: "amd64"}).Filename)
	}
	s.good = append(s.good, a.AddPackage(upstreamtest.Package{Name: "common", Arch: "all"}).Filename)
	s.good = append(s.good, a.AddSource("source", "1.0")...)
	weak := a.AddPackage(upstreamtest.Package{Name: "weak", Arch: "amd64"}).Filename
	old := a.AddSource("old", "1.0")
	// The file of the second version is there, the stanza of the first still too.
	versions := []upstreamtest.Package{{Name: "latest", Version: "1", Arch: "amd64"}, {Name: "latest", Version: "2", Arch: "amd64"}}
	for _, p := range versions {
		p.Filename = "pool/latest.deb"
		a.AddPackage(p)
	}
	// Each architecture has built the package for all of them anew.
	for _, arch := range a.Suite.Architectures {
		a.AddPackage(upstreamtest.Package{Name: "everywhere", Arch: arch, Filename: "pool/everywhere_all.deb", Data: []byte(arch)})
	}
	a.Suite.Rewrite = upstreamtest.WithoutFields(map[string][]string{"weak": {"SHA256"}, "old": {"Checksums-Sha256"}})
	a.Publish()
	s.wrong = []catalog.LeftOut{{Path: weak, Why: catalog.NoDigest}, {Path: "pool/latest.deb", Why: catalog.Disputed}, {Path: "pool/everywhere_all.deb", Why: catalog.Disputed}}
	for _, p := range old {
		s.wrong = append(s.wrong, catalog.LeftOut{Path: p, Why: catalog.NoDigest})
	}
	slices.SortFunc(s.wrong, func(a, b catalog.LeftOut) int { return strings.Compare(a.Path, b.Path) })
	return s
}

// mirror takes in all of its architectures.
func (s *sloppy) mirror(t *testing.T) *mirror {
	m := newMirror(t, s.Archive)
	m.archive.Architectures = append(s.Suite.Architectures, "source")
	return m
}

func TestFilesThatNobodyCanVerifyAreLeftOut(t *testing.T) {
	a := newSloppy(t)
	m := a.mirror(t)
	var log bytes.Buffer
	m.Log = slog.New(slog.NewTextHandler(&log, nil))
	preview := m.preview()
	g := m.refresh().Generation
	if !slices.Equal(g.LeftOut, a.wrong) {
		t.Errorf("left out %v,\nwant %v", g.LeftOut, a.wrong)
	}
	if g.Packages != len(a.good) || preview.Packages != g.Packages {
		t.Errorf("%d packages, the preview has %d; want %d", g.Packages, preview.Packages, len(a.good))
	}
	table := m.table(g)
	for _, l := range a.wrong {
		if _, ok := table.Find(l.Path); ok {
			t.Errorf("%s can be served", l.Path)
		}
	}
	for _, p := range a.good {
		if data, err := m.read(m.file(g, p)); err != nil || !bytes.Equal(data, a.Get(p)) {
			t.Errorf("%s: read %d bytes, %v", p, len(data), err)
		}
	}
	m.verify()
	if again := m.refresh(); again.New {
		t.Error("unchanged, it made another generation")
	}
	if n := strings.Count(log.String(), "nobody can verify are left out"); n != 1 || !strings.Contains(log.String(), a.wrong[0].Path) {
		t.Errorf("it was logged %d times:\n%s", n, &log)
	}
}

// What is left out is told from what was taken away.
func TestVerifyFindsOutWhatIsLeftOut(t *testing.T) {
	a := newSloppy(t)
	m := a.mirror(t)
	g := m.refresh().Generation
	remake := func(change func(*catalog.Generation, *catalog.Manifest) (without string)) {
		other := g
		var all catalog.Manifest
		without := change(&other, &all)
		for e := range m.table(g).All() {
			if e.Path != without {
				all.Add(e)
			}
		}
		raw, err := all.Encode()
		if err == nil {
			other.Manifest, err = m.Blobs.Put(t.Context(), raw, m.Now())
		}
		if err == nil {
			_, err = m.Catalog.AddGeneration(other)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	latest := a.AddPackage(upstreamtest.Package{Name: "latest", Version: "1", Arch: "amd64", Filename: "pool/latest.deb"})
	remake(func(g *catalog.Generation, _ *catalog.Manifest) string { g.LeftOut = g.LeftOut[1:]; return "" })
	remake(func(*catalog.Generation, *catalog.Manifest) string { return a.good[0] })
	remake(func(_ *catalog.Generation, all *catalog.Manifest) string {
		all.Add(catalog.Entry{Path: latest.Filename, Plain: latest.Filename, Kind: catalog.KindPackage, Size: int64(len(latest.Deb)), Digest: blob.Sum(latest.Deb)})
		return ""
	})
	var got []string
	for _, p := range m.report().Problems {
		got = append(got, p.Where+": "+p.What)
	}
	for _, want := range []string{
		"generation 2: row: of the files that nobody could verify it lists",
		"generation 3: " + a.good[0] + ": an index names it, the manifest does not",
		"generation 4: pool/latest.deb: the manifest has another size or digest than the index",
	} {
		if !slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("verify says %q, want %q", got, want)
		}
	}
	if slices.ContainsFunc(got, func(p string) bool { return strings.Contains(p, "generation 1") }) {
		t.Errorf("verify says %q of what is right", got)
	}
}

// Ahead of time comes all that can ever come, and nothing is missing then.
func TestDownloadIsCompleteWithoutWhatIsLeftOut(t *testing.T) {
	a := newSloppy(t)
	m := a.mirror(t)
	got, err := m.Download(t.Context(), m.refresh().Generation, nil, func(Downloaded) {})
	if err != nil || got.Present != got.Wanted || got.Wanted != len(a.good) {
		t.Errorf("%+v, %v; want %d files", got, err, len(a.good))
	}
	for _, l := range a.wrong {
		if n := a.Count(l.Path); n != 0 {
			t.Errorf("%s was asked for", l.Path)
		}
	}
}

// What is brought is judged alike, whichever of the disputed files is in the store.
func TestWhatIsBroughtLeavesOutTheSame(t *testing.T) {
	a := newSloppy(t)
	from, to := a.mirror(t), a.mirror(t)
	g := from.refresh().Generation
	to.archive.URIs = nil
	if _, err := to.Blobs.Put(t.Context(), a.Get("pool/latest.deb"), to.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := to.from(broughtTo(to, a.Archive))
	if err != nil || got.Generation.Manifest != g.Manifest || !slices.Equal(got.Generation.LeftOut, g.LeftOut) {
		t.Errorf("%+v, %v;\nwant what was exported, %+v", got.Generation, err, g)
	}
	to.verify()
}

// SHA-512 is as good as SHA-256 here, too.
func TestDisputedFilesOfSHA512(t *testing.T) {
	a, all, _ := only512(t, true)
	for _, data := range []string{"one", "two"} {
		a.AddPackage(upstreamtest.Package{Name: "p9", Filename: "pool/p9.deb", Data: []byte(data)})
	}
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	if want := []catalog.LeftOut{{Path: "pool/p9.deb", Why: catalog.Disputed}}; !slices.Equal(g.LeftOut, want) || a.Count("pool/p9.deb") != 0 {
		t.Errorf("left out %v, asked for %d times", g.LeftOut, a.Count("pool/p9.deb"))
	}
	wantPackage(t, m, g, all[0])
	m.verify()
}

// An index like that takes nothing away from clients.
func TestBrokenIndexesAreRefused(t *testing.T) {
	weaken := func(names ...string) func(string, []byte) []byte {
		fields := map[string][]string{}
		for _, n := range names {
			fields[n] = []string{"SHA256"}
		}
		return upstreamtest.WithoutFields(fields)
	}
	several := func(a *upstreamtest.Archive, prefix string, n int) (names []string) {
		for i := range n {
			names = append(names, a.AddPackage(upstreamtest.Package{Name: fmt.Sprint(prefix, i)}).Name)
		}
		return names
	}
	for name, change := range map[string]func(a *upstreamtest.Archive){
		"no file can be verified": func(a *upstreamtest.Archive) { a.Suite.Rewrite = weaken("stored", "wanted") },
		"hardly any can be":       func(a *upstreamtest.Archive) { a.Suite.Rewrite = weaken(append(several(a, "p", 20), "stored")...) },
		"all have one name": func(a *upstreamtest.Archive) {
			a.Suite.Rewrite = func(_ string, text []byte) []byte {
				var out strings.Builder
				for line := range strings.Lines(string(text)) {
					if strings.HasPrefix(line, "Filename: ") {
						line = "Filename: pool/a.deb\n"
					}
					out.WriteString(line)
				}
				return []byte(out.String())
			}
		},
		"too many": func(a *upstreamtest.Archive) {
			a.Suite.Rewrite = func(name string, text []byte) []byte {
				if !strings.HasSuffix(name, "Packages") {
					return text
				}
				out := bytes.NewBuffer(text)
				for i := range 2 * maxLeftOut {
					fmt.Fprintf(out, "Package: q%d\nVersion: 1\nArchitecture: all\nFilename: pool/q%[1]d.deb\nSize: 1\nSHA256: %064[1]d\n\n", i)
					if i <= maxLeftOut {
						fmt.Fprintf(out, "Package: w%d\nVersion: 1\nArchitecture: all\nFilename: pool/w%[1]d.deb\nSize: 1\n\n", i)
					}
				}
				return out.Bytes()
			}
		},
		"paths without end": func(a *upstreamtest.Archive) {
			a.Suite.Rewrite = func(name string, text []byte) []byte {
				if !strings.HasSuffix(name, "Packages") {
					return text
				}
				out := bytes.NewBuffer(text)
				for i := range 50 {
					fmt.Fprintf(out, "Package: q%d\nVersion: 1\nArchitecture: all\nFilename: pool/q%[1]d.deb\nSize: 1\nSHA256: %064[1]d\n\n", i)
					fmt.Fprintf(out, "Package: w%d\nVersion: 1\nArchitecture: all\nFilename: pool/%s%[1]d.deb\nSize: 1\n\n", i, strings.Repeat("x", 4000))
				}
				return out.Bytes()
			}
		},
		"an index has other contents for a package": func(a *upstreamtest.Archive) {
			a.AddPackage(upstreamtest.Package{Name: "evil", Filename: "dists/stable/main/source/Sources.gz"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			s := besiege(t, a, nil)
			change(a)
			a.Publish()
			s.fails(Malformed, "")
			if p, err := s.Preview(t.Context(), s.archive, "stable", nil, true); !isOutcome(err, Malformed) {
				t.Errorf("the preview says %+v, %v", p, err)
			}
			s.stands()
		})
	}
}

// The share at which an index is broken rather than sloppy.
func TestNineInTenMayBeLeftOut(t *testing.T) {
	for _, weak := range []int{9, 10} {
		a := upstreamtest.New(t)
		fields := map[string][]string{}
		for i := range 10 {
			p := a.AddPackage(upstreamtest.Package{Name: fmt.Sprint("p", i)})
			if i < weak {
				fields[p.Name] = []string{"SHA256", "MD5sum"}
			}
		}
		a.Suite.Rewrite = upstreamtest.WithoutFields(fields)
		a.Publish()
		m := newMirror(t, a)
		_, err := m.Refresh(t.Context(), m.archive, "stable")
		if accepted := err == nil; accepted != (weak == 9) || !accepted && !isOutcome(err, Malformed) {
			t.Errorf("%d of 10 without a digest: %v", weak, err)
		}
	}
}

// Old tools make Sources with MD5 throughout, and apt installs packages all the same.
func TestSourcesThatNobodyCanVerify(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "p"})
	old := a.AddSource("old", "1.0")
	a.Suite.Rewrite = upstreamtest.WithoutFields(map[string][]string{"old": {"Checksums-Sha256"}})
	a.Publish()
	m := newMirror(t, a)
	g := m.refresh().Generation
	if g.Packages != 1 || len(g.LeftOut) != len(old) {
		t.Errorf("%d packages, left out %v", g.Packages, g.LeftOut)
	}
	wantPackage(t, m, g, p)
	m.verify()
}

// Who asks for a disputed file is not sent to a mirror for bytes that an earlier
// index named: the mirror would be taken for a liar.
func TestWhatBecomesDisputedIsServedNoLonger(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "p", Version: "1", Filename: "pool/p.deb"})
	a.AddPackage(upstreamtest.Package{Name: "other"})
	a.Publish()
	m := newMirror(t, a)
	m.publish(m.refresh().Generation)
	a.AddPackage(upstreamtest.Package{Name: "p", Version: "2", Filename: p.Filename})
	a.Publish()
	m.publish(m.refresh().Generation)
	f, err := m.Catalog.Resolve("test", p.Filename, func(string) bool { return true })
	if left := (*catalog.LeftOutError)(nil); !errors.As(err, &left) || left.Why != catalog.Disputed {
		t.Errorf("%+v, %v; want that it is disputed", f, err)
	}
}

// Intake and verify find out by themselves what is left out of an index.
func TestVerifyAgreesWithTheIntake(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "p"})
	rnd := rand.New(rand.NewPCG(1, 2))
	a.Suite.Rewrite = func(name string, text []byte) []byte {
		out := bytes.NewBuffer(text)
		for i := range rnd.IntN(12) {
			if path.Base(name) != "Packages" {
				break
			}
			file, content := rnd.IntN(6), byte(max(0, rnd.IntN(5)-3))
			fmt.Fprintf(out, "Package: q%d\nVersion: 1\nArchitecture: all\nFilename: pool/f%d.deb\nSize: %d\n", i, file, 1+content)
			fmt.Fprintf(out, []string{"SHA256: %064x\n\n", "SHA256: %064x\n\n", "MD5sum: %032x\n\n", "SHA256: %d\n\n"}[rnd.IntN(4)], content)
		}
		return out.Bytes()
	}
	a.Publish()
	m := newMirror(t, a)
	left := 0
	for range 20 {
		a.Publish()
		left += len(m.refresh().Generation.LeftOut)
	}
	m.verify()
	if left < 20 {
		t.Errorf("%d files were left out", left)
	}
}
