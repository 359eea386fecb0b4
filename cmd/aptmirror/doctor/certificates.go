package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
	"time"

	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
)

// expiry judges the end of a certificate.
func (d *Doctor) expiry(f *findings, subject, what string, c *x509.Certificate, mend string) {
	d.ending(f, subject, what, c.NotAfter, site.Ahead(site.Soon, c.NotBefore, c.NotAfter), mend)
}

// ending judges an end that is worth a warning soon before.
func (d *Doctor) ending(f *findings, subject, what string, end time.Time, soon time.Duration, mend string) {
	switch left := end.Sub(d.Now()); {
	case left < 0:
		f.bad(subject, fmt.Sprintf("%s ended on %s", what, admin.Day(end)), mend)
	case left < soon:
		f.warn(subject, fmt.Sprintf("%s ends on %s, in %d days", what, admin.Day(end), int(left.Hours()/24)), mend)
	default:
		f.ok(subject, fmt.Sprintf("%s is good until %s, %d days", what, admin.Day(end), int(left.Hours()/24)))
	}
}

// serverCertificate looks whether clients will recognise this server.
func (d *Doctor) serverCertificate(context.Context) []Finding {
	f := &findings{check: "server certificate"}
	s := d.Config.Serve
	if s.Cert == "" {
		f.note("", "there is no [serve] table: nobody is served")
		return f.list
	}
	pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
	if err != nil {
		f.bad(s.Cert, "cannot be used with serve.key: "+err.Error(), accessMend(err, "put a certificate and the key that belongs to it there; they are taken up by themselves"))
		return f.list
	}
	d.expiry(f, s.Cert, "the certificate", pair.Leaf, d.serverMend(pair.Leaf))
	host := d.publicHost()
	if host == "" {
		f.warn(s.Cert, "serve.public_url is not set: client kits cannot be made", "set serve.public_url to the address that clients use")
		return f.list
	}
	if err := pair.Leaf.VerifyHostname(host); err != nil {
		f.bad(s.Cert, fmt.Sprintf("clients reach the server as %s, but %v", host, err), "have a certificate issued for "+host+", or set serve.public_url to a name that it has")
	}
	d.serverChain(f, pair)
	return f.list
}

// serverMend is what renews the server's certificate. A running daemon has tried that.
func (d *Doctor) serverMend(leaf *x509.Certificate) string {
	if a, err := site.ServerAuthority(d.Config); err == nil && a.Issued(leaf) {
		return d.Program + " certificate renew server"
	}
	return "have a new one issued for the same names, and put it into this file: it is taken up by itself"
}

func (d *Doctor) serverChain(f *findings, pair tls.Certificate) {
	s := d.Config.Serve
	if s.ServerCA == "" {
		f.note("", "serve.server_ca is not set: client kits cannot be made")
		return
	}
	roots, err := pki.LoadCertificates(s.ServerCA)
	if err != nil {
		f.bad(s.ServerCA, err.Error(), "put the CA certificates by which clients recognise this server there")
		return
	}
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: d.Now()}
	for _, r := range roots {
		options.Roots.AddCert(r)
		mend := "make new client kits with the CA that follows it"
		if a, err := site.ServerAuthority(d.Config); err == nil && a.Certificate().Equal(r) {
			mend = d.Program + " certificate renew server-ca, and make new client kits before the old one ends"
		}
		d.ending(f, s.ServerCA, fmt.Sprintf("the CA %q", r.Subject.CommonName), r.NotAfter, site.Ahead(site.AuthoritySoon, r.NotBefore, r.NotAfter), mend)
	}
	for _, der := range pair.Certificate[1:] {
		if c, err := x509.ParseCertificate(der); err == nil {
			options.Intermediates.AddCert(c)
		}
	}
	if _, err := pair.Leaf.Verify(options); err != nil && pair.Leaf.NotAfter.After(d.Now()) {
		f.bad(s.Cert, "clients that have serve.server_ca will not trust it: "+err.Error(), "put the CA that issued it into "+s.ServerCA+", and its intermediates behind the certificate")
	}
}

