package site

import (
	"crypto/x509"
	"fmt"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/pki"
)

// Trust loads what client certificates are measured against.
func Trust(s config.Serve) (*identity.Trust, error) {
	var authorities []*x509.Certificate
	for _, file := range s.ClientCA {
		certs, err := pki.LoadCertificates(file)
		if err != nil {
			return nil, fmt.Errorf("loading client_ca: %w", err)
		}
		authorities = append(authorities, certs...)
	}
	var lists []*pki.CRL
	for _, file := range s.CRL {
		crls, err := pki.LoadCRL(file, authorities)
		if err != nil {
			return nil, fmt.Errorf("loading crl: %w", err)
		}
		lists = append(lists, crls...)
	}
	return identity.NewTrust(identity.Config{
		Authorities: authorities, CRLs: lists, CRLGrace: s.CRLGrace, CRLRequired: s.CRLRequired, CNAllowed: s.CNAllowed,
	})
}

// Grants gives the rules of a configuration, each with its place in the file.
func Grants(c *config.Config) (*identity.Grants, error) {
	var rules []identity.Rule
	for _, g := range c.Grants {
		rules = append(rules, identity.Rule{
			Identity: g.Identity, Read: g.Read, Upload: g.Upload, Status: g.Status, Admin: g.Admin,
			Rate: g.Rate, Connections: g.Connections,
			Where: fmt.Sprintf("%s:%d", c.Path, g.Line),
		})
	}
	return identity.NewGrants(rules)
}
