package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// The benchmarks move the bytes of real archives and of made-up ones. BenchmarkImport copies and hashes the same
// bundle beside each import, so that both meet the same machine.

// debianSizes are the sizes in bytes of one of each 1,039 packages of Debian 12, amd64, in order.
var debianSizes = []int{
	1120, 3292, 4568, 5472, 6316, 7192, 8100, 8956, 9864, 10776, 11740, 12784, 13932, 15120, 16388, 17804,
	19132, 20616, 22216, 23972, 25784, 27728, 29936, 32260, 34696, 37576, 40504, 43748, 47080, 50924, 54900, 59712,
	64840, 70516, 76920, 84304, 92480, 101560, 111696, 123188, 135608, 150844, 167832, 187584, 211256, 239396, 267124, 299096,
	339192, 387944, 443472, 506016, 594268, 703100, 837064, 1008404, 1241988, 1532696, 1941376, 2640568, 3695036, 6678916, 10892904, 36332512,
}

var benchSizes = []struct {
	name  string
	sizes []int // bytes of the files
}{
	{"debian", slices.Repeat(debianSizes, 4)},
	{"64KiB", slices.Repeat([]int{64 << 10}, 4096)},
	{"4MiB", slices.Repeat([]int{4 << 20}, 64)},
	{"60000x2KiB", slices.Repeat([]int{2 << 10}, 60000)},
}

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

// processorTime is what this process has had so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// busy reports the processor time that passed since it was called.
func busy(b *testing.B, bytes int64) func() {
	before := processorTime(b)
	return func() {
		b.ReportMetric((processorTime(b)-before).Seconds()/(float64(bytes)*float64(b.N)/1e9), "cpu-s/GB")
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

func newBenchSite(b *testing.B, sizes []int) (*benchSite, *pgp.Keyring) {
	b.Helper()
	if testing.Short() {
		sizes = sizes[:min(len(sizes), len(debianSizes))]
	}
	s := &benchSite{Cache: benchStore(b)}
	random := rand.NewChaCha8([32]byte{})
	buffer := make([]byte, slices.Max(sizes))
	var m catalog.Manifest
	put := func(data []byte) blob.Digest {
		d, err := s.Blobs.Put(b.Context(), data, day)
		if err != nil {
			b.Fatal(err)
		}
		return d
	}
	for i, size := range sizes {
		data := buffer[:size]
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
			s, _ := newBenchSite(b, c.sizes)
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

// BenchmarkImport imports and copies in turns. It reports the rate of the fastest import as a share of that of the fastest copying
// and hashing (of-copy), and the least processor time of both per GB.
func BenchmarkImport(b *testing.B) {
	for _, c := range benchSizes {
		b.Run(c.name, func(b *testing.B) {
			s, keyring := newBenchSite(b, c.sizes)
			from := filepath.Join(b.TempDir(), "bench.tar")
			if _, err := s.export(b, from); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(s.bytes)
			b.ReportAllocs()
			imported, copied := longest, longest
			for b.Loop() {
				b.StopTimer()
				copied.least(timed(b, func() error { return copyAndHash(from, from+".copy") }))
				if err := os.Remove(from + ".copy"); err != nil {
					b.Fatal(err)
				}
				imported.least(timedImport(b, from, keyring))
				b.StartTimer()
			}
			b.ReportMetric(copied.passed.Seconds()/imported.passed.Seconds(), "of-copy")
			gb := float64(s.bytes) / 1e9
			b.ReportMetric(imported.busy.Seconds()/gb, "cpu-s/GB")
			b.ReportMetric(copied.busy.Seconds()/gb, "copy-cpu-s/GB")
		})
	}
}

// timedImport imports into a new store, until all is on disk.
func timedImport(b *testing.B, from string, keyring *pgp.Keyring) spent {
	b.Helper()
	dir := b.TempDir()
	to, err := cache.Open(dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	took := timed(b, func() error {
		p, err := partOf(from)
		if err != nil {
			return err
		}
		b.StartTimer()
		defer b.StopTimer()
		im := &Importer{Blobs: to.Blobs, Room: to, Keyring: keyring, Now: now}
		in, err := im.Receive(b.Context(), p)
		if err != nil {
			return err
		}
		in.Release()
		return to.Blobs.Sync()
	})
	if err := errors.Join(to.Close(), os.RemoveAll(dir)); err != nil {
		b.Fatal(err)
	}
	return took
}

// spent is time that passed, and time that processors were busy.
type spent struct{ passed, busy time.Duration }

var longest = spent{math.MaxInt64, math.MaxInt64}

func (s *spent) least(other spent) {
	s.passed, s.busy = min(s.passed, other.passed), min(s.busy, other.busy)
}

// timed warms memory before: where the machine is a virtual one, the first use of a page that its host took back costs more than
// to copy and hash what it takes, and would hit whoever comes first.
func timed(b *testing.B, do func() error) spent {
	b.Helper()
	warm, err := syscall.Mmap(-1, 0, 1<<30, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_POPULATE)
	if err == nil {
		err = syscall.Munmap(warm)
	}
	if err != nil {
		b.Fatal(err)
	}
	start, before := time.Now(), processorTime(b)
	if err := do(); err != nil {
		b.Fatal(err)
	}
	return spent{time.Since(start), processorTime(b) - before}
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
			s, _ := newBenchSite(b, c.sizes)
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
