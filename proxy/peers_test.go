package proxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"aptmirror/proxy/pki"
)

// These benchmarks run servers in processes of their own and report the CPU
// time that the operating system counts for each, as baselines of other
// servers are given. Compare figures of one run alone.

// serveVariable names what the test binary serves as a process of its own,
// and serveDir the directory where it leaves what clients need.
const (
	serveVariable = "APTMIRROR_BENCH_SERVE"
	serveDir      = "APTMIRROR_BENCH_DIR"
)

// TestServeForBenchmarks is the other process.
func TestServeForBenchmarks(t *testing.T) {
	what, dir := os.Getenv(serveVariable), os.Getenv(serveDir)
	if what == "" {
		t.Skip("serves only when a benchmark runs it")
	}
	makeSite := benchSite
	if what == "crowd" {
		makeSite = crowdSite
	}
	s := makeSite(t)
	s.writeCredentials(dir)
	address := s.address
	if what == "files" {
		address = s.listenPlain(dir)
	}
	fmt.Println("serving on", address)
	os.Stdin.Read(make([]byte, 1)) // until the benchmark ends
}

// writeCredentials leaves the authority and the keys of a server and a client.
func (s *site) writeCredentials(dir string) {
	s.t.Helper()
	writePEM(s.t, dir, "ca", "CERTIFICATE", s.ca.Certificate().Raw)
	long := certificate(must(s.ca.IssueClient(pki.Leaf{Names: []string{"a.example.org"}, Days: 3650}, now))(s.t)) // nginx looks at the clock
	for name, cert := range map[string]*tls.Certificate{"client": long, "server": s.server.Access.Certificate} {
		writePEM(s.t, dir, name+".crt", "CERTIFICATE", cert.Certificate[0])
		writePEM(s.t, dir, name+".key", "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey))(s.t))
	}
}

func writePEM(tb testing.TB, dir, name, kind string, der []byte) {
	tb.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// peer is a server in a process of its own.
type peer struct {
	address string
	config  *tls.Config
	group   int // process group
}

// cpu is the user and system time of the peer's processes, of which the
// kernel tells hundredths of a second.
func (p *peer) cpu(b *testing.B) time.Duration {
	b.Helper()
	var ticks int64
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// proc_pid_stat(5), after the name in parentheses: state ppid pgrp ... utime is field 14
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if fields[2] == strconv.Itoa(p.group) {
			user, _ := strconv.ParseInt(fields[11], 10, 64)
			system, _ := strconv.ParseInt(fields[12], 10, 64)
			ticks += user + system
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func startPeer(b *testing.B, what, dir string) *peer {
	b.Helper()
	if what == "nginx" {
		return startNginx(b, dir)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeForBenchmarks$", "-test.v")
	cmd.Env = append(os.Environ(), serveVariable+"="+what, serveDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, stdout := must(cmd.StdinPipe())(b), must(cmd.StdoutPipe())(b)
	start(b, cmd)
	b.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if address, ok := strings.CutPrefix(lines.Text(), "serving on "); ok {
			return &peer{address, clientConfig(b, dir), cmd.Process.Pid}
		}
	}
	b.Fatal("the server did not start")
	return nil
}

func start(b *testing.B, cmd *exec.Cmd) {
	b.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
}

func startNginx(b *testing.B, dir string) *peer {
	b.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		b.Skip("nginx is not installed")
	}
	newSite(b).writeCredentials(dir)
	writeFiles(b, dir)
	address := freeAddress(b)
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, dir, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, "-c", config, "-p", dir)
	cmd.Stderr = os.Stderr
	start(b, cmd)
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	eventually(b, "nginx answers", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return &peer{address, clientConfig(b, dir), cmd.Process.Pid}
}

const nginxConfig = `
daemon off;
user root;
worker_processes 2;
pid %[1]s/nginx.pid;
error_log /dev/null;
events { worker_connections 512; }
http {
  access_log /dev/null;
  sendfile on; tcp_nopush on; keepalive_requests 100000000;
  client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp; uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
  server {
    listen %[2]s ssl;
    ssl_certificate %[1]s/server.crt; ssl_certificate_key %[1]s/server.key;
    ssl_client_certificate %[1]s/ca; ssl_verify_client on;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off;
    root %[1]s;
  }
}
`

func freeAddress(b *testing.B) string {
	b.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(b)
	defer l.Close()
	return l.Addr().String()
}

func clientConfig(b *testing.B, dir string) *tls.Config {
	b.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(filepath.Join(dir, "ca")))(b))
	own := must(tls.LoadX509KeyPair(filepath.Join(dir, "client.crt"), filepath.Join(dir, "client.key")))(b)
	return &tls.Config{
		RootCAs: roots, ServerName: "127.0.0.1", Time: func() time.Time { return now }, Certificates: []tls.Certificate{own},
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
	}
}

// BenchmarkServerCPU compares with net/http serving files, and with nginx.
func BenchmarkServerCPU(b *testing.B) {
	for _, what := range []string{"aptmirror", "files", "nginx"} {
		b.Run(what, func(b *testing.B) {
			p := startPeer(b, what, b.TempDir())
			for _, size := range sizes {
				b.Run(size.name, func(b *testing.B) {
					before := p.cpu(b)
					pullAll(b, p.address, p.config, "/debian/pool/"+size.name+".deb", size.bytes)
					p.report(b, before, size.bytes)
				})
			}
			b.Run("handshake", func(b *testing.B) {
				before := p.cpu(b)
				shake(b, p.address, p.config, "/debian/pool/4KiB.deb", 4<<10)
				p.report(b, before, 0)
			})
		})
	}
}

func (p *peer) report(b *testing.B, before time.Duration, size int) {
	used := p.cpu(b) - before
	b.ReportMetric(used.Seconds()*1e6/float64(b.N), "cpu-µs/op")
	if size >= 1<<20 {
		b.ReportMetric(used.Seconds()*1e9/float64(b.N)/float64(size), "cpu-s/GB")
	}
}
