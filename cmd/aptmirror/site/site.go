// Package site makes the folder of a new site, and opens what is in one:
//
//	aptmirror.toml                     the configuration
//	tls/server.crt, server.key         the server's certificate, by a CA of its own (server-ca.crt, .key)
//	tls/clients-ca.crt, .key           the CA of client certificates
//	tls/clients.crl                    what of them was revoked
//	clients/NAME/                      certificates issued to clients
//	keys/site.asc                      the site's signing key, mode 0600
//	keys/ARCHIVE.asc                   keys that came with an apt source itself
//	state/                             the store
//
// It never replaces a key.
package site

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
	"aptmirror/resign"
)

// ConfigName is the configuration's file name in the folder of a site.
const ConfigName = "aptmirror.toml"

// Plan is what a new site is to be.
type Plan struct {
	Dir string
	// Hosts are the names and addresses under which clients reach the server,
	// the one that client kits use first.
	Hosts []string
	// Listen is host:port; its port is that of the public address.
	Listen string
	// State is where the store goes; "" is state in Dir.
	State    string
	Archives []config.Archive
	// Embedded are armoured keys that came with a source, by archive name.
	Embedded map[string][]byte
}

// Absent is nil where there is no such site yet; else the error is fs.ErrExist.
func (p Plan) Absent() error {
	if _, err := os.Lstat(filepath.Join(p.Dir, ConfigName)); err == nil {
		return fmt.Errorf("%s is a site already: change its %s, or make another one with --dir (%w)", p.Dir, ConfigName, fs.ErrExist)
	}
	return nil
}

// Create makes the folder and gives the configuration that it has written
// last, so that a folder with one is complete. The error is fs.ErrExist where
// there is one already.
func Create(p Plan, now time.Time) (*config.Config, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	c, err := p.config()
	if err != nil {
		return nil, err
	}
	if err := p.Absent(); err != nil {
		return nil, err
	}
	for _, dir := range []string{"", "tls", "keys", "clients"} {
		if err := os.MkdirAll(filepath.Join(p.Dir, dir), 0o755); err != nil {
			return nil, fmt.Errorf("making a site: %w", err)
		}
	}
	for _, step := range []func(*config.Config, time.Time) error{p.serverCertificate, clientAuthority, signingKey, p.embeddedKeys} {
		err := step(c, now)
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w; it may be left from a run that was broken off: remove the folder, or choose another", err)
		}
		if err != nil {
			return nil, fmt.Errorf("making a site in %s: %w", p.Dir, err)
		}
	}
	if err := os.WriteFile(c.Path, config.Format(c), 0o644); err != nil {
		return nil, fmt.Errorf("making a site: %w", err)
	}
	return config.Load(c.Path)
}

// Check says what of the plan cannot become a site. Create asks it first, so
// that a mistake does not leave a folder with keys and nothing to use them.
func (p Plan) Check() error {
	for _, h := range p.Hosts {
		if net.ParseIP(h) != nil {
			continue
		}
		if err := pki.CheckName(h); err != nil {
			return err
		}
	}
	c, err := p.config()
	if err == nil {
		_, err = config.Parse(ConfigName, config.Format(c))
	}
	return err
}

func (p Plan) config() (*config.Config, error) {
	dir, err := filepath.Abs(p.Dir)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(p.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen address %q: %w", p.Listen, err)
	}
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	c := &config.Config{
		Path:  in(ConfigName),
		State: in("state"),
		Serve: config.Serve{
			Listen: []string{p.Listen}, PublicURL: "https://" + net.JoinHostPort(p.Hosts[0], port),
			Cert: in("tls", "server.crt"), Key: in("tls", "server.key"), ServerCA: in("tls", "server-ca.crt"),
			ClientCA: []string{in("tls", "clients-ca.crt")}, CRL: []string{in("tls", "clients.crl")}, ClientAuth: config.Explain,
			CRLGrace: config.DefaultCRLGrace,
		},
		Clients:  config.Clients{CACert: in("tls", "clients-ca.crt"), CAKey: in("tls", "clients-ca.key"), Dir: in("clients")},
		Archives: p.Archives,
		Grants:   []config.Grant{{Identity: "dns:**", Read: []string{"*"}}},
	}
	if p.State != "" {
		c.State = p.State
	}
	for i, a := range c.Archives {
		if p.Embedded[a.Name] != nil {
			c.Archives[i].SignedBy = []string{in("keys", a.Name+".asc")}
		}
		c.Repositories = append(c.Repositories, config.Repository{Name: a.Name, Archive: a.Name})
	}
	return c, nil
}

// serverCertificate issues the server's certificate by a CA of its own, so that
// it can be renewed without touching a client.
func (p Plan) serverCertificate(c *config.Config, now time.Time) error {
	ca, err := pki.NewAuthority("aptmirror server CA of "+p.Hosts[0], now)
	if err != nil {
		return err
	}
	if err := ca.Save(c.Serve.ServerCA, serverCAKey(c)); err != nil {
		return err
	}
	issued, err := ca.IssueServer(leafFor(p.Hosts, serverDays), now)
	if err != nil {
		return err
	}
	return issued.Save(c.Serve.Cert, c.Serve.Key)
}

// serverDays is long, since only machines that trust this very CA look at it.
const serverDays = 5 * 365

func clientAuthority(c *config.Config, now time.Time) error {
	ca, err := pki.NewAuthority("aptmirror client CA", now)
	if err != nil {
		return err
	}
	if err := ca.Save(c.Clients.CACert, c.Clients.CAKey); err != nil {
		return err
	}
	clients, err := Clients(c)
	if err != nil {
		return err
	}
	return clients.Init(now)
}

func signingKey(c *config.Config, now time.Time) (err error) {
	key, err := resign.NewKeyAt(now, "aptmirror site key", "", resign.EdDSA)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(filepath.Dir(c.Path), "keys", "site.asc"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(key.WritePrivate(f), f.Sync(), f.Close())
}

func (p Plan) embeddedKeys(c *config.Config, _ time.Time) error {
	for name, key := range p.Embedded {
		if err := os.WriteFile(filepath.Join(filepath.Dir(c.Path), "keys", name+".asc"), key, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// ErrNoCA says that the configuration has no built-in CA.
var ErrNoCA = errors.New("the configuration has no [clients] table: its client certificates come from another CA")

// Clients opens the built-in CA of a configuration, or gives ErrNoCA.
func Clients(c *config.Config) (*pki.Clients, error) {
	if c.Clients.CAKey == "" {
		return nil, ErrNoCA
	}
	authority, err := pki.LoadAuthority(c.Clients.CACert, c.Clients.CAKey)
	if err != nil {
		return nil, fmt.Errorf("opening the client CA: %w", err)
	}
	if len(c.Serve.CRL) == 0 {
		return nil, fmt.Errorf("%s: serve.crl: the built-in CA needs a file for its revocation list", c.Path)
	}
	return &pki.Clients{Dir: c.Clients.Dir, CRLFile: c.Serve.CRL[0], Authority: authority}, nil
}
