package site

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/kit"
	"aptmirror/upstream/pgp"
)

// Kit gathers what the client called name needs to use this site.
func Kit(c *config.Config, name string) (*kit.Kit, error) {
	clients, err := Clients(c)
	if err != nil {
		return nil, err
	}
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
	k := &kit.Kit{Host: public.Hostname(), URL: c.Serve.PublicURL}
	certFile, keyFile, err := clients.Files(name)
	if err != nil {
		return nil, err
	}
	for file, into := range map[string]*[]byte{certFile: &k.ClientCert, keyFile: &k.ClientKey, c.Serve.ServerCA: &k.ServerCA} {
		*into, err = os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && file == keyFile { // it never left the client
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("gathering the kit of %s: %w", name, err)
		}
	}
	for _, r := range c.Repositories {
		s, err := source(c, r)
		if err != nil {
			return nil, err
		}
		k.Sources = append(k.Sources, s)
	}
	return k, nil
}

func source(c *config.Config, r config.Repository) (kit.Source, error) {
	i := slices.IndexFunc(c.Archives, func(a config.Archive) bool { return a.Name == r.Archive })
	a := c.Archives[i]
	keys, err := Keyring(a)
	if err != nil {
		return kit.Source{}, err
	}
	var keyring bytes.Buffer
	if err := keys.Write(&keyring); err != nil {
		return kit.Source{}, err
	}
	s := kit.Source{Repository: r.Name, Suites: a.Suites, Components: a.Components, Keyring: keyring.Bytes()}
	for _, arch := range a.Architectures {
		if arch != "source" {
			s.Architectures = append(s.Architectures, arch)
		}
	}
	if len(s.Architectures) > 0 {
		s.Types = append(s.Types, "deb")
	}
	if len(s.Architectures) < len(a.Architectures) {
		s.Types = append(s.Types, "deb-src")
	}
	return s, nil
}

// Keyring loads the keyring files that an archive names, restricted to the
// fingerprints that stand beside them.
func Keyring(a config.Archive) (*pgp.Keyring, error) {
	var files, pins []string
	for _, s := range a.SignedBy {
		if s[0] == '/' {
			files = append(files, s)
		} else {
			pins = append(pins, s)
		}
	}
	keys, err := pgp.LoadKeyring(files...)
	if err == nil && len(pins) > 0 {
		keys, err = keys.Pin(pins...)
	}
	if err != nil {
		return nil, fmt.Errorf("archive %s: loading signed_by: %w", a.Name, err)
	}
	return keys, nil
}
