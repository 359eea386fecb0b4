package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy"
)

// accessInterval is how soon a replaced certificate or revocation list counts.
const accessInterval = 10 * time.Second

// loadAccess reads the certificates, revocation lists and grants that the
// configuration names.
func loadAccess(c *config.Config) (*proxy.Access, error) {
	certificate, err := tls.LoadX509KeyPair(c.Serve.Cert, c.Serve.Key)
	if err != nil {
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
	return &proxy.Access{Certificate: &certificate, Trust: trust, Grants: grants, Strict: c.Serve.ClientAuth == config.Strict}, nil
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
