package inforce

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
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

func TestStampsChangeWithTheFiles(t *testing.T) {
	c := newSite(t)
	files := WatchedFiles(c)
	before := Stamps(files)
	if before == "" || Stamps(files) != before {
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
	revoked := Stamps(files)
	if revoked == before {
		t.Error("a revocation is not seen")
	}
	if err := os.Remove(c.Serve.CRL[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if Stamps(files) == revoked {
		t.Error("a list that went away is not seen")
	}
}
