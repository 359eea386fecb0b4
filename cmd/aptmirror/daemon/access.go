package daemon

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/pki"
)

const (
	// accessInterval is how soon a replaced certificate or revocation list counts.
	accessInterval = 10 * time.Second
	// crlGrace keeps clients working while an administrator mends a
	// revocation list that ran out.
	crlGrace = 24 * time.Hour
)

// loadAccess reads the certificates, revocation lists and grants that the
// configuration names.
func loadAccess(c *config.Config) (*proxy.Access, error) {
	certificate, err := tls.LoadX509KeyPair(c.Serve.Cert, c.Serve.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the server certificate: %w", err)
	}
	trust, err := loadTrust(c.Serve)
	if err != nil {
		return nil, err
	}
	var rules []identity.Rule
	for i, g := range c.Grants {
		rules = append(rules, identity.Rule{Identity: g.Identity, Read: g.Read, Where: fmt.Sprintf("grant %d of %s", i+1, c.Path)})
	}
	grants, err := identity.NewGrants(rules)
	if err != nil {
		return nil, err
	}
	return &proxy.Access{Certificate: &certificate, Trust: trust, Grants: grants, Strict: c.Serve.ClientAuth == config.Strict}, nil
}

func loadTrust(s config.Serve) (*identity.Trust, error) {
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
	return identity.NewTrust(identity.Config{Authorities: authorities, CRLs: lists, CRLGrace: crlGrace})
}

// accessFiles are those whose change makes a new Access.
func accessFiles(s config.Serve) []string {
	return append(append([]string{s.Cert, s.Key}, s.ClientCA...), s.CRL...)
}

// stamps tells whether files changed: their times and sizes in one line.
func stamps(files []string) string {
	text := ""
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			text += fmt.Sprintf("%s %d %d\n", f, info.ModTime().UnixNano(), info.Size())
		}
	}
	return text
}

// watchAccess keeps the revocation list of the built-in CA fresh and takes up
// changed files. Files that cannot be used leave what was in force before.
func (d *Daemon) watchAccess(ctx context.Context, server *proxy.Server) error {
	files := accessFiles(d.config.Serve)
	seen := stamps(files)
	ticker := time.NewTicker(accessInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		d.refreshCRL()
		now := stamps(files)
		if now == seen {
			continue
		}
		seen = now
		access, err := loadAccess(d.config)
		if err != nil {
			d.Log.Error("certificates changed but cannot be used; what was in force stays", "error", err)
			continue
		}
		server.SetAccess(access)
		d.Log.Info("certificates and revocation lists reloaded")
	}
}

// refreshCRL signs the built-in CA's list anew when half of its life is over.
func (d *Daemon) refreshCRL() {
	clients, err := site.Clients(d.config)
	if err == nil {
		err = clients.Refresh(d.Now())
	}
	if err != nil && !errors.Is(err, site.ErrNoCA) {
		d.Log.Error("keeping the revocation list fresh failed; when it ends, all clients are refused", "error", err)
	}
}
