package site

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/kit"
	"aptmirror/proxy/pki"
	"aptmirror/upstream/pgp"
)

// Kit gathers what the client called name, whose certificate is on record,
// needs to use this site: all that its grant lets it read, or everything where
// it has none yet. A certificate that the server would refuse is an error, and
// so is ErrNoCA.
func Kit(c *config.Config, name string, now time.Time) (*kit.Kit, identity.Grant, error) {
	k, err := emptyKit(c)
	if err == nil {
		k.ClientCert, k.ClientKey, err = credentials(c, name)
	}
	if err != nil {
		return nil, identity.Grant{}, err
	}
	return fill(k, c, now)
}

// KitFor is Kit for the holder of any certificate, PEM. key may be nil: the
// client has it.
func KitFor(c *config.Config, cert, key []byte, now time.Time) (*kit.Kit, identity.Grant, error) {
	k, err := emptyKit(c)
	if err != nil {
		return nil, identity.Grant{}, err
	}
	k.ClientCert, k.ClientKey = cert, key
	return fill(k, c, now)
}

// emptyKit knows the server.
func emptyKit(c *config.Config) (*kit.Kit, error) {
	if c.Serve.PublicURL == "" {
		return nil, fmt.Errorf("%s: serve.public_url is needed to tell clients where the server is", c.Path)
	}
	if c.Serve.ServerCA == "" {
		return nil, fmt.Errorf("%s: serve.server_ca is needed: the CA certificates by which clients recognise this server", c.Path)
	}
	public, err := url.Parse(c.Serve.PublicURL)
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(c.Serve.ServerCA)
	if err != nil {
		return nil, fmt.Errorf("reading serve.server_ca: %w", err)
	}
	return &kit.Kit{Host: public.Hostname(), URL: c.Serve.PublicURL, ServerCA: ca}, nil
}

// credentials are on record; the key is nil where it never left the client.
func credentials(c *config.Config, name string) (cert, key []byte, err error) {
	clients, err := Clients(c)
	if err != nil {
		return nil, nil, err
	}
	certFile, keyFile, err := clients.Files(name)
	if err != nil {
		return nil, nil, err
	}
	if cert, err = os.ReadFile(certFile); err != nil {
		return nil, nil, fmt.Errorf("reading the certificate of %s, see client add: %w", name, err)
	}
	if key, err = os.ReadFile(keyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("reading the key of %s: %w", name, err)
	}
	return cert, key, nil
}

// fill adds the sources.
func fill(k *kit.Kit, c *config.Config, now time.Time) (*kit.Kit, identity.Grant, error) {
	grant, err := grantOf(c, k.ClientCert, now)
	if err != nil {
		return nil, grant, err
	}
	for _, r := range c.Repositories {
		suites := c.SuitesOf(r)
		if !grant.Empty() {
			suites = readable(grant, r.Name, suites)
		}
		if len(suites) == 0 {
			continue
		}
		s, err := sources(c, r, suites)
		if err != nil {
			return nil, grant, err
		}
		k.Sources = append(k.Sources, s...)
	}
	return k, grant, nil
}

func readable(grant identity.Grant, repository string, suites []string) []string {
	return slices.DeleteFunc(slices.Clone(suites), func(s string) bool { return !grant.MayRead(repository, s) })
}

// grantOf is what the server would let the holder of a certificate do. That a
// revocation list is stale is no fault of the certificate: the daemon renews
// the built-in CA's when it starts.
func grantOf(c *config.Config, cert []byte, now time.Time) (identity.Grant, error) {
	trust, err := Trust(c.Serve)
	if err != nil {
		return identity.Grant{}, err
	}
	grants, err := Grants(c)
	if err != nil {
		return identity.Grant{}, err
	}
	chain, err := pki.ReadCertificates(cert)
	if err != nil {
		return identity.Grant{}, err
	}
	refused := (*identity.RefusedError)(nil)
	if _, err := trust.Identify(chain, now); errors.As(err, &refused) && refused.Reason != identity.StaleCRL {
		return identity.Grant{}, fmt.Errorf("the server would refuse this certificate: %w", err)
	}
	id, err := identity.Of(chain[0], c.Serve.CNAllowed)
	return grants.For(id), err
}

// Readable is what a grant comes to: repositories of the configuration, or
// suites of those that are not readable whole.
func Readable(c *config.Config, grant identity.Grant) (names []string) {
	for _, r := range c.Repositories {
		all := c.SuitesOf(r)
		suites := readable(grant, r.Name, all)
		if len(suites) == len(all) {
			names = append(names, r.Name)
			continue
		}
		for _, s := range suites {
			names = append(names, r.Name+"/"+s)
		}
	}
	return names
}

// archiveOf gives the archive of a repository; a valid configuration has it.
func archiveOf(c *config.Config, r config.Repository) config.Archive {
	i := slices.IndexFunc(c.Archives, func(a config.Archive) bool { return a.Name == r.Archive })
	return c.Archives[i]
}

// sources are the stanzas for some suites of a repository, one for a verbatim one.
func sources(c *config.Config, r config.Repository, suites []string) ([]kit.Source, error) {
	if r.Built() {
		return builtSources(c, r, suites)
	}
	a := archiveOf(c, r)
	keys, err := Keyring(a)
	if err != nil {
		return nil, err
	}
	var keyring bytes.Buffer
	if err := keys.Write(&keyring); err != nil {
		return nil, err
	}
	s := kit.Source{Repository: r.Name, Suites: suites, Components: a.Components, Keyring: keyring.Bytes()}
	return []kit.Source{withTypes(s, a.Architectures)}, nil
}

// withTypes sorts out what apt calls types, since "source" is no architecture to it.
func withTypes(s kit.Source, architectures []string) kit.Source {
	s.Architectures = slices.DeleteFunc(slices.Clone(architectures), func(a string) bool { return a == "source" })
	if len(s.Architectures) > 0 || len(architectures) == 0 {
		s.Types = append(s.Types, "deb")
	}
	if len(s.Architectures) < len(architectures) {
		s.Types = append(s.Types, "deb-src")
	}
	return s
}

// Keyring loads the keyring files that an archive names, restricted to the
// fingerprints that stand beside them.
func Keyring(a config.Archive) (*pgp.Keyring, error) {
	keys, err := signers(a.SignedBy)
	if err != nil {
		return nil, fmt.Errorf("archive %s: loading signed_by: %w", a.Name, err)
	}
	return keys, nil
}

// Uploaders loads the keyring files that a pool names; nil where it names none
// and takes packages without signature.
func Uploaders(p config.Pool) (*pgp.Keyring, error) {
	if len(p.SignedBy) == 0 {
		return nil, nil
	}
	keys, err := signers(p.SignedBy)
	if err != nil {
		return nil, fmt.Errorf("pool %s: loading signed_by: %w", p.Name, err)
	}
	return keys, nil
}

// signers reads files and pinned fingerprints.
func signers(signedBy []string) (*pgp.Keyring, error) {
	var files, pins []string
	for _, s := range signedBy {
		if s[0] == '/' {
			files = append(files, s)
		} else {
			pins = append(pins, s)
		}
	}
	keys, err := pgp.LoadKeyring(files...)
	if err != nil || len(pins) == 0 {
		return keys, err
	}
	return keys.Pin(pins...)
}
