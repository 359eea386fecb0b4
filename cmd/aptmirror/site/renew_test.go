package site

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
)

const day = 24 * time.Hour

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// trusted fails the test where a client that knows these CAs would not recognise the server.
func trusted(t *testing.T, c *config.Config, authorities []byte, name string, at time.Time) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.Serve.Cert, c.Serve.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, DNSName: name}); err != nil {
		t.Errorf("at %s: %v", at, err)
	}
}

func TestRenewServer(t *testing.T) {
	c := create(t, plan(t))
	kits := mustRead(t, c.Serve.ServerCA)
	now := time.Now().Add(100 * day)
	cert, err := RenewServer(c, nil, 0, now)
	if err != nil || !cert.NotAfter.Equal(now.AddDate(0, 0, serverDays).UTC().Truncate(time.Second)) {
		t.Fatalf("until %v, %v", cert, err)
	}
	trusted(t, c, kits, "mirror.example.org", now)
	trusted(t, c, kits, "192.0.2.1", now)
	if _, err := RenewServer(c, []string{"other.example.org", "192.0.2.7"}, 30, now); err != nil {
		t.Fatal(err)
	}
	trusted(t, c, kits, "other.example.org", now)
	trusted(t, c, kits, "192.0.2.7", now)
	if info, err := os.Stat(c.Serve.Cert); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestRenewInTime(t *testing.T) {
	c := create(t, plan(t))
	first, err := ServerCertificate(c)
	if err != nil {
		t.Fatal(err)
	}
	end := first.NotAfter
	for _, test := range []struct {
		name  string
		now   time.Time
		renew bool
	}{
		{"far from its end", end.Add(-61 * day), false},
		{"near its end", end.Add(-59 * day), true},
		{"just renewed", end.Add(-58 * day), false},
		{"the clock went back before its beginning", end.Add(-70 * day), true},
	} {
		cert, err := RenewInTime(c, test.now)
		if err != nil || (cert != nil) != test.renew {
			t.Errorf("%s: %v, %v", test.name, cert != nil, err)
		}
	}
	// The last one is cut to the end of its CA, which is no reason to go on for ever.
	ca, err := pki.LoadCertificates(c.Serve.ServerCA)
	if err != nil {
		t.Fatal(err)
	}
	near := ca[0].NotAfter.Add(-100 * day)
	if cert, err := RenewServer(c, nil, 0, near); err != nil || !cert.NotAfter.Equal(ca[0].NotAfter) {
		t.Fatalf("%v, %v", cert, err)
	}
	if cert, err := RenewInTime(c, near.Add(50*day)); cert != nil || err != nil {
		t.Errorf("renewed though it cannot become longer: %v", err)
	}
	if err := os.Remove(serverCAKey(c)); err != nil {
		t.Fatal(err)
	}
	if cert, err := RenewInTime(c, near.Add(50*day)); cert != nil || err != nil {
		t.Errorf("without a key: %v, %v", cert, err)
	}
}

func TestRenewedAuthoritiesGoOn(t *testing.T) {
	c := create(t, plan(t))
	clients, err := Clients(c)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	issued, err := clients.Add("host", pki.Leaf{}, began)
	if err != nil {
		t.Fatal(err)
	}
	if err := clients.Revoke(issued.Cert.SerialNumber, began); err != nil {
		t.Fatal(err)
	}
	kits := mustRead(t, c.Serve.ServerCA)
	now := began.AddDate(9, 6, 0)
	for name, renew := range map[string]func(*config.Config, time.Time) (*x509.Certificate, error){"server": RenewServerCA, "client": RenewClientCA} {
		if cert, err := renew(c, now); err != nil || cert.NotAfter.Before(now.AddDate(10, 0, -1)) {
			t.Fatalf("%s: %v, %v", name, cert, err)
		}
	}
	if _, err := RenewServer(c, nil, 0, now); err != nil {
		t.Fatal(err)
	}
	trusted(t, c, mustRead(t, c.Serve.ServerCA), "mirror.example.org", now.AddDate(1, 0, 0))
	trusted(t, c, kits, "mirror.example.org", now)

	if clients, err = Clients(c); err != nil {
		t.Fatal(err)
	}
	if list, err := clients.List(); err != nil || len(list) != 1 || list[0].RevokedAt.IsZero() {
		t.Errorf("clients on record: %+v, %v", list, err)
	}
	another, err := clients.Add("another", pki.Leaf{}, now)
	if err != nil || !another.Cert.NotAfter.Equal(now.AddDate(0, 0, pki.DefaultDays).UTC().Truncate(time.Second)) {
		t.Fatalf("a new client: %v", err)
	}
	if err := clients.Refresh(now); err != nil {
		t.Fatal(err)
	}
	trust, err := Trust(c.Serve)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trust.Identify([]*x509.Certificate{another.Cert}, now); err != nil {
		t.Errorf("a new client: %v", err)
	}
}

// What was issued elsewhere is left alone.
func TestWhatComesFromElsewhereIsNotRenewed(t *testing.T) {
	c, other := create(t, plan(t)), create(t, plan(t))
	if err := os.WriteFile(c.Serve.Cert, mustRead(t, other.Serve.Cert), 0o644); err != nil {
		t.Fatal(err)
	}
	before := mustRead(t, c.Serve.Cert)
	now := time.Now().AddDate(4, 11, 20)
	if cert, err := RenewInTime(c, now); cert != nil || err != nil {
		t.Errorf("in time: %v, %v", cert, err)
	}
	if _, err := RenewServer(c, nil, 0, now); !errors.Is(err, ErrNoServerCA) {
		t.Errorf("got %v", err)
	}
	if !bytes.Equal(before, mustRead(t, c.Serve.Cert)) {
		t.Error("the certificate was replaced")
	}
	c.Serve.ServerCA = ""
	if _, err := RenewServerCA(c, now); !errors.Is(err, ErrNoServerCA) {
		t.Errorf("got %v", err)
	}
	c.Clients = config.Clients{}
	if _, err := RenewClientCA(c, now); !errors.Is(err, ErrNoCA) {
		t.Errorf("got %v", err)
	}
}

func TestOneFileOfKeyAndCertificateIsNotWritten(t *testing.T) {
	c := create(t, plan(t))
	both := append(mustRead(t, c.Serve.Key), mustRead(t, c.Serve.Cert)...)
	if err := os.WriteFile(c.Serve.Key, both, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(c.Serve.Cert); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(c.Serve.Key, c.Serve.Cert); err != nil {
		t.Fatal(err)
	}
	if _, err := RenewServer(c, nil, 0, time.Now()); err == nil {
		t.Error("no error")
	}
	if !bytes.Equal(both, mustRead(t, c.Serve.Key)) {
		t.Error("the key is gone")
	}
}

func TestEndsSoon(t *testing.T) {
	from := time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC)
	for life, warned := range map[time.Duration]time.Duration{365 * day: 30 * day, 90 * day: 90 * day / 4, day: 6 * time.Hour} {
		end := from.Add(life)
		if EndsSoon(from, end, end.Add(-warned)) || !EndsSoon(from, end, end.Add(-warned+time.Second)) {
			t.Errorf("a life of %s: not warned %s before its end", life, warned)
		}
	}
}
