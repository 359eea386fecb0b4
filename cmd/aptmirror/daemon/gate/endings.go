package gate

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
)

// MaxEnding is how many clients whose certificates end soon are named, the soonest first.
const MaxEnding = 20

// endings collects warnings about what ends.
type endings struct {
	now   time.Time
	lines []string
}

// add warns of a certificate that ends, soon or not.
func (e *endings) add(what string, c *x509.Certificate, effect string) {
	name := Certificate(c).Name
	if c.NotAfter.Before(e.now) {
		e.lines = append(e.lines, fmt.Sprintf("%s %q ended on %s: %s", what, name, admin.Day(c.NotAfter), effect))
		return
	}
	e.lines = append(e.lines, fmt.Sprintf("%s %q ends on %s: then %s", what, name, admin.Day(c.NotAfter), effect))
}

func (e *endings) soon(c *x509.Certificate) bool {
	return site.EndsSoon(c.NotBefore, c.NotAfter, e.now)
}

func (e *endings) list(l *pki.CRL, grace time.Duration) {
	switch end := l.NextUpdate.Add(grace); {
	case e.now.After(l.NextUpdate):
		e.lines = append(e.lines, fmt.Sprintf("the revocation list of %q ran out on %s: from %s on, all clients of this CA are refused", l.Issuer.Subject.CommonName, admin.Minute(l.NextUpdate), admin.Minute(end)))
	case site.EndsSoon(l.ThisUpdate, l.NextUpdate, e.now):
		e.lines = append(e.lines, fmt.Sprintf("the revocation list of %q runs out on %s, and no newer one is there", l.Issuer.Subject.CommonName, admin.Minute(l.NextUpdate)))
	}
}

// Warnings are about what ends soon, or has ended and only counts for a grace.
func Warnings(c *config.Config, in *proxy.Access, now time.Time) []string {
	e := &endings{now: now}
	if leaf := in.Certificate.Leaf; e.soon(leaf) {
		e.add("the server certificate", leaf, "no client connects any more")
	}
	for _, ca := range ServerCAs(c) {
		if ca.NotAfter.Sub(now) < site.Ahead(site.AuthoritySoon, ca.NotBefore, ca.NotAfter) {
			e.add("the server CA", ca, "no client knows this server any more, and all need new kits before: aptmirror certificate renew server-ca")
		}
	}
	trust := in.Trust.Config()
	for _, ca := range trust.Authorities {
		switch own := ownCA(c); {
		case own != nil && own.Equal(ca) && ca.NotAfter.Sub(now) < site.AuthoritySoon:
			e.add("the client CA", ca, "its clients are refused, and what it issues until then ends with it: aptmirror certificate renew client-ca")
		case e.soon(ca):
			e.add("the client CA", ca, "its clients are refused")
		}
	}
	for _, l := range trust.CRLs {
		e.list(l, trust.CRLGrace)
	}
	return e.lines
}

// ServerCAs are those that kits have; none where that is not known.
func ServerCAs(c *config.Config) []*x509.Certificate {
	if c.Serve.ServerCA == "" {
		return nil
	}
	certs, _ := pki.LoadCertificates(c.Serve.ServerCA) // only kits need the file, and making one tells
	return certs
}

// ownCA is the built-in one, nil where there is none.
func ownCA(c *config.Config) *x509.Certificate {
	if c.Clients.CACert == "" {
		return nil
	}
	certs, err := pki.LoadCertificates(c.Clients.CACert)
	if err != nil {
		return nil // signing the list tells
	}
	return certs[0]
}

// Record is what was read of the clients on record.
type Record struct {
	stamp string // of the folder and the list
	good  []pki.Client
}

// Ending gives the clients whose certificates are in use and end soon. The folder
// is read again only after a change.
func (r *Record) Ending(c *config.Config, now time.Time) (ending []admin.Certificate, err error) {
	if c.Clients.Dir == "" {
		return nil, nil
	}
	if stamp := inforce.Stamps(append([]string{c.Clients.Dir}, c.Serve.CRL...)); stamp != r.stamp {
		clients, err := site.Clients(c)
		if err != nil {
			return nil, err
		}
		all, err := clients.List()
		if err != nil {
			return nil, err
		}
		r.stamp, r.good = stamp, slices.DeleteFunc(all, func(k pki.Client) bool { return k.Retired || !k.RevokedAt.IsZero() })
	}
	for _, k := range r.good {
		if now.Before(k.Cert.NotAfter) && site.EndsSoon(k.Cert.NotBefore, k.Cert.NotAfter, now) {
			ending = append(ending, admin.Certificate{Name: k.Name, NotAfter: k.Cert.NotAfter})
		}
	}
	slices.SortFunc(ending, func(a, b admin.Certificate) int {
		return cmp.Or(a.NotAfter.Compare(b.NotAfter), cmp.Compare(a.Name, b.Name))
	})
	return ending, nil
}

// EndingLine is a warning about clients, or nothing.
func EndingLine(ending []admin.Certificate) []string {
	switch n := len(ending); n {
	case 0:
		return nil
	case 1:
		return []string{fmt.Sprintf("the certificate of client %s ends on %s: aptmirror client renew %[1]s", ending[0].Name, admin.Day(ending[0].NotAfter))}
	default:
		return []string{fmt.Sprintf("the certificates of %d clients end soon, that of %s first, on %s: aptmirror client list", n, ending[0].Name, admin.Day(ending[0].NotAfter))}
	}
}
