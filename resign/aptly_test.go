package resign_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"aptmirror/policy"
	"aptmirror/resign"
	"aptmirror/upstream/upstreamtest"
)

// BenchmarkBesideAptly filters and publishes the same archive with aptly and
// here, in one run. An archive of 10,000 packages takes a minute to make; it is
// smaller than Debian's because aptly wants every package as a file.
func BenchmarkBesideAptly(b *testing.B) {
	if _, err := exec.LookPath("aptly"); err != nil {
		b.Skip("aptly is not installed")
	}
	a := upstreamtest.New(b)
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	for i := range n {
		a.AddPackage(upstreamtest.Package{Name: fmt.Sprintf("p%05d", i), Section: []string{"net", "games", "libs"}[i%3], Depends: fmt.Sprintf("p%05d, p%05d", i/2, i/3)})
	}
	s := newSite(b, a)
	b.Run("aptly", func(b *testing.B) { aptly(b, a) })
	b.Run("here", func(b *testing.B) {
		p, err := policy.Parse("test", "test.rules", 1, "deny ?section(games)\nallow ?true\n")
		if err != nil {
			b.Fatal(err)
		}
		builder := &resign.Builder{Blobs: s.Blobs, Catalog: s.Catalog, Room: s.Cache}
		n := 0
		for b.Loop() {
			n++ // another repository each time: nothing is there to be copied
			s.buildAndSign(b, builder, resign.Recipe{Repository: fmt.Sprint("site", n), Suite: "stable", From: []resign.Input{s.from}, Policy: p})
		}
	})
}

func (s *site) buildAndSign(b *testing.B, builder *resign.Builder, r resign.Recipe) {
	b.Helper()
	built, err := builder.Build(b.Context(), r)
	if err != nil {
		b.Fatal(err)
	}
	_, release, err := builder.Sign(b.Context(), built.Generation, resign.Header{Suite: "stable", Date: time.Now()}, []*resign.Key{s.key})
	if err != nil {
		b.Fatal(err)
	}
	release()
	if err := s.Blobs.Sync(); err != nil {
		b.Fatal(err)
	}
}

// aptly mirrors the archive, and then filters and publishes it again and again.
func aptly(b *testing.B, a *upstreamtest.Archive) {
	dir := b.TempDir()
	config := filepath.Join(dir, "aptly.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{"rootDir": %q, "gpgDisableSign": true, "gpgDisableVerify": true}`, dir), 0o644); err != nil {
		b.Fatal(err)
	}
	do := func(args ...string) {
		b.Helper()
		cmd := exec.CommandContext(b.Context(), "aptly", append([]string{"-config=" + config}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("aptly %v: %v\n%s", args, err, out)
		}
	}
	do("mirror", "create", "-architectures="+a.Arch, "m", a.URL(), "stable", "main")
	do("mirror", "update", "m")
	do("snapshot", "create", "all", "from", "mirror", "m")
	for b.Loop() {
		do("snapshot", "filter", "all", "some", "!$Section (games)")
		do("publish", "snapshot", "-skip-contents", "-distribution=stable", "some")
		b.StopTimer()
		do("publish", "drop", "stable")
		do("snapshot", "drop", "some")
		b.StartTimer()
	}
}
