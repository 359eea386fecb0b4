package daemon

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
)

func TestLoadAccess(t *testing.T) {
	c := newSite(t, published(t), "stable")
	access, err := loadAccess(c)
	if err != nil || access.Strict || access.Certificate == nil {
		t.Fatalf("got %+v, %v", access, err)
	}
	c.Serve.ClientAuth = config.Strict
	if access, err := loadAccess(c); err != nil || !access.Strict {
		t.Errorf("got %+v, %v", access, err)
	}
}

func TestProxyModeKnowsArchivesByTheirAddresses(t *testing.T) {
	c := newSite(t, published(t), "stable")
	if access, err := loadAccess(c); err != nil || access.Origins != nil {
		t.Errorf("proxy mode is on by itself: %v, %v", access.Origins, err)
	}
	c.Serve.ProxyMode = true
	c.Archives[0].Aliases = []string{"http://alias.example.org/debian"}
	access, err := loadAccess(c)
	if err != nil || access.Origins == nil {
		t.Fatalf("got %+v, %v", access, err)
	}
	for _, uri := range append(c.Archives[0].URIs, c.Archives[0].Aliases...) {
		if !slices.Contains(access.Origins.Names(), uri) {
			t.Errorf("%s is not among %v", uri, access.Origins.Names())
		}
	}
	c.Repositories = nil
	if access, err := loadAccess(c); err != nil || len(access.Origins.Names()) > 0 {
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
		c := newSite(t, published(t), "stable")
		test.spoil(c)
		if _, err := loadAccess(c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

func TestStampsChangeWithTheFiles(t *testing.T) {
	c := newSite(t, published(t), "stable")
	files := inforce.WatchedFiles(c)
	before := inforce.Stamps(files)
	if before == "" || inforce.Stamps(files) != before {
		t.Fatal("stamps do not stand still")
	}
	clients, err := site.Clients(c)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := clients.Add("host", pki.Leaf{}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.Revoke(issued.Cert.SerialNumber, time.Now()); err != nil {
		t.Fatal(err)
	}
	revoked := inforce.Stamps(files)
	if revoked == before {
		t.Error("a revocation is not seen")
	}
	if err := os.Remove(c.Serve.CRL[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if inforce.Stamps(files) == revoked {
		t.Error("a list that went away is not seen")
	}
}
