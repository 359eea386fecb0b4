package pki

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

func issuers(list ...*Authority) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, a := range list {
		certs = append(certs, a.cert)
	}
	return certs
}

// rawCRL signs whatever the template says.
func rawCRL(t testing.TB, a *Authority, change func(*x509.RevocationList)) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour)}
	change(template)
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func extension(critical bool, id ...int) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier(id), Critical: critical, Value: []byte{0x30, 0}}}
	}
}

func entryExtension(critical bool, id ...int) func(*x509.RevocationList) {
	return func(l *x509.RevocationList) {
		l.RevokedCertificateEntries = []x509.RevocationListEntry{{SerialNumber: big.NewInt(7), RevocationTime: now,
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier(id), Critical: critical, Value: []byte{0x30, 0}}}}}
	}
}

func TestCRLRoundTrip(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	big20 := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 159), big.NewInt(1))
	text, err := a.CRL([]Revoked{{big.NewInt(5), now.Add(-time.Hour), 1}, {big20, now, 0}}, big.NewInt(41), now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	lists, err := ReadCRL(append(text, mustCRL(t, b)...), issuers(b, a))
	if err != nil {
		t.Fatal(err)
	}
	list := lists[0]
	if len(lists) != 2 || !list.Covers(a.cert) || list.Covers(b.cert) || !lists[1].Covers(b.cert) {
		t.Fatal("lists belong to the wrong authorities")
	}
	if list.Len() != 2 || list.Number.Int64() != 41 || !list.ThisUpdate.Equal(now) || !list.NextUpdate.Equal(now.Add(time.Hour)) {
		t.Errorf("got %+v", list)
	}
	if r, ok := list.Lookup(big.NewInt(5)); !ok || r.Reason != 1 || !r.Time.Equal(now.Add(-time.Hour)) {
		t.Errorf("got %+v, %v", r, ok)
	}
	if _, ok := list.Lookup(big20); !ok {
		t.Error("the longest serial number is missing")
	}
	if _, ok := list.Lookup(big.NewInt(6)); ok {
		t.Error("found a serial number that was not revoked")
	}
	for _, serial := range []*big.Int{nil, big.NewInt(0), big.NewInt(-5), new(big.Int).Lsh(big.NewInt(1), 160)} {
		if _, err := a.CRL([]Revoked{{Serial: serial}}, big.NewInt(1), now, now.Add(time.Hour)); err == nil {
			t.Errorf("serial number %v was signed", serial)
		}
	}
}

