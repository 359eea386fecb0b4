package upstream

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

// Every benchmark but BenchmarkSync60000 has the archive's server in the same
// process: what it allocates and computes counts, too.

// bench is an archive of files that are no real packages, and a store.
type bench struct {
	*Upstream
	b       *testing.B
	archive *Archive
	store   *cache.Cache
}

// noises serves files of one size that do not compress, and a signed suite that
// names them.
func noises(b testing.TB, count, size int) *upstreamtest.Archive {
	b.Helper()
	a := upstreamtest.New(b)
	random := rand.NewChaCha8([32]byte{})
	var text bytes.Buffer
	for i := range count {
		data := make([]byte, size)
		random.Read(data) // never fails
		a.Set(noisePath(i), data)
		writeStanza(&text, a.Arch, i, size, sha256.Sum256(data))
	}
	publishIndex(b, a, text.Bytes())
	return a
}

func noisePath(i int) string {
	return fmt.Sprintf("pool/main/n/noise%05d/noise%05d_1.0-1_all.deb", i, i)
}

// writeStanza is as long as the average one of Debian's main.
func writeStanza(w io.Writer, arch string, i, size int, sum [32]byte) {
	fmt.Fprintf(w, `Package: noise%05d
Version: 1.0-1
Installed-Size: 1234
Maintainer: Tester <tester@mirror.example.org>
Architecture: %s
Depends: libc6 (>= 2.34), libgcc-s1 (>= 3.0), libstdc++6 (>= 11), zlib1g (>= 1:1.2.0), noise%05d | noise
Description: random bytes that no program can make anything of, number %d
Homepage: https://mirror.example.org/noise/%05d
Description-md5: %032x
Tag: implemented-in::c++, interface::commandline, role::program, scope::utility, use::checking, works-with::file
Section: misc
Priority: optional
Filename: %s
Size: %d
MD5sum: %032x
SHA256: %x

`, i, arch, i+1, i, i, i, noisePath(i), size, sum[:16], sum)
}

// publishIndex signs a suite that has this index alone.
func publishIndex(b testing.TB, a *upstreamtest.Archive, index []byte) {
	b.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(index) // a bytes.Buffer takes everything
	w.Close()
	name := "main/binary-" + a.Arch + "/Packages"
	a.Suite.Components, a.Suite.ListedComponents = nil, []string{"main"}
	a.Suite.Files = map[string][]byte{name: index, name + ".gz": packed.Bytes()}
	a.Publish()
}

// newBench makes an empty store, to be closed by who asked for it.
func newBench(b *testing.B, a *upstreamtest.Archive) *bench {
	b.Helper()
	return newBenchAt(b, served{a.URL(), a.Arch, a.KeyringFile()})
}

// served is an archive wherever its server is.
type served struct{ url, arch, keyring string }

func newBenchAt(b *testing.B, a served) *bench {
	b.Helper()
	store, err := cache.Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	keys, err := pgp.LoadKeyring(a.keyring)
	if err != nil {
		b.Fatal(err)
	}
	archive := &Archive{
		Name: "test", URIs: []string{a.url + "/"}, Suites: []string{"stable"}, Components: []string{"main"},
		Architectures: []string{a.arch}, Keyring: keys,
	}
	u := New(Config{Archives: []*Archive{archive}, Blobs: store.Blobs, Catalog: store.Catalog, Log: slog.New(slog.DiscardHandler)})
	return &bench{u, b, archive, store}
}

func (x *bench) close() {
	x.Upstream.Close()
	if err := x.store.Close(); err != nil {
		x.b.Fatal(err)
	}
}

func (x *bench) refresh() catalog.Generation {
	r, err := x.Refresh(x.b.Context(), x.archive, "stable")
	if err != nil {
		x.b.Fatal(err)
	}
	return r.Generation
}

// only gives the one file of the archive.
func (x *bench) only() catalog.File {
	x.b.Helper()
	g := x.refresh()
	table, err := x.Catalog.Table(x.b.Context(), g)
	if err != nil {
		x.b.Fatal(err)
	}
	e, ok := table.Find(noisePath(0))
	if !ok {
		x.b.Fatal("the generation lacks the file")
	}
	return catalog.File{Entry: e, Archive: g.Archive, Suite: g.Suite, ByHash: g.ByHash}
}

