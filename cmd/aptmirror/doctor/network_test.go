package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
	"aptmirror/upstream/upstreamtest"
)

func TestArchives(t *testing.T) {
	up := upstreamtest.New(t)
	up.Publish()
	d := newDoctor(t, archiveOf(up))
	expect(t, "good", d.archives(t.Context()), OK, "debian/stable: answers and is signed, dated ", "")
	up.Publish(upstreamtest.Tampered())
	expect(t, "tampered", d.archives(t.Context()), Fault, "bad-signature", "put another mirror into uris")
	up.Fault("InRelease", upstreamtest.NotFound)
	up.Fault("Release", upstreamtest.NotFound)
	expect(t, "gone", d.archives(t.Context()), Fault, "debian/stable", "curl -v "+up.URL()+"/dists/stable/Release")
	d.Config.Archives[0].URIs = nil
	expect(t, "imports", d.archives(t.Context()), Note, "imports alone feed it", "")
	d.Config.Archives[0].URIs = []string{up.URL()}
	d.Config.Archives[0].Auth = "/nowhere"
	expect(t, "auth", d.archives(t.Context()), Fault, "/nowhere", "")
}

func TestClock(t *testing.T) {
	for _, tt := range []struct {
		name        string
		off, age    time.Duration
		level, text string
	}{
		{"right", 0, 0, OK, "upstream's is 0s away"},
		{"behind", time.Hour, 0, Fault, "this machine is 1h0m0s behind"},
		{"ahead", -time.Hour, 0, Fault, "this machine is 1h0m0s ahead"},
		{"a cache's answer", -time.Hour, time.Hour, OK, "0s away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoctor(t)
			now := time.Now().Truncate(time.Second)
			d.Now = func() time.Time { return now }
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", now.Add(tt.off).UTC().Format(http.TimeFormat))
				w.Header().Set("Age", fmt.Sprint(int(tt.age.Seconds())))
				w.WriteHeader(http.StatusNotFound)
			}))
			defer server.Close()
			d.Config.Archives = []config.Archive{{Name: "fed by imports"}, {Name: "debian", URIs: []string{server.URL}}}
			expect(t, tt.name, d.clock(t.Context()), tt.level, tt.text, "")
		})
	}
	d := newDoctor(t)
	d.Config.Archives = []config.Archive{{Name: "debian", URIs: []string{"http://127.0.0.1:1"}}}
	expect(t, "nobody", d.clock(t.Context()), Note, "no upstream says what time it is", "")
}

func TestNamesAndPorts(t *testing.T) {
	d := newDoctor(t)
	d.Config.Serve.PublicURL = "https://a..b"
	expect(t, "no name", d.names(t.Context()), Fault, "a..b", "add the name to DNS")
	d.Config.Serve.PublicURL = "https://127.0.0.1"
	d.Config.Archives = []config.Archive{{Name: "debian", URIs: []string{"http://c..d"}, Proxy: "direct"}, {Name: "x", URIs: []string{"http://e..f"}, Proxy: "http://127.0.0.1:1"}}
	expect(t, "archive", d.names(t.Context()), Fault, "c..d", "archive debian has the right uris")
	expect(t, "behind a proxy", d.names(t.Context()), Note, "x: a proxy looks its names up", "")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	d.Config.Serve.Listen = []string{l.Addr().String()}
	expect(t, "taken", d.ports(t.Context(), nil), Fault, "another program has it", "ss -ltnp 'sport = :"+port+"'")
	expect(t, "ours", d.ports(t.Context(), &admin.Status{Listen: []string{"[::]:" + port}}), OK, "the daemon listens", "")
	expect(t, "moved", d.ports(t.Context(), &admin.Status{Listen: []string{"[::]:1"}}), Warning, "the daemon listens on [::]:1 instead", "systemctl restart aptmirror")
	d.Systemctl = func(_ context.Context, arguments ...string) (string, error) {
		if arguments[1] != "aptmirror.socket" {
			t.Errorf("systemd is asked about %q", arguments)
		}
		return "ActiveState=active\n", nil
	}
	got := d.ports(t.Context(), &admin.Status{Listen: []string{"[::]:443"}})
	expect(t, "of systemd", got, OK, "serve.listen does not count", "")
	if len(got) != 1 || got[0].Subject != "[::]:443" {
		t.Errorf("of systemd: %+v", got)
	}
	expect(t, "of systemd, at rest", d.ports(t.Context(), nil), OK, "listens for the service", "")
	d.Systemctl = nil
	d.Config.Serve.Listen = []string{"127.0.0.1:0"}
	expect(t, "free", d.ports(t.Context(), nil), OK, "is free", "")
	d.Config.Serve.Listen = []string{"192.0.2.1:8443"}
	expect(t, "not here", d.ports(t.Context(), nil), Fault, "this machine does not have the address", "ip address")
}

func TestRehearsal(t *testing.T) {
	d := newDoctor(t)
	got := d.handshakes(t.Context(), nil)
	expect(t, "good", got, OK, "with a certificate: recognised in a rehearsal", "")
	expect(t, "good", got, OK, "without a certificate: refused in a rehearsal", "")

	other, err := pki.NewAuthority("other", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	d.Config.Serve.CRL = nil
	ca := d.Config.Serve.ClientCA[0]
	d.Config.Serve.ClientCA = []string{filepath.Join(t.TempDir(), "other.crt")}
	replace(t, d.Config.Serve.ClientCA[0], other.CertPEM(), 0o644)
	expect(t, "other CA", d.handshakes(t.Context(), nil), Fault, "with a certificate: refused in a rehearsal", "aptmirror reload")
	d.Config.Serve.ClientCA = []string{ca}

	d.Config.Clients = config.Clients{}
	expect(t, "no CA", d.handshakes(t.Context(), nil), Note, "the site has no CA of its own", "")
	d.Config.Serve.ServerCA = d.Config.Serve.ClientCA[0]
	expect(t, "not trusted", d.handshakes(t.Context(), nil), Fault, "without a certificate: no answer", "server certificate")
}

func TestHandshakesWithAServer(t *testing.T) {
	d := newDoctor(t)
	pair, err := tls.LoadX509KeyPair(d.Config.Serve.Cert, d.Config.Serve.Key)
	if err != nil {
		t.Fatal(err)
	}
	status := http.StatusOK
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	listen := &admin.Status{Listen: []string{server.Listener.Addr().String()}}
	got := d.handshakes(t.Context(), listen)
	expect(t, "open", got, Fault, "without a certificate: let in on 127.0.0.1", "it is not this aptmirror")
	expect(t, "open", got, OK, "with a certificate: recognised on 127.0.0.1", "")
	status = http.StatusForbidden
	expect(t, "shut", d.handshakes(t.Context(), listen), Fault, "with a certificate: refused on", "aptmirror reload")
	d.Config.Grants = nil
	expect(t, "no grant", d.handshakes(t.Context(), listen), OK, "with a certificate: recognised on", "")
	server.Close()
	expect(t, "nobody", d.handshakes(t.Context(), listen), Fault, "connection refused", "")
}
