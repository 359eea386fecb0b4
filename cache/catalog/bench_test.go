package catalog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// benchPackages is the size of Debian's largest suites.
const benchPackages = 60_000

// benchEntry is a package with a path and a digest of real length; state makes
// every hundredth one another.
func benchEntry(i, state int) Entry {
	version := 0
	if i%100 == 0 {
		version = state
	}
	name := fmt.Sprintf("lib%c%05d-common-dev", 'a'+i%26, i)
	e := Entry{Path: fmt.Sprintf("pool/main/%.4s/%s/%s_1.2.3-4+deb12u%d_amd64.deb", name, name, name, version), Kind: KindPackage, Size: int64(1000 + i)}
	var seed [16]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(i))
	binary.LittleEndian.PutUint64(seed[8:], uint64(version))
	e.Plain, e.Digest = e.Path, blob.Sum(seed[:])
	return e
}

func benchEntries(state int) []Entry {
	all := entries("stable", fmt.Sprint(state), nil)
	for i := range benchPackages {
		all = append(all, benchEntry(i, state))
	}
	return all
}

func BenchmarkEncode(b *testing.B) {
	all := benchEntries(0)
	b.SetBytes(int64(len(encode(b, all))))
	b.ReportAllocs()
	for b.Loop() {
		encode(b, all)
	}
}