func mustCRL(t testing.TB, a *Authority, serials ...int64) []byte {
	t.Helper()
	var entries []Revoked
	for _, s := range serials {
		entries = append(entries, Revoked{Serial: big.NewInt(s), Time: now})
	}
	text, err := a.CRL(entries, big.NewInt(1), now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestReadCRLRefuses(t *testing.T) {
	a, twin, other := newAuthority(t), newAuthority(t), mustAuthority(t, "Other")
	der := rawCRL(t, a, func(*x509.RevocationList) {})
	noSign := *a
	cert := *a.cert
	cert.KeyUsage = x509.KeyUsageCertSign
	noSign.cert = &cert
	forged := append([]byte{}, der...)
	forged[len(forged)-1] ^= 1
	text := mustCRL(t, a, 1, 2, 3)
	tests := []struct {
		name, want string
		data       []byte
		issuers    []*x509.Certificate
	}{
		{"another authority", `is from "Example clients", which is not one of the configured`, der, issuers(other)},
		{"another authority of that name", "is not by that authority", der, issuers(twin)},
		{"authority may not sign lists", "is not by that authority", der, issuers(&noSign)},
		{"forged", "is not by that authority", forged, issuers(a)},
		{"bytes after it", "2 bytes after the list", append(append([]byte{}, der...), 0, 0), issuers(a)},
		{"nothing", "malformed", nil, issuers(a)},
		{"cut off", "malformed or cut off", text[:len(text)-9], issuers(a)},
		{"second list cut off", "malformed or cut off", append(append([]byte{}, text...), text[:40]...), issuers(a)},
		{"certificate", `is a "CERTIFICATE"`, a.CertPEM(), issuers(a)},
		{"no next update", "no next update", withoutNextUpdate(t, a), issuers(a)},
		{"delta", "delta list", rawCRL(t, a, extension(true, 2, 5, 29, 27)), issuers(a)},
		{"partition", "only a part", rawCRL(t, a, extension(true, 2, 5, 29, 28)), issuers(a)},
		{"partition, not critical", "only a part", rawCRL(t, a, extension(false, 2, 5, 29, 28)), issuers(a)},
		{"unknown critical", "critical extension 1.2.3.4 is not understood", rawCRL(t, a, extension(true, 1, 2, 3, 4)), issuers(a)},
		{"indirect entry", "indirect", rawCRL(t, a, entryExtension(true, 2, 5, 29, 29)), issuers(a)},
		{"unknown critical in entry", "serial 7: critical extension 1.2.3.4 is not understood", rawCRL(t, a, entryExtension(true, 1, 2, 3, 4)), issuers(a)},
		{"too big", "at most", make([]byte, MaxCRLBytes+1), issuers(a)},
	}
	for _, tt := range tests {
		if _, err := ReadCRL(tt.data, tt.issuers); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
	for name, change := range map[string]func(*x509.RevocationList){
		"unknown, not critical": extension(false, 1, 2, 3, 4), "in entry": entryExtension(false, 1, 2, 3, 4)} {
		if _, err := ReadCRL(rawCRL(t, a, change), issuers(a)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// withoutNextUpdate takes the field out of a list, which the library refuses to leave out,
// and signs the rest anew.
func withoutNextUpdate(t *testing.T, a *Authority) []byte {
	t.Helper()
	var list struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(rawCRL(t, a, func(*x509.RevocationList) {}), &list); err != nil {
		t.Fatal(err)
	}
	field, err := asn1.Marshal(now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(strings.Replace(string(list.TBS.Bytes), string(field), "", 1))
	if list.TBS.FullBytes, err = asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: body}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(list.TBS.FullBytes)
	if list.Signature.Bytes, err = a.key.Sign(rand.Reader, sum[:], crypto.SHA256); err != nil {
		t.Fatal(err)
	}
	list.Signature.BitLength = 8 * len(list.Signature.Bytes)
	list.TBS = asn1.RawValue{FullBytes: list.TBS.FullBytes}
	der, err := asn1.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func mustAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	a, err := NewAuthority(name, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestNewer(t *testing.T) {
	at := func(number int64, day int) *CRL {
		list := &CRL{ThisUpdate: now.AddDate(0, 0, day)}
		if number > 0 {
			list.Number = big.NewInt(number)
		}
		return list
	}
	tests := []struct {
		a, b *CRL
		want bool
	}{
		{at(2, 0), at(1, 0), true}, {at(1, 0), at(2, 0), false}, {at(2, 0), at(1, 5), true},
		{at(0, 1), at(0, 0), true}, {at(0, 0), at(0, 0), false}, {at(0, 1), at(9, 0), true}, {at(1, 1), at(1, 0), true},
	}
	for _, tt := range tests {
		if got := tt.a.Newer(tt.b); got != tt.want {
			t.Errorf("%v %v over %v %v: got %v", tt.a.Number, tt.a.ThisUpdate, tt.b.Number, tt.b.ThisUpdate, got)
		}
	}
}

func FuzzReadCRL(f *testing.F) {
	a := newAuthority(f)
	text := mustCRL(f, a, 1, 2, 3)
	block, _ := pem.Decode(text)
	f.Add(text)
	f.Add(block.Bytes)
	f.Add(rawCRL(f, a, extension(true, 2, 5, 29, 28)))
	f.Add(rawCRL(f, a, entryExtension(true, 2, 5, 29, 29)))
	f.Fuzz(func(t *testing.T, data []byte) {
		lists, err := ReadCRL(data, issuers(a))
		if err != nil {
			return
		}
		for _, list := range lists {
			if list.Len() != 3 || !list.NextUpdate.Equal(now.Add(time.Hour)) {
				t.Errorf("accepted a list that was not signed: %x", data)
			}
		}
	})
}

func BenchmarkReadCRL(b *testing.B) {
	a := newAuthority(b)
	for _, n := range []int64{100, 100_000} {
		serials := make([]int64, n)
		for i := range serials {
			serials[i] = int64(i) + 1<<60
		}
		text := mustCRL(b, a, serials...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ReadCRL(text, issuers(a)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
