package upstream

import (
	"bytes"
	"crypto/sha512"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/upstream/upstreamtest"
)

// only512 is an archive in which SHA-512 is all that Release, and perhaps the
// indexes too, say.
func only512(t *testing.T, packages bool) (a *upstreamtest.Archive, all []upstreamtest.Package, sources []string) {
	t.Helper()
	a = upstreamtest.New(t)
	a.Suite.Hashes, a.SHA512Only = []string{"SHA512"}, packages
	for i := range 5 {
		all = append(all, a.AddPackage(upstreamtest.Package{Name: fmt.Sprintf("p%d", i), Size: 100_000}))
	}
	sources = a.AddSource("src", "1.0")
	a.Publish()
	return a, all, sources
}

func TestArchivesThatSignSHA512Alone(t *testing.T) {
	for name, packages := range map[string]bool{"in Release": false, "everywhere": true} {
		t.Run(name, func(t *testing.T) {
			a, all, sources := only512(t, packages)
			m := newMirror(t, a)
			g := m.refresh().Generation
			m.verify()
			if g.Packages != len(all)+len(sources) || g.Missing != nil {
				t.Errorf("%d packages, missing %q", g.Packages, g.Missing)
			}
			for _, p := range all {
				wantPackage(t, m, g, p)
			}
			for _, p := range sources {
				if data, err := m.read(m.file(g, p)); err != nil || !bytes.Equal(data, a.Get(p)) {
					t.Errorf("%s: read %d bytes, %v", p, len(data), err)
				}
			}
			index := "dists/stable/main/binary-" + a.Arch + "/Packages.xz"
			byHash := fmt.Sprintf("%s/by-hash/SHA512/%x", path.Dir(index), sha512.Sum512(a.Get(index)))
			if f := m.file(g, byHash); f.Plain != index || f.Digest != blob.Sum(a.Get(index)) {
				t.Errorf("%s is %+v", byHash, f)
			}
			if a.Count(byHash) != 1 || a.Count(index) != 0 {
				t.Error("the index was not asked for by its digest")
			}
			a.ForgetRequests()
			added := a.AddPackage(upstreamtest.Package{Name: "added"})
			a.Publish()
			next := m.refresh().Generation
			m.verify()
			wantPackage(t, m, next, added)
			for _, p := range all {
				if n := a.Count(p.Filename); n != 0 {
					t.Errorf("%s was read again", p.Name)
				}
				m.file(next, p.Filename)
			}
			a.ForgetRequests()
			if again := m.refresh(); again.New || len(a.Requests()) > 3 {
				t.Errorf("unchanged, it made %v with %d requests", again.New, len(a.Requests()))
			}
		})
	}
}

// What was learnt is kept even if the refresh as a whole fails.
func TestWhatIsKnownByItsSHA512IsNotReadAgain(t *testing.T) {
	a, all, _ := only512(t, true)
	a.Fault(all[4].Filename, upstreamtest.Status(http.StatusInternalServerError, ""))
	m := newMirror(t, a)
	if _, err := m.Refresh(t.Context(), m.archive, "stable"); err == nil {
		t.Fatal("taken in without a package")
	}
	m.fills.Wait() // those that nobody waits for any more go on
	known := 0
	for _, p := range all {
		if _, err := m.Blobs.Stat(blob.Sum(p.Deb)); err == nil {
			known++
		}
	}
	a.ClearFaults()
	a.ForgetRequests()
	m.refresh()
	asked := 0
	for _, p := range all {
		asked += a.Count(p.Filename)
	}
	if known == 0 || asked != len(all)-known {
		t.Errorf("%d of %d files were in the store, %d were asked for", known, len(all), asked)
	}
}

