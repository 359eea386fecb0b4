package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"aptmirror/cache/catalog"
)

// sizes are the files that the benchmarks ask for.
var sizes = []struct {
	name  string
	bytes int
}{{"4KiB", 4 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}, {"100MiB", 100 << 20}}

// quietSite logs every request to nowhere.
func quietSite(tb testing.TB) *site {
	tb.Helper()
	s := newSite(tb)
	null := must(os.OpenFile(os.DevNull, os.O_WRONLY, 0))(tb)
	tb.Cleanup(func() { null.Close() })
	s.server.Log = slog.New(slog.NewTextHandler(null, nil))
	return s
}

// benchSite serves one package of every size, and logs every request.
func benchSite(tb testing.TB) *site {
	tb.Helper()
	s := quietSite(tb)
	files := map[string]file{}
	for _, size := range sizes {
		files["pool/"+size.name+".deb"] = file{kind: catalog.KindPackage, body: pattern(size.bytes, 1)}
	}
	s.publish("debian", "bookworm", files)
	return s
}

// puller asks for one file again and again, and does as little else as it can.
type puller struct {
	conn    net.Conn
	request []byte
	size    int
	buffer  []byte
}

func newPuller(tb testing.TB, address string, config *tls.Config, path string, size int) *puller {
	tb.Helper()
	conn := must(tls.Dial("tcp", address, config))(tb)
	return &puller{conn, []byte("GET " + path + " HTTP/1.1\r\nHost: mirror.example.org\r\n\r\n"), size, make([]byte, 64<<10)}
}

func (p *puller) pull() error {
	if _, err := p.conn.Write(p.request); err != nil {
		return err
	}
	n, header := 0, -1
	for header < 0 {
		m, err := p.conn.Read(p.buffer[n:])
		if err != nil {
			return err
		}
		n += m
		header = bytes.Index(p.buffer[:n], []byte("\r\n\r\n"))
	}
	if !bytes.HasPrefix(p.buffer, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answer %q", p.buffer[:header])
	}
	for rest := p.size - (n - header - 4); rest > 0; rest -= n {
		var err error
		if n, err = p.conn.Read(p.buffer[:min(rest, len(p.buffer))]); err != nil {
			return err
		}
	}
	return nil
}

// pullAll runs a benchmark of 8 connections.
func pullAll(b *testing.B, address string, config *tls.Config, path string, size int) {
	b.Helper()
	const connections = 8
	pullers := make(chan *puller, connections)
	for range connections {
		p := newPuller(b, address, config, path, size)
		defer p.conn.Close()
		if err := p.pull(); err != nil {
			b.Fatal(err)
		}
		pullers <- p
	}
	b.SetBytes(int64(size))
	b.ResetTimer()
	var group sync.WaitGroup
	turns := make(chan struct{}, b.N)
	for range b.N {
		turns <- struct{}{}
	}
	close(turns)
	for range connections {
		group.Go(func() {
			p := <-pullers
			for range turns {
				if err := p.pull(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.StopTimer()
}

// shake makes b.N connections, one after the other, each with one small request.
func shake(b *testing.B, address string, config *tls.Config, path string, size int) {
	b.Helper()
	b.ResetTimer()
	for range b.N {
		p := newPuller(b, address, config, path, size)
		if err := p.pull(); err != nil {
			b.Fatal(err)
		}
		p.conn.Close()
	}
	b.StopTimer()
}

// benchConfig is that of apt in Debian 12: no post-quantum key exchange.
func (s *site) benchConfig() *tls.Config {
	config := s.config(s.client("a.example.org"))
	config.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	return config
}

// BenchmarkHit measures server and client in one process. Allocations are the
// server's: the client makes none.
func BenchmarkHit(b *testing.B) {
	s := benchSite(b)
	config := s.benchConfig()
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			pullAll(b, s.address, config, "/debian/pool/"+size.name+".deb", size.bytes)
		})
	}
}

func BenchmarkHandshake(b *testing.B) {
	s := benchSite(b)
	b.ReportAllocs()
	shake(b, s.address, s.benchConfig(), "/debian/pool/4KiB.deb", 4<<10)
}

// writeFiles lays out what benchSite serves as files.
func writeFiles(tb testing.TB, dir string) {
	tb.Helper()
	pool := filepath.Join(dir, "debian", "pool")
	if err := os.MkdirAll(pool, 0o755); err != nil {
		tb.Fatal(err)
	}
	for _, size := range sizes {
		if err := os.WriteFile(filepath.Join(pool, size.name+".deb"), pattern(size.bytes, 1), 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// listenPlain serves the same files with net/http alone, over the same TLS.
func (s *site) listenPlain(dir string) string {
	s.t.Helper()
	writeFiles(s.t, dir)
	l := must(net.Listen("tcp", "127.0.0.1:0"))(s.t)
	server := &http.Server{Handler: http.FileServer(http.Dir(dir)), ReadHeaderTimeout: headerTimeout}
	s.t.Cleanup(func() { server.Close() })
	go server.Serve(tls.NewListener(l, s.server.access.Load().tls))
	return l.Addr().String()
}
