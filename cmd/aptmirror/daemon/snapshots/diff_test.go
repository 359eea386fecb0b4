package snapshots

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

func TestDiffNamesSuitesThatOnlyOneHas(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddSuite("updates")
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.AddSource("hello", "1.0")
	a.Publish()
	d := newSite(t, a, "stable", "updates")
	d.sync()
	d.create("both")
	p, err := d.Catalog.Snapshot("both")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Catalog.AddSnapshot(t.Context(), catalog.Snapshot{Name: "one", Pins: p.Pins[:1]}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []admin.DiffRequest{{From: "both", To: "one"}, {From: "one", To: "both"}} {
		diff, err := d.Diff(t.Context(), r)
		if err != nil || len(diff.Suites) != 2 || diff.Suites[0].OnlyIn != "" || len(diff.Suites[0].Sources) != 0 || diff.Suites[1].OnlyIn != "both" {
			t.Errorf("%+v: %+v, %v", r, diff, err)
		}
	}
	if diff, err := d.Diff(t.Context(), admin.DiffRequest{From: "one", To: "now"}); err != nil || len(diff.Suites) != 1 {
		t.Errorf("with the present: %+v, %v", diff, err)
	}
}

// packed gives the forms in which an index can be stored.
var packed = map[string]func(b *testing.B, text []byte) []byte{
	".gz": func(b *testing.B, text []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(text); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		return out.Bytes()
	},
	".xz": func(b *testing.B, text []byte) []byte {
		cmd := exec.CommandContext(b.Context(), "xz", "-1", "-c")
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.Output()
		if err != nil {
			b.Skip("xz is not installed, or failed: ", err)
		}
		return out
	},
}

// BenchmarkDiff compares two stored states of 60,000 packages, of which 600
// differ.
func BenchmarkDiff(b *testing.B) {
	for ending, pack := range packed {
		b.Run(ending[1:], func(b *testing.B) {
			d, refs := twoStates(b, ending, pack)
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				s, err := d.diffSuites(b.Context(), refs[0], refs[1])
				if err != nil || s.Total.Upgraded != 600 {
					b.Fatal(s.Total, err)
				}
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
		})
	}
}

// cpuTime is what the process has used, which another one does not change.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func twoStates(b *testing.B, ending string, pack func(*testing.B, []byte) []byte) (k *Keeper, refs [2]catalog.Ref) {
	b.Helper()
	store, err := cache.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	k = New(Config{Catalog: store.Catalog, Blobs: store.Blobs})
	for i := range refs {
		data := pack(b, manyPackages(i))
		digest, err := store.Blobs.Put(context.Background(), data, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		name := "dists/stable/main/binary-amd64/Packages" + ending
		var m catalog.Manifest
		m.Add(catalog.Entry{Path: name, Plain: name, Kind: catalog.KindIndex, Size: int64(len(data)), Digest: digest})
		raw, err := m.Encode()
		if err != nil {
			b.Fatal(err)
		}
		g := catalog.Generation{Archive: "debian", Suite: "stable", Indexes: []string{name}}
		if g.Manifest, err = store.Blobs.Put(context.Background(), raw, time.Now()); err != nil {
			b.Fatal(err)
		}
		if g.Number, err = store.Catalog.AddGeneration(g); err != nil {
			b.Fatal(err)
		}
		refs[i] = g.Ref()
	}
	return k, refs
}

// manyPackages is an index; every hundredth package differs by state.
func manyPackages(state int) []byte {
	var text bytes.Buffer
	for i := range 60_000 {
		version := 0
		if i%100 == 0 {
			version = state
		}
		sum := sha256.Sum256(fmt.Append(nil, i, " ", version))
		fmt.Fprintf(&text, "Package: lib%05d-common-dev\nSource: lib%05d\nVersion: 1.2.3-4+deb12u%d\nInstalled-Size: 1234\n", i, i, version)
		fmt.Fprintf(&text, "Maintainer: The maintainers of the library <maintainers@lists.mirror.example.org>\nArchitecture: amd64\n")
		fmt.Fprintf(&text, "Depends: libc6 (>= 2.36), libgcc-s1 (>= 3.0), libstdc++6 (>= 12), zlib1g (>= 1:1.2.0), lib%05d (= 1.2.3-4+deb12u0)\n", i)
		fmt.Fprintf(&text, "Description: one of the many libraries of this archive\nMulti-Arch: same\nHomepage: https://mirror.example.org/lib%05d\n", i)
		fmt.Fprintf(&text, "Description-md5: %x\nTag: devel::lang:c, devel::library, role::devel-lib, implemented-in::c\n", sum[:16])
		fmt.Fprintf(&text, "Section: libdevel\nPriority: optional\nFilename: pool/main/l/lib%05d/lib%05d_1.2.3-4+deb12u%d_amd64.deb\nSize: %d\nMD5sum: %x\nSHA256: %x\n\n", i, i, version, 1000+i, sum[16:], sum)
	}
	return text.Bytes()
}
