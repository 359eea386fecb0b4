package inforce

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
)

func TestRouteReadsWhatIsConfigured(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	ca, err := pki.NewAuthority("upstream CA", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Save(in("ca.crt"), in("ca.key")); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"auth.conf": 0o600, "open.conf": 0o644} {
		if err := os.WriteFile(in(name), []byte("machine mirror.example.org login us password secret\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	request := &http.Request{URL: &url.URL{Scheme: "https", Host: "mirror.example.org"}}

	r, err := RouteOf(config.Archive{
		Name: "a", Proxy: "http://proxy.example.org:3128", Auth: in("auth.conf"), CA: in("ca.crt"),
		ClientCert: in("ca.crt"), ClientKey: in("ca.key"), AllowPrivate: true, Bandwidth: 5, Connections: 6,
	})
	if err != nil {
		t.Fatal(err)
	}
	if proxy, err := r.Proxy(request); err != nil || proxy.Host != "proxy.example.org:3128" {
		t.Errorf("proxy %v, %v", proxy, err)
	}
	if r.Auth == nil || r.TLS.RootCAs == nil || len(r.TLS.Certificates) != 1 || !r.AllowPrivate || r.Bandwidth != 5 || r.Connections != 6 {
		t.Errorf("route %+v", r)
	}

	none, err := RouteOf(config.Archive{Name: "a"})
	if err != nil || none.Proxy != nil || none.Auth != nil || none.TLS != nil {
		t.Errorf("nothing configured: %+v, %v", none, err)
	}
	direct, err := RouteOf(config.Archive{Name: "a", Proxy: config.DirectProxy})
	if err != nil {
		t.Fatal(err)
	}
	if proxy, err := direct.Proxy(request); proxy != nil || err != nil {
		t.Errorf("direct: %v, %v", proxy, err)
	}

	for name, a := range map[string]config.Archive{
		"open passwords": {Auth: in("open.conf")}, "no passwords": {Auth: in("none")}, "no CA": {CA: in("none")},
		"a key is no CA": {CA: in("ca.key")}, "no key": {ClientCert: in("ca.crt"), ClientKey: in("none")},
	} {
		a.Name = "debian"
		if _, err := RouteOf(a); err == nil || !strings.HasPrefix(err.Error(), "archive debian: ") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.Chmod(in("ca.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := RouteOf(config.Archive{Name: "debian", ClientCert: in("ca.crt"), ClientKey: in("ca.key")}); err == nil || !strings.Contains(err.Error(), "everyone can read") {
		t.Errorf("a key for everybody: %v", err)
	}
}
