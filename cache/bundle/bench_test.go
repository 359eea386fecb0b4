package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// The benchmarks move the same bytes, so that they compare with CopyAndHash,
// which copies a bundle from file to file and hashes it on the way. On a machine
// that does something else as well, the time that processors were busy compares
// better than the time that passed.

var benchSizes = []struct {
	name  string
	size  int // bytes of a file
	files int
}{{"64KiB", 64 << 10, 4096}, {"4MiB", 4 << 20, 64}, {"60000x2KiB", 2 << 10, 60000}}

// oneTable has the table of a snapshot that no archive signed.
type oneTable struct{ table *catalog.Table }

func (o oneTable) Table(context.Context, catalog.Generation) (*catalog.Table, error) {
	return o.table, nil
}

type benchSite struct {
	*cache.Cache
	snapshot Snapshot
	exporter *Exporter
	bytes    int64
}

// busy reports the processor time that passed since it was called.
func busy(b *testing.B, bytes int64) func() {
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := spent()
	return func() {
		b.ReportMetric((spent()-before).Seconds()/(float64(bytes)*float64(b.N)/1e9), "cpu-s/GB")
	}
}

func benchStore(b *testing.B) *cache.Cache {
	b.Helper()
	store, err := cache.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	return store
}

func newBenchSite(b *testing.B, size, files int) (*benchSite, *pgp.Keyring) {
	b.Helper()
	s := &benchSite{Cache: benchStore(b)}
	random := rand.NewChaCha8([32]byte{})
	data := make([]byte, size)
	var m catalog.Manifest
	put := func(data []byte) blob.Digest {
		d, err := s.Blobs.Put(b.Context(), data, day)
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	for i := range files {
		random.Read(data)
		p := fmt.Sprintf("pool/main/p/p%d.deb", i)
		m.Add(catalog.Entry{Path: p, Plain: p, Kind: catalog.KindPackage, Size: int64(size), Digest: put(data)})
		s.bytes += int64(size)
	}
	raw, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	table, err := catalog.OpenTable(raw)
	if err != nil {
		b.Fatal(err)
	}
	release := put([]byte("Release"))
	s.snapshot = Snapshot{Name: "bench", Created: day, Suites: []Suite{{Source: "test", Suite: "stable", InRelease: release, Release: release}}}
	key := upstreamtest.NewKey(b)
	s.exporter = &Exporter{Blobs: s.Blobs, Tables: oneTable{table}, Sign: func(_ context.Context, text []byte) ([]byte, error) {
		return upstreamtest.DetachSign(b, text, time.Now().Add(-time.Minute), key), nil
	}}
	keyring, err := pgp.ReadKeyring(bytes.NewReader(key.Public()))
	if err != nil {
		b.Fatal(err)
	}
	return s, keyring
}

func (s *benchSite) export(b *testing.B, dest string) (Written, error) {
	p, err := s.exporter.Prepare(b.Context(), s.snapshot)
	if err != nil {
		return Written{}, err
	}
	w, err := NewWriter(p, Stored{s.Blobs})
	if err != nil {
		return Written{}, err
	}
	return w.Write(b.Context(), dest)
}

func BenchmarkExport(b *testing.B) {
	for _, c := range benchSizes {
		b.Run(c.name, func(b *testing.B) {
			s, _ := newBenchSite(b, c.size, c.files)
			dest := filepath.Join(b.TempDir(), "bench.tar")
			b.SetBytes(s.bytes)
			defer busy(b, s.bytes)()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.export(b, dest); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkImport(b *testing.B) {
	for _, c := range benchSizes {
		b.Run(c.name, func(b *testing.B) {
			s, keyring := newBenchSite(b, c.size, c.files)
			dest := filepath.Join(b.TempDir(), "bench.tar")
			if _, err := s.export(b, dest); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(s.bytes)
			defer busy(b, s.bytes)()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				to := benchStore(b)
				b.StartTimer()
				im := &Importer{Blobs: to.Blobs, Room: to, Keyring: keyring, Now: now}
				p, err := partOf(dest)
				if err != nil {
					b.Fatal(err)
				}
				in, err := im.Receive(b.Context(), p)
				if err != nil {
					b.Fatal(err)
				}
				in.Release()
				if err := to.Blobs.Sync(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCopyAndHash(b *testing.B) {
	for _, c := range benchSizes {
		b.Run(c.name, func(b *testing.B) {
			s, _ := newBenchSite(b, c.size, c.files)
			from := filepath.Join(b.TempDir(), "bench.tar")
			if _, err := s.export(b, from); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(s.bytes)
			defer busy(b, s.bytes)()
			for b.Loop() {
				if err := copyAndHash(from, from+".copy"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func copyAndHash(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	buffer := make([]byte, 1<<20)
	if _, err := io.CopyBuffer(io.MultiWriter(struct{ io.Writer }{out}, sha256.New()), struct{ io.Reader }{in}, buffer); err != nil {
		return err
	}
	return out.Sync()
}

func BenchmarkTree(b *testing.B) {
	for _, c := range benchSizes {
		b.Run(c.name, func(b *testing.B) {
			s, _ := newBenchSite(b, c.size, c.files)
			x := &TreePlanner{Blobs: s.Blobs, Tables: s.exporter.Tables}
			b.SetBytes(s.bytes)
			defer busy(b, s.bytes)()
			for b.Loop() {
				t, err := x.PlanTree(b.Context(), s.snapshot)
				if err == nil {
					_, err = t.Write(b.Context(), b.TempDir(), Stored{s.Blobs}, nil)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
