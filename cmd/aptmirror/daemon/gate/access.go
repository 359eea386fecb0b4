// Package gate reads what decides who gets in, and tells what of it ends soon: the
// server's certificate, the CAs and revocation lists of clients, the grants.
package gate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
)

// Load reads the certificates, revocation lists and grants that the
// configuration names.
func Load(c *config.Config) (*proxy.Access, error) {
	if c.Serve.Cert == "" {
		return nil, fmt.Errorf("%s: there is no [serve] table", c.Path)
	}
	certificate, err := tls.LoadX509KeyPair(c.Serve.Cert, c.Serve.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the server certificate: %s: %w", c.Serve.Cert, err)
	}
	if err := pki.CheckKeyFile(c.Serve.Key); err != nil {
		return nil, fmt.Errorf("loading the server certificate: %w", err)
	}
	trust, err := site.Trust(c.Serve)
	if err != nil {
		return nil, err
	}
	grants, err := site.Grants(c)
	if err != nil {
		return nil, err
	}
	origins, err := originsOf(c)
	if err != nil {
		return nil, err
	}
	return &proxy.Access{Certificate: &certificate, Trust: trust, Grants: grants, Strict: c.Serve.ClientAuth == config.Strict, Origins: origins}, nil
}

// originsOf gives the addresses that proxy mode answers for, nil where it is
// off: those of archives that are served as they are.
func originsOf(c *config.Config) (*proxy.Origins, error) {
	if !c.Serve.ProxyMode {
		return nil, nil
	}
	var all []proxy.Origin
	for _, a := range c.Archives {
		var repositories []string
		for _, r := range c.Repositories {
			if r.Archive == a.Name {
				repositories = append(repositories, r.Name)
			}
		}
		for _, uri := range slices.Concat(a.URIs, a.Aliases) {
			all = append(all, proxy.Origin{URI: uri, Repositories: repositories})
		}
	}
	return proxy.NewOrigins(all)
}

// RefreshCRL signs the built-in CA's list anew when half of its life is over.
func RefreshCRL(c *config.Config, now time.Time) error {
	clients, err := site.Clients(c)
	if err == nil {
		err = clients.Refresh(now)
	}
	if errors.Is(err, site.ErrNoCA) {
		return nil
	}
	return err
}

// Describe tells people what is in force.
func Describe(a *proxy.Access, read time.Time) admin.Access {
	trust := a.Trust.Config()
	out := admin.Access{
		Read: read.UTC(), Certificate: Certificate(a.Certificate.Leaf),
		Authorities: []admin.Certificate{}, CRLs: []admin.RevocationList{}, Grants: a.Grants.Len(),
	}
	for _, c := range trust.Authorities {
		out.Authorities = append(out.Authorities, Certificate(c))
	}
	for _, l := range trust.CRLs {
		out.CRLs = append(out.CRLs, admin.RevocationList{
			Issuer: l.Issuer.Subject.CommonName, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Revoked: l.Len(),
		})
	}
	return out
}

// Certificate tells people of one.
func Certificate(c *x509.Certificate) admin.Certificate {
	name := c.Subject.CommonName
	if name == "" && len(c.DNSNames) > 0 {
		name = c.DNSNames[0]
	}
	return admin.Certificate{Name: name, NotAfter: c.NotAfter}
}
