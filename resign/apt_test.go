package resign_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/resign"
	"aptmirror/upstream"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// site is a site repository "site", suite "stable", made from a real archive,
// and written as files that apt reads.
type site struct {
	*cache.Cache
	t    testing.TB
	from resign.Input
	key  *resign.Key
	dir  string
}

// newSite takes the archive in.
func newSite(t testing.TB, a *upstreamtest.Archive) *site {
	t.Helper()
	a.Publish()
	c, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, err := pgp.LoadKeyring(a.KeyringFile())
	if err != nil {
		t.Fatal(err)
	}
	archive := &upstream.Archive{Name: "upstream", URIs: []string{a.URL() + "/"}, Components: []string{"main"}, Architectures: []string{a.Arch, "source"}, Keyring: keys}
	u := upstream.New(upstream.Config{Archives: []*upstream.Archive{archive}, Blobs: c.Blobs, Catalog: c.Catalog, Version: "test"})
	defer u.Close()
	r, err := u.Refresh(t.Context(), archive, "stable")
	if err != nil {
		t.Fatal(err)
	}
	key, err := resign.NewKeyAt(time.Now().Add(-time.Hour), "Example site", "", resign.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	return &site{c, t, resign.Input{Name: "archive:upstream/stable", Generation: &r.Generation}, key, t.TempDir()}
}

// publish builds, signs and writes the files, but for packages.
func (s *site) publish(rules string) (catalog.Generation, *catalog.Signed) {
	s.t.Helper()
	p, err := policy.Parse("test", "test.rules", 1, rules)
	if err != nil {
		s.t.Fatal(err)
	}
	b := &resign.Builder{Blobs: s.Blobs, Catalog: s.Catalog, Room: s.Cache}
	built, err := b.Build(s.t.Context(), resign.Recipe{Repository: "site", Suite: "stable", From: []resign.Input{s.from}, Policy: p})
	if err != nil {
		s.t.Fatal(err)
	}
	h := resign.Header{Origin: "Example", Label: "Example", Suite: "stable", Codename: "stable", Date: resign.NextDate(time.Time{}, time.Now()), ValidUntil: time.Now().Add(time.Hour)}
	signed, release, err := b.Sign(s.t.Context(), built.Generation, h, []*resign.Key{s.key})
	if err != nil {
		s.t.Fatal(err)
	}
	defer release()
	s.writeTree(built.Generation, signed)
	return built.Generation, signed
}

func (s *site) writeTree(g catalog.Generation, signed *catalog.Signed) {
	s.t.Helper()
	table, err := s.Catalog.Table(s.t.Context(), g)
	if err != nil {
		s.t.Fatal(err)
	}
	for e := range table.All() {
		if e.Kind == catalog.KindIndex || e.Kind == catalog.KindByHash {
			s.write(e.Path, s.read(e.Digest))
		}
	}
	for name, d := range signed.Files() {
		s.write("dists/stable/"+name, s.read(d))
	}
	var public bytes.Buffer
	if err := s.key.WritePublic(&public, false); err != nil {
		s.t.Fatal(err)
	}
	s.write("site.gpg", public.Bytes())
}

func (s *site) read(d blob.Digest) []byte {
	s.t.Helper()
	data, err := s.Blobs.ReadAll(s.t.Context(), d, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

func (s *site) write(name string, data []byte) {
	s.t.Helper()
	file := filepath.Join(s.dir, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, data, 0o644)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// run gives what a program prints.
func run(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, diagnostics.String())
	}
	return string(out)
}

// upstreamArchive has ten packages, one of them for all architectures, and a
// source package.
func upstreamArchive(t testing.TB) *upstreamtest.Archive {
	a := upstreamtest.New(t)
	for i := range 9 {
		a.AddPackage(upstreamtest.Package{Name: fmt.Sprintf("lib%d", i), Version: "1:2~rc1+b3", Section: []string{"libs", "games"}[i%2], Depends: "common"})
	}
	a.AddPackage(upstreamtest.Package{Name: "common", Arch: "all"})
	a.AddSource("lib0", "1:2~rc1")
	return a
}

func TestAptReadsWhatIsWritten(t *testing.T) {
	apt := upstreamtest.NewAPT(t)
	s := newSite(t, upstreamArchive(t))
	s.publish("deny ?section(games)\nallow ?true\n")
	apt.Sources(fmt.Sprintf("deb [signed-by=%[1]s/site.gpg] file:%[1]s stable main", s.dir), fmt.Sprintf("deb-src [signed-by=%[1]s/site.gpg] file:%[1]s stable main", s.dir))
	if out, err := apt.Get("update", "-qq"); err != nil || out != "" {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := apt.Run("apt-cache", "dumpavail")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(line, "Package: "); ok {
			names = append(names, strings.TrimSpace(name))
		}
	}
	slices.Sort(names)
	if want := []string{"common", "lib0", "lib2", "lib4", "lib6", "lib8"}; !cmp.Equal(names, want) {
		t.Errorf("apt sees %v", names)
	}
	out, err = apt.Get("install", "--print-uris", "-qq", "lib2")
	if err != nil || strings.Count(out, "/pool/upstream/pool/main/") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := apt.Get("source", "--print-uris", "-qq", "lib0"); err != nil || strings.Count(out, "/pool/upstream/pool/main/") < 2 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := apt.Run("apt-cache", "policy", "lib2"); err != nil || !strings.Contains(out, "1:2~rc1+b3") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestReleaseIsWhatAptFtparchiveWrites(t *testing.T) {
	s := newSite(t, upstreamArchive(t))
	_, signed := s.publish("allow ?true\n")
	ours, err := debian.ParseRelease(s.read(signed.Release))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ours.Files {
		if plain, ok := strings.CutSuffix(f.Path, ".gz"); ok {
			s.write("dists/stable/"+plain, []byte(run(t, s.dir, "gzip", "-dc", "dists/stable/"+f.Path)))
		}
	}
	for _, name := range []string{"InRelease", "Release", "Release.gpg"} {
		if err := os.Remove(filepath.Join(s.dir, "dists/stable", name)); err != nil {
			t.Fatal(err)
		}
	}
	text := run(t, s.dir, "apt-ftparchive", "-o", "APT::FTPArchive::Release::Suite=stable", "release", "dists/stable")
	theirs, err := debian.ParseRelease([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(theirs.Files) < len(ours.Files) {
		t.Errorf("apt-ftparchive sees %d files, Release has %d", len(theirs.Files), len(ours.Files))
	}
	for _, f := range ours.Files {
		if other, ok := theirs.File(f.Path); !ok || other.SHA256 != f.SHA256 || other.Size != f.Size {
			t.Errorf("%s: ours %x %d, theirs %x %d", f.Path, f.SHA256, f.Size, other.SHA256, other.Size)
		}
	}
}

func TestSignaturesVerify(t *testing.T) {
	s := newSite(t, upstreamArchive(t))
	_, signed := s.publish("allow ?true\n")
	text, signature := splitClearsigned(t, s.read(signed.InRelease))
	if !bytes.Equal(text, s.read(signed.Release)) {
		t.Error("InRelease and Release say different things")
	}
	s.write("text", bytes.TrimSuffix(text, []byte("\n"))) // its last end of line is not signed
	s.write("text.sig", signature)
	for _, c := range [][]string{
		{"gpgv", "--keyring", "./site.gpg", "dists/stable/InRelease"},
		{"sqv", "--keyring", "site.gpg", "text.sig", "text"},
		{"gpgv", "--keyring", "./site.gpg", "dists/stable/Release.gpg", "dists/stable/Release"},
		{"sqv", "--keyring", "site.gpg", "dists/stable/Release.gpg", "dists/stable/Release"},
	} {
		t.Run(strings.Join(c[:1], " ")+" "+filepath.Base(c[3]), func(t *testing.T) { run(t, s.dir, c[0], c[1:]...) })
	}
}

// splitClearsigned takes a file apart as the apt of Debian 13 does, whose
// verifier knows no signatures but those beside a text.
func splitClearsigned(t *testing.T, data []byte) (text, signature []byte) {
	t.Helper()
	head, rest, _ := bytes.Cut(data, []byte("\n\n"))
	text, signature, ok := bytes.Cut(rest, []byte("-----BEGIN PGP SIGNATURE-----\n"))
	if !ok || !bytes.HasPrefix(head, []byte("-----BEGIN PGP SIGNED MESSAGE-----\n")) || bytes.Contains(text, []byte("\n- ")) {
		t.Fatalf("this is not signed as apt wants it:\n%s", data)
	}
	return text, append([]byte("-----BEGIN PGP SIGNATURE-----\n"), signature...)
}

func TestPythonAptReadsTheIndex(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's modules are for no other
	if err := exec.Command(python, "-c", "import apt_pkg").Run(); err != nil {
		t.Skip("python3-apt is not installed")
	}
	s := newSite(t, upstreamArchive(t))
	s.publish("allow ?true\n")
	out := run(t, s.dir, python, "-c", `
import apt_pkg, glob
for name in glob.glob("dists/stable/main/binary-*/Packages.gz"):
    for section in apt_pkg.TagFile(name):
        print(section["Package"], section["Version"], section["Filename"], section["SHA256"])
`)
	if n := strings.Count(out, "pool/upstream/pool/main/"); n != 10 {
		t.Errorf("%d packages\n%s", n, out)
	}
}