// forget makes a file cold again.
func (x *bench) forget(f catalog.File) {
	x.b.Helper()
	x.fills.Wait()
	if err := x.Blobs.Delete(x.b.Context(), f.Digest); err != nil {
		x.b.Fatal(err)
	}
}

// stopwatch counts bytes and notes when the first came.
type stopwatch struct {
	start time.Time
	first time.Duration
	bytes int64
	fill  bool // they came out of a fill under way, not out of the store
}

func (w *stopwatch) Write(p []byte) (int, error) {
	if w.bytes == 0 {
		w.first = time.Since(w.start)
	}
	w.bytes += int64(len(p))
	return len(p), nil
}

// read fills a file and reads all of it.
func (x *bench) read(f catalog.File) *stopwatch {
	w := &stopwatch{start: time.Now()}
	stream, err := x.Fill(x.b.Context(), f)
	if err != nil {
		x.b.Error(err)
		return w
	}
	defer stream.Close()
	_, w.fill = stream.(*blob.Follower)
	if _, err := stream.WriteRange(w, 0, f.Size); err != nil || w.bytes != f.Size {
		x.b.Errorf("read %d bytes, %v", w.bytes, err)
	}
	return w
}

// direct reads a file from the archive without the mirror.
func direct(b *testing.B, url string, size int64) *stopwatch {
	w := &stopwatch{start: time.Now()}
	resp, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.CopyBuffer(w, struct{ io.Reader }{resp.Body}, make([]byte, 128<<10)); err != nil || w.bytes != size {
		b.Fatalf("read %d bytes, %v", w.bytes, err)
	}
	return w
}

// kept is direct for somebody who keeps the file: written to disk, hashed, synced.
func kept(b *testing.B, url string, size int64) time.Duration {
	start := time.Now()
	f, err := os.CreateTemp(b.TempDir(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	resp, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.CopyBuffer(io.MultiWriter(f, sha256.New()), struct{ io.Reader }{resp.Body}, make([]byte, 128<<10))
	if err := errors.Join(err, f.Sync()); err != nil || n != size {
		b.Fatalf("kept %d bytes, %v", n, err)
	}
	return time.Since(start)
}

// paced is a line that carries so many bytes a second.
func paced(rate int64) upstreamtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, f upstreamtest.File) {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Data)))
		w.Header().Set("Last-Modified", f.Modified.UTC().Format(http.TimeFormat))
		start := time.Now()
		for sent, piece := 0, 64<<10; sent < len(f.Data); sent += piece {
			if _, err := w.Write(f.Data[sent:min(sent+piece, len(f.Data))]); err != nil {
				return
			}
			time.Sleep(time.Until(start.Add(time.Duration(int64(sent+piece) * int64(time.Second) / rate))))
		}
	}
}

// The time is that of fills alone. x-direct is their throughput in parts of
// that of downloads in between that go to nowhere, x-kept in parts of downloads
// that are hashed and written to a synced file.
func BenchmarkColdFill(b *testing.B) {
	b.Run("loopback", func(b *testing.B) { coldFill(b, nil) })
	b.Run("gigabit", func(b *testing.B) { coldFill(b, paced(1e9/8)) })
}

func coldFill(b *testing.B, line upstreamtest.Fault) {
	const size = 100 << 20
	a := noises(b, 1, size)
	x := newBench(b, a)
	defer x.close()
	f := x.only()
	if line != nil {
		a.Fault(f.Path, line)
	}
	b.SetBytes(size)
	b.ReportAllocs()
	var first, directFirst, took, directTook, keptTook time.Duration
	for b.Loop() {
		b.StopTimer()
		w := direct(b, a.URL()+"/"+f.Path, size)
		directFirst, directTook = directFirst+w.first, directTook+time.Since(w.start)
		keptTook += kept(b, a.URL()+"/"+f.Path, size)
		b.StartTimer()
		w = x.read(f)
		b.StopTimer()
		first, took = first+w.first, took+time.Since(w.start)
		x.forget(f)
		b.StartTimer()
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(b.N) }
	b.ReportMetric(ms(first), "first-byte-ms")
	b.ReportMetric(ms(directFirst), "direct-first-byte-ms")
	b.ReportMetric(directTook.Seconds()/took.Seconds(), "x-direct")
	b.ReportMetric(keptTook.Seconds()/took.Seconds(), "x-kept")
}