func BenchmarkOpenTable(b *testing.B) {
	raw := encode(b, benchEntries(0))
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := OpenTable(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	all := benchEntries(0)
	table := tableOf(b, all)
	b.ReportAllocs()
	for i := 0; b.Loop(); i = (i + 7919) % len(all) {
		if _, ok := table.Find(all[i].Path); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkMinus(b *testing.B) {
	older, newer := tableOf(b, benchEntries(0)), tableOf(b, benchEntries(1))
	b.ReportAllocs()
	for b.Loop() {
		if n := older.minus(newer).Len(); n > benchPackages/50 {
			b.Fatalf("%d paths differ", n)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	f := newFixture(b)
	f.serve("debian", "stable")
	generations := []Generation{f.add("stable", benchEntries(0)), f.add("stable", benchEntries(1))}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.publish("debian", generations[i%2], testTime.Add(time.Duration(i)*time.Hour))
	}
}

func BenchmarkResolve(b *testing.B) {
	f := newFixture(b)
	f.serve("debian", "stable", "testing", "unstable")
	for _, suite := range []string{"stable", "testing", "unstable"} {
		f.publish("debian", f.add(suite, benchEntries(0)), testTime)
	}
	for name, path := range map[string]string{"current": benchEntry(5000, 0).Path, "nowhere": "pool/main/n/nothing.deb"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Resolve("debian", path, anySuite); err != nil && name == "current" {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStart opens the databases and loads three suites with four
// generations each, as a daemon does before its first answer.
func BenchmarkStart(b *testing.B) {
	f := newFixture(b)
	suites := []string{"stable", "testing", "unstable"}
	for _, suite := range suites {
		for state := range 4 {
			f.publish("debian", f.add(suite, benchEntries(state)), testTime.Add(time.Duration(state)*time.Hour))
		}
	}
	f.close()
	b.ReportAllocs()
	for b.Loop() {
		f.open()
		f.serve("debian", suites...)
		b.StopTimer()
		if _, err := f.Resolve("debian", "dists/unstable/InRelease", anySuite); err == nil {
			b.Fatal("the entries of stable are in unstable")
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap-after")
		f.close()
		b.StartTimer()
	}
	f.open() // for the cleanup
}

// benchIndex is a Packages file with stanzas of the size that Debian's have.
func benchIndex(b *testing.B) []byte {
	b.Helper()
	var text bytes.Buffer
	for i := range benchPackages {
		e := benchEntry(i, 0)
		fmt.Fprintf(&text, "Package: lib%05d-common-dev\nSource: lib%05d\nVersion: 1.2.3-4+deb12u0\nInstalled-Size: 1234\n", i, i)
		fmt.Fprintf(&text, "Maintainer: The maintainers of the library <maintainers@lists.mirror.example.org>\nArchitecture: amd64\n")
		fmt.Fprintf(&text, "Depends: libc6 (>= 2.36), libgcc-s1 (>= 3.0), libstdc++6 (>= 12), zlib1g (>= 1:1.2.0), lib%05d (= 1.2.3-4+deb12u0)\n", i)
		fmt.Fprintf(&text, "Description: one of the many libraries of this archive\nMulti-Arch: same\nHomepage: https://mirror.example.org/lib%05d\n", i)
		fmt.Fprintf(&text, "Description-md5: %032x\nTag: devel::lang:c, devel::library, role::devel-lib, implemented-in::c\n", i)
		fmt.Fprintf(&text, "Section: libdevel\nPriority: optional\nFilename: %s\nSize: %d\nMD5sum: %032x\nSHA256: %s\n\n", e.Path, e.Size, i, e.Digest)
	}
	return text.Bytes()
}

// BenchmarkIndexToManifest goes from the text of Packages to the manifest.
func BenchmarkIndexToManifest(b *testing.B) {
	text := benchIndex(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var m Manifest
		if err := readIndex(&m, bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
		if _, err := m.Encode(); err != nil || len(m.entries) != benchPackages {
			b.Fatal(err, len(m.entries))
		}
	}
}

func readIndex(m *Manifest, r io.Reader) error {
	sc := deb822.NewScanner(r, deb822.Limits{})
	var p debian.Package
	for sc.Scan() {
		if err := debian.ParsePackage(sc.Stanza(), &p); err != nil {
			return err
		}
		m.Add(Entry{Path: p.Filename, Plain: p.Filename, Kind: KindPackage, Size: p.Size, Digest: p.SHA256})
	}
	return sc.Err()
}

// BenchmarkAddSnapshot pins a suite of 60,000 packages.
func BenchmarkAddSnapshot(b *testing.B) {
	f := newFixture(b)
	f.serve("debian", "stable")
	p := f.publish("debian", f.add("stable", benchEntries(0)), testTime)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f.snapshot(fmt.Sprint("s", i), p)
	}
}

// BenchmarkResolveInSnapshots asks for a package of one of 1,000 snapshots that
// is loaded.
func BenchmarkResolveInSnapshots(b *testing.B) {
	f := newFixture(b)
	p := f.publish("debian", f.add("stable", benchEntries(0)), testTime)
	for i := range 1000 {
		f.ServeRepository(SnapshotRepository("debian", fmt.Sprint(i)), []string{"stable"})
	}
	name := SnapshotRepository("debian", "500")
	if _, err := f.Publish(b.Context(), Move{Repository: name, Suite: "stable", Next: p.Current}, testTime); err != nil {
		b.Fatal(err)
	}
	path := benchEntry(5000, 0).Path
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Resolve(name, path, anySuite); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoadSnapshot answers the first request for a snapshot, of a suite of
// 60,000 packages that nothing else has loaded, and tells what is in memory once
// as many are loaded as stay so.
func BenchmarkLoadSnapshot(b *testing.B) {
	f := newFixture(b)
	const snapshots = 2 * keptSuites
	for i := range snapshots {
		name := SnapshotRepository("debian", fmt.Sprint(i))
		f.publish(name, f.add("stable", benchEntries(i)), testTime)
		f.ServeRepository(name, []string{"stable"})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := f.Resolve(SnapshotRepository("debian", fmt.Sprint(i%snapshots)), "pool/nothing", anySuite); err == nil {
			b.Fatal("there is nothing")
		}
		b.StopTimer()
		runtime.GC() // or a table that nothing uses any more is used again
		b.StartTimer()
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapAlloc)/1e6, "MB-heap-after")
}