// publicHost is the name in public_url.
func (d *Doctor) publicHost() string {
	u, err := url.Parse(d.Config.Serve.PublicURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// clientAuthorities looks at the CAs of clients and their revocation lists.
func (d *Doctor) clientAuthorities(context.Context) []Finding {
	f := &findings{check: "client CA"}
	s := d.Config.Serve
	if s.Cert == "" {
		return nil
	}
	trust, err := site.Trust(s)
	if err != nil {
		f.bad("", err.Error(), "mend the file; what the daemon has loaded stays in force")
		return f.list
	}
	for _, c := range trust.Config().Authorities {
		d.clientAuthority(f, c)
	}
	for _, l := range trust.Config().CRLs {
		d.aboutList(f, l)
	}
	if len(trust.Config().CRLs) == 0 {
		f.note("", "there is no revocation list: a certificate that was lost is good until it ends")
	}
	return f.list
}

// clientAuthority judges the site's own CA earlier: what it issues ends with it.
func (d *Doctor) clientAuthority(f *findings, c *x509.Certificate) {
	if clients, err := site.Clients(d.Config); err == nil && clients.Authority.Certificate().Equal(c) {
		d.ending(f, c.Subject.CommonName, "the certificate", c.NotAfter, site.AuthoritySoon, d.Program+" certificate renew client-ca")
		return
	}
	d.expiry(f, c.Subject.CommonName, "the certificate", c, "add the CA that follows it to serve.client_ca, and issue new certificates")
}

func (d *Doctor) aboutList(f *findings, l *pki.CRL) {
	name := l.Issuer.Subject.CommonName
	mend := "put the CA's newest list into serve.crl"
	if d.Config.Clients.Dir != "" {
		mend = "start the daemon, which signs it anew: systemctl start aptmirror"
	}
	switch end := l.NextUpdate.Add(d.Config.Serve.CRLGrace); {
	case d.Now().After(end):
		f.bad(name, fmt.Sprintf("the revocation list ran out on %s: all clients of this CA are refused", admin.Minute(l.NextUpdate)), mend)
	case d.Now().After(l.NextUpdate):
		f.warn(name, fmt.Sprintf("the revocation list ran out on %s: from %s on, all clients of this CA are refused", admin.Minute(l.NextUpdate), admin.Minute(end)), mend)
	case site.EndsSoon(l.ThisUpdate, l.NextUpdate, d.Now()):
		f.warn(name, fmt.Sprintf("the revocation list ends on %s, and no newer one is there: when it has ended, all clients of this CA are refused", admin.Minute(l.NextUpdate)), mend)
	default:
		f.ok(name, fmt.Sprintf("the revocation list counts until %s and names %d certificates", admin.Minute(l.NextUpdate), l.Len()))
	}
}

// clients looks at certificates of the built-in CA that end soon.
func (d *Doctor) clients(context.Context) []Finding {
	f := &findings{check: "clients"}
	if d.Config.Clients.Dir == "" {
		return nil
	}
	clients, err := site.Clients(d.Config)
	if err != nil {
		f.bad("", err.Error(), accessMend(err, "put clients.ca_cert and the key that belongs to it there"))
		return f.list
	}
	list, err := clients.List()
	if err != nil {
		f.bad(d.Config.Clients.Dir, err.Error(), "")
		return f.list
	}
	good := 0
	for _, c := range list {
		if !c.RevokedAt.IsZero() || c.Retired {
			continue
		}
		if !site.EndsSoon(c.Cert.NotBefore, c.Cert.NotAfter, d.Now()) {
			good++
			continue
		}
		d.expiry(f, c.Name, "the certificate", c.Cert, strings.Join([]string{d.Program, "client renew", c.Name}, " "))
	}
	f.ok("", fmt.Sprintf("%d certificates do not end soon", good))
	return f.list
}