// Bytes are those that come from upstream; each client reads as many.
func BenchmarkColdFill200Clients(b *testing.B) {
	const size, clients = 8 << 20, 200
	a := noises(b, 1, size)
	x := newBench(b, a)
	defer x.close()
	f := x.only()
	b.SetBytes(size)
	var followers atomic.Int64
	b.ReportAllocs()
	for b.Loop() {
		var all sync.WaitGroup
		for range clients {
			all.Go(func() {
				if x.read(f).fill {
					followers.Add(1)
				}
			})
		}
		all.Wait()
		b.StopTimer()
		x.forget(f)
		b.StartTimer()
	}
	requests := float64(a.Count(f.Path)) / float64(b.N)
	b.ReportMetric(requests, "requests")
	b.ReportMetric(float64(followers.Load())/float64(b.N), "followers")
	if requests != 1 {
		b.Errorf("%g requests upstream for each file, want 1", requests)
	}
}

// Bytes are those of the uncompressed index.
func BenchmarkRefresh60000(b *testing.B) {
	const packages = 60_000
	a := upstreamtest.New(b)
	var text bytes.Buffer
	for i := range packages {
		writeStanza(&text, a.Arch, i, 1000+i, sha256.Sum256(fmt.Append(nil, i)))
	}
	publishIndex(b, a, text.Bytes())
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		x := newBench(b, a)
		b.StartTimer()
		g := x.refresh()
		b.StopTimer()
		if g.Packages != packages {
			b.Fatalf("%d packages, want %d", g.Packages, packages)
		}
		x.close()
		b.StartTimer()
	}
}

// What BenchmarkSync60000 synchronises: files of so many bytes.
const syncFiles, syncSize = 60_000, 500

// The first synchronisation of a large archive: its index, and all its packages
// ahead of time. anonymous-MB is the memory of the process at its highest; the
// archive's server is in another.
func BenchmarkSync60000(b *testing.B) {
	a := serveApart(b)
	b.SetBytes(syncFiles * syncSize)
	b.ReportAllocs()
	var most int64
	for b.Loop() {
		b.StopTimer()
		x := newBenchAt(b, a)
		b.StartTimer()
		g := x.refresh()
		most = max(most, anonymous(b))
		got, err := x.Download(b.Context(), g, nil, func(Downloaded) { most = max(most, anonymous(b)) })
		b.StopTimer()
		if err != nil || got.Present != syncFiles {
			b.Fatalf("%+v, %v", got, err)
		}
		x.close()
		b.StartTimer()
	}
	b.ReportMetric(syncFiles*float64(b.N)/b.Elapsed().Seconds(), "files/s")
	b.ReportMetric(float64(most)/1e6, "anonymous-MB")
}

// serveVariable makes a process serve what BenchmarkSync60000 wants.
const serveVariable = "AM_SERVE_SYNC"

// serveApart serves an archive from another process until the benchmark ends.
func serveApart(b *testing.B) (a served) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeSync$", "-test.v")
	cmd.Env = append(os.Environ(), serveVariable+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if n, _ := fmt.Sscanf(lines.Text(), "serving %s %s %s", &a.url, &a.arch, &a.keyring); n == 3 {
			return a
		}
	}
	b.Fatal("the server did not start")
	return a
}

// TestServeSync is the server of serveApart; it ends with its standard input.
func TestServeSync(t *testing.T) {
	if os.Getenv(serveVariable) == "" {
		t.Skip("it is part of BenchmarkSync60000")
	}
	a := noises(t, syncFiles, syncSize)
	fmt.Println("\nserving", a.URL(), a.Arch, a.KeyringFile())
	io.Copy(io.Discard, os.Stdin)
}

// anonymous is the process's own memory in bytes, without mapped files.
func anonymous(b *testing.B) int64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		b.Fatal(err)
	}
	return kilobytes << 10
}
