package pki

import (
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newClients(t testing.TB) *Clients {
	t.Helper()
	dir := t.TempDir()
	c := &Clients{Dir: filepath.Join(dir, "clients"), CRLFile: filepath.Join(dir, "clients.crl"), Authority: newAuthority(t)}
	if err := c.Init(now); err != nil {
		t.Fatal(err)
	}
	return c
}

func add(t testing.TB, c *Clients, name string) *Issued {
	t.Helper()
	i, err := c.Add(name, Leaf{}, now)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// listing prints the records in one line each.
func listing(t testing.TB, c *Clients) []string {
	t.Helper()
	all, err := c.List()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, client := range all {
		line := client.Name
		if client.Retired {
			line += " retired"
		}
		if !client.RevokedAt.IsZero() {
			line += " revoked"
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAddRecordsTheClient(t *testing.T) {
	c := newClients(t)
	i := add(t, c, "Host.example.org")
	certFile, keyFile, err := c.Files("host.example.org")
	if err != nil {
		t.Fatal(err)
	}
	checkMode(t, certFile, 0o644)
	checkMode(t, keyFile, 0o600)
	checkMode(t, filepath.Dir(keyFile), 0o700)
	key, err := LoadKey(keyFile)
	if err != nil || !samePublicKey(key.Public(), i.Cert.PublicKey) {
		t.Errorf("the key on record is another: %v", err)
	}
	if _, err := c.Add("host.example.org", Leaf{}, now); !errors.Is(err, fs.ErrExist) {
		t.Errorf("added twice: %v", err)
	}
	if _, err := c.Add("other", Leaf{Names: []string{"host.example.org"}}, now); err == nil {
		t.Error("a record was made under another name than the certificate's")
	}
	for _, name := range []string{"", ".retired", "..", "a/b", "*"} {
		if _, err := c.Add(name, Leaf{}, now); err == nil {
			t.Errorf("name %q was accepted", name)
		}
	}
	if diff := cmp.Diff([]string{"host.example.org"}, listing(t, c)); diff != "" {
		t.Error(diff)
	}
}

func TestAddRequestKeepsNoKey(t *testing.T) {
	c := newClients(t)
	key, _ := newKey(P256)
	if _, err := c.AddRequest("host", request(t, key), Leaf{}, now); err != nil {
		t.Fatal(err)
	}
	_, keyFile, err := c.Files("host")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(keyFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a key: %v", err)
	}
	add(t, c, "other")
	if _, err := c.Renew("other", Leaf{}, request(t, key), now); err != nil {
		t.Fatal(err)
	}
	if own, err := c.Of("host"); err != nil || len(own) != 1 || own[0].HasKey || len(own[0].Chain) != 1 {
		t.Errorf("got %+v, %v", own, err)
	}
	if both, err := c.Of("other"); err != nil || len(both) != 2 || both[0].HasKey || both[0].Retired || !both[1].HasKey || !both[1].Retired {
		t.Errorf("got %+v, %v", both, err)
	}
	if _, err := c.AddRequest("none", nil, Leaf{}, now); err == nil {
		t.Error("an empty request made a key")
	}
}

func TestRevokeAndReplace(t *testing.T) {
	c := newClients(t)
	first := add(t, c, "host")
	add(t, c, "other")
	if err := c.Revoke(first.Cert.SerialNumber, now); err != nil {
		t.Fatal(err)
	}
	if err := c.Revoke(first.Cert.SerialNumber, now); err != nil {
		t.Errorf("revoking twice: %v", err)
	}
	if diff := cmp.Diff([]string{"host revoked", "other"}, listing(t, c)); diff != "" {
		t.Error(diff)
	}
	add(t, c, "host")
	if _, err := c.Renew("other", Leaf{}, nil, now); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"host", "host retired revoked", "other", "other retired"}, listing(t, c)); diff != "" {
		t.Error(diff)
	}
	list, err := c.loadCRL()
	if err != nil || list.Number.Int64() != 2 || list.Len() != 1 {
		t.Errorf("CRL number %v with %d entries, %v; want number 2 with 1", list.Number, list.Len(), err)
	}
}

func TestExpiredClientIsAddedAgain(t *testing.T) {
	c := newClients(t)
	add(t, c, "host")
	if _, err := c.Add("host", Leaf{}, now.AddDate(2, 0, 0)); err != nil {
		t.Error(err)
	}
}

func TestLostCRLIsNotReplacedByAnEmptyOne(t *testing.T) {
	c := newClients(t)
	i := add(t, c, "host")
	if err := os.Remove(c.CRLFile); err != nil {
		t.Fatal(err)
	}
	_, listed := c.List()
	for name, err := range map[string]error{
		"init": c.Init(now), "revoke": c.Revoke(i.Cert.SerialNumber, now), "refresh": c.Refresh(now), "list": listed} {
		if err == nil || !strings.Contains(err.Error(), "put it back from a backup") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := os.Stat(c.CRLFile); err == nil {
		t.Error("there is a new CRL")
	}
}

func TestInitLeavesTheCRLAlone(t *testing.T) {
	c := newClients(t)
	if err := c.Revoke(big.NewInt(7), now); err != nil {
		t.Fatal(err)
	}
	before := read(t, c.CRLFile)
	if err := c.Init(now); err != nil || read(t, c.CRLFile) != before {
		t.Errorf("the CRL changed, %v", err)
	}
	if err := c.Revoke(big.NewInt(0), now); err == nil {
		t.Error("serial number 0 was revoked")
	}
}

func TestRefreshAtHalfLife(t *testing.T) {
	c := newClients(t)
	if err := c.Revoke(big.NewInt(7), now); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ days, number int64 }{{14, 2}, {15, 3}, {16, 3}} {
		if err := c.Refresh(now.AddDate(0, 0, int(tt.days))); err != nil {
			t.Fatal(err)
		}
		list, err := c.loadCRL()
		if err != nil || list.Number.Int64() != tt.number || list.Len() != 1 {
			t.Errorf("after %d days: number %v, %d entries, %v; want number %d", tt.days, list.Number, list.Len(), err, tt.number)
		}
	}
}

// Two commands at once must not lose a revocation to each other.
func TestRevocationsAtOnceAllCount(t *testing.T) {
	c := newClients(t)
	const n = 16
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			alone := *c
			errs[i] = alone.Revoke(big.NewInt(int64(i)+1), now)
		})
	}
	wg.Wait()
	list, err := c.loadCRL()
	if err := errors.Join(append(errs, err)...); err != nil {
		t.Fatal(err)
	}
	if list.Len() != n || list.Number.Int64() != n+1 {
		t.Errorf("%d revoked, number %v; want %d, %d", list.Len(), list.Number, n, n+1)
	}
}

func TestCrashLeavesNoHalfRecord(t *testing.T) {
	c := newClients(t)
	left := filepath.Join(c.Dir, ".new-123")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if lines := listing(t, c); len(lines) != 0 {
		t.Errorf("half a record is listed: %v", lines)
	}
	add(t, c, "host")
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a record stayed: %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	c := newClients(b)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, err := c.Add(fmt.Sprintf("host%d", n), Leaf{}, now); err != nil {
			b.Fatal(err)
		}
	}
}
