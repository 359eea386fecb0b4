package gate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/upstream/upstreamtest"
)

// newSite has a repository and certificates; nothing listens.
func newSite(t *testing.T) *config.Config {
	t.Helper()
	a := upstreamtest.New(t)
	c, err := site.Create(site.Plan{
		Dir: filepath.Join(t.TempDir(), "site"), Hosts: []string{"localhost"}, Listen: "127.0.0.1:1",
		Archives: []config.Archive{{Name: "debian", URIs: []string{a.URL()}, Suites: []string{"stable"}, Components: []string{"main"}, Architectures: []string{a.Arch}, SignedBy: []string{a.KeyringFile()}}},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadAccess(t *testing.T) {
	c := newSite(t)
	access, err := Load(c)
	if err != nil || access.Strict || access.Certificate == nil {
		t.Fatalf("got %+v, %v", access, err)
	}
	c.Serve.ClientAuth = config.Strict
	if access, err := Load(c); err != nil || !access.Strict {
		t.Errorf("got %+v, %v", access, err)
	}
}

func TestProxyModeKnowsArchivesByTheirAddresses(t *testing.T) {
	c := newSite(t)
	if access, err := Load(c); err != nil || access.Origins != nil {
		t.Errorf("proxy mode is on by itself: %v, %v", access.Origins, err)
	}
	c.Serve.ProxyMode = true
	c.Archives[0].Aliases = []string{"http://alias.example.org/debian"}
	access, err := Load(c)
	if err != nil || access.Origins == nil {
		t.Fatalf("got %+v, %v", access, err)
	}
	for _, uri := range append(c.Archives[0].URIs, c.Archives[0].Aliases...) {
		if !slices.Contains(access.Origins.Names(), uri) {
			t.Errorf("%s is not among %v", uri, access.Origins.Names())
		}
	}
	c.Repositories = nil
	if access, err := Load(c); err != nil || len(access.Origins.Names()) > 0 {
		t.Errorf("an archive that is not served: %v, %v", access.Origins.Names(), err)
	}
}

func TestLoadAccessNamesWhatIsWrong(t *testing.T) {
	tests := []struct {
		name, want string
		spoil      func(*config.Config)
	}{
		{"certificate", "server certificate", func(c *config.Config) { c.Serve.Cert += ".none" }},
		{"key of another", "server certificate", func(c *config.Config) { c.Serve.Key = c.Clients.CAKey }},
		{"key for everybody", "everyone can read or write", func(c *config.Config) { os.Chmod(c.Serve.Key, 0o644) }},
		{"client CA", "client_ca", func(c *config.Config) { c.Serve.ClientCA = []string{c.Serve.Key} }},
		{"revocation list", "crl", func(c *config.Config) { c.Serve.CRL = []string{c.Serve.Cert} }},
		{"grant", "nosuch", func(c *config.Config) { c.Grants[0].Identity = "nosuch:x" }},
	}
	for _, test := range tests {
		c := newSite(t)
		test.spoil(c)
		if _, err := Load(c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
