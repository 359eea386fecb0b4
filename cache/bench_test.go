package cache_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// BenchmarkVerify proves a suite of 60,000 packages, none of which is stored.
// The peak is that of objects, dead ones too that are not collected yet.
func BenchmarkVerify(b *testing.B) {
	s, size := bigStore(b, 60_000)
	b.SetBytes(size)
	b.ReportAllocs()
	peak := watchPeak()
	for b.Loop() {
		if r := s.verify(s.keyring); len(r.Problems) > 0 || r.Paths < 60_000 {
			b.Fatal(r.Paths, r.Problems)
		}
	}
	b.ReportMetric(float64(peak())/1e6, "MB-peak")
}

// watchPeak notes the most memory that objects take until the returned function is called.
func watchPeak() (stop func() uint64) {
	runtime.GC() // what the preparation left
	done, result := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		var peak uint64
		for {
			select {
			case <-tick.C:
				metrics.Read(sample)
				peak = max(peak, sample[0].Value.Uint64())
			case <-done:
				result <- peak
				return
			}
		}
	}()
	return func() uint64 {
		close(done)
		return <-result
	}
}

// bigStore has one signed suite with one index, whose size it gives.
func bigStore(b *testing.B, packages int) (s *store, size int64) {
	b.Helper()
	key := upstreamtest.NewKey(b)
	keys, err := pgp.ReadKeyring(bytes.NewReader(key.Public()))
	if err != nil {
		b.Fatal(err)
	}
	s = &store{t: b, dir: b.TempDir(), archive: &upstream.Archive{Keyring: keys}}
	s.open()
	b.Cleanup(s.close)
	m, text := bigIndex(packages)
	packed := pack(text)
	date := time.Now().Add(-time.Hour).Truncate(time.Second).UTC()
	release := fmt.Appendf(nil, "Suite: stable\nDate: %s\nSHA256:\n %x %d main/binary-amd64/Packages\n %x %d main/binary-amd64/Packages.gz\n",
		date.Format("Mon, 02 Jan 2006 15:04:05 UTC"), sha256.Sum256(text), len(text), sha256.Sum256(packed), len(packed))
	inRelease := upstreamtest.Clearsign(b, release, date, key)
	for name, data := range map[string][]byte{"Packages": text, "Packages.gz": packed} {
		e := entryOf(catalog.KindIndex, "dists/stable/main/binary-amd64/"+name, data)
		m.Add(e)
		e.Kind, e.Path = catalog.KindByHash, "dists/stable/main/binary-amd64/by-hash/SHA256/"+e.Digest.String()
		m.Add(e)
	}
	m.Add(entryOf(catalog.KindRelease, "dists/stable/Release", release))
	m.Add(entryOf(catalog.KindRelease, "dists/stable/InRelease", inRelease))
	raw, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	s.put(packed)
	_, err = s.Catalog.AddGeneration(catalog.Generation{
		Archive: "upstream", Suite: "stable", Date: date, Created: time.Now(), Indexes: []string{"dists/stable/main/binary-amd64/Packages.gz"},
		InRelease: s.put(inRelease), Release: s.put(release), Manifest: s.put(raw),
	})
	if err != nil {
		b.Fatal(err)
	}
	return s, int64(len(text))
}

func entryOf(kind catalog.Kind, name string, data []byte) catalog.Entry {
	return catalog.Entry{Path: name, Plain: name, Kind: kind, Size: int64(len(data)), Digest: blob.Sum(data)}
}

// bigIndex is a Packages file with stanzas of the size that Debian's have, and
// the rows of what it names.
func bigIndex(packages int) (m *catalog.Manifest, text []byte) {
	m = new(catalog.Manifest)
	var out bytes.Buffer
	for i := range packages {
		name := fmt.Sprintf("pool/main/libp/lib%05d-common-dev/lib%05d-common-dev_1.2.3-4+deb12u0_amd64.deb", i, i)
		e := entryOf(catalog.KindPackage, name, []byte(name))
		m.Add(e)
		fmt.Fprintf(&out, "Package: lib%05d-common-dev\nVersion: 1.2.3-4+deb12u0\nArchitecture: amd64\n", i)
		fmt.Fprintf(&out, "Maintainer: The maintainers of the library <maintainers@lists.mirror.example.org>\nInstalled-Size: %d\n", i)
		fmt.Fprintf(&out, "Depends: libc6 (>= 2.36), libgcc-s1 (>= 3.0), libstdc++6 (>= 12), zlib1g (>= 1:1.2.0), lib%05d (= 1.2.3-4+deb12u0)\n", i)
		fmt.Fprintf(&out, "Description: one of the many libraries of this archive\nTag: devel::lang:c, devel::library, role::devel-lib\n")
		fmt.Fprintf(&out, "Description-md5: %032x\nHomepage: https://mirror.example.org/lib%05d\n", i, i)
		fmt.Fprintf(&out, "Section: libdevel\nPriority: optional\nFilename: %s\nSize: %d\nMD5sum: %032x\nSHA256: %s\n\n", name, e.Size, i, e.Digest)
	}
	return m, out.Bytes()
}

func pack(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(text) // a bytes.Buffer takes everything
	w.Close()
	return out.Bytes()
}