func TestWrongBytesOfWhatIsSignedBySHA512(t *testing.T) {
	for name, pattern := range map[string]string{"package": "p1_*.deb", "index": "dists/stable/main/binary-*/by-hash/SHA512/*"} {
		for fault, wrong := range map[string]upstreamtest.Fault{"flipped bit": upstreamtest.WrongBytes, "too long": upstreamtest.WrongLength, "truncated": upstreamtest.Truncate} {
			t.Run(name+" "+fault, func(t *testing.T) {
				a, all, _ := only512(t, true)
				a.Fault(pattern, wrong)
				m := newMirror(t, a)
				if _, err := m.Refresh(t.Context(), m.archive, "stable"); err == nil {
					t.Fatal("taken in")
				} else if refused := (*RefusedError)(nil); fault == "flipped bit" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), "SHA-512")) {
					t.Errorf("got %v", err)
				}
				a.ClearFaults()
				m.at(time.Now().Add(time.Hour))
				wantPackage(t, m, m.refresh().Generation, all[1])
			})
		}
	}
}

func TestPackagesOfSHA512ThatNoMirrorHas(t *testing.T) {
	a, all, _ := only512(t, true)
	a.Fault(all[0].Filename, upstreamtest.NotFound)
	m := newMirror(t, a)
	g := m.refresh().Generation
	m.verify()
	if len(g.Missing) != 1 || g.Missing[0] != all[0].Filename {
		t.Errorf("missing %q", g.Missing)
	}
	if again := m.refresh(); again.New {
		t.Error("still missing, it made another generation")
	}
	a.ClearFaults()
	g = m.refresh().Generation
	if g.Missing != nil {
		t.Errorf("no longer missing: %q", g.Missing)
	}
	wantPackage(t, m, g, all[0])
}

// The store is proven against what is signed, not against what was noted.
func TestVerifyReadsWhatIsSignedBySHA512(t *testing.T) {
	a, all, _ := only512(t, true)
	m := newMirror(t, a)
	m.refresh()
	sum := sha512.Sum512(all[1].Deb)
	if err := m.Catalog.SaveNote(noteOf(sum[:]), blob.Sum(all[2].Deb).String()); err != nil {
		t.Fatal(err)
	}
	a.Publish()
	m.refresh()
	report := m.report()
	if len(report.Problems) != 1 || !strings.HasSuffix(report.Problems[0].Where, all[1].Filename) {
		t.Errorf("problems %+v, want one of %s", report.Problems, all[1].Filename)
	}
}

func TestPreviewOfArchivesThatSignSHA512Alone(t *testing.T) {
	a, all, _ := only512(t, true)
	m := newMirror(t, a)
	if p, err := m.Preview(t.Context(), m.archive, "stable", nil, false); err != nil || !p.New || p.IndexBytes == 0 {
		t.Errorf("before: %+v, %v", p, err)
	}
	if _, err := m.Preview(t.Context(), m.archive, "stable", nil, true); !errors.Is(err, errUnforeseeable) {
		t.Errorf("before, with files: %v", err)
	}
	m.refresh()
	if p := m.preview(); p.New || p.Files.Present != p.Files.Wanted {
		t.Errorf("afterwards: %+v", p)
	}
	if _, err := m.Probe(t.Context(), m.archive, "stable"); err != nil {
		t.Errorf("probing: %v", err)
	}
	if m.stored() < len(all) {
		t.Error("nothing is stored")
	}
}

func TestAptUsesAnArchiveOfSHA512Alone(t *testing.T) {
	apt := upstreamtest.NewAPT(t)
	a, all, _ := only512(t, true)
	m := newMirror(t, a)
	m.publish(m.refresh().Generation)
	server := m.serve()
	apt.Sources(fmt.Sprintf("deb [signed-by=%s] %s stable main", a.KeyringFile(), server.URL))
	for _, args := range [][]string{{"update", "--error-on=any"}, {"download", all[2].Name}} {
		if out, err := apt.Get(args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if asked := server.asked(); !strings.Contains(asked, "/by-hash/SHA512/") {
		t.Errorf("apt asked for\n%s", asked)
	}
}
