package site

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/kit"
	"aptmirror/resign"
)

// SigningKeys loads the keys that entries of sign_with mean.
func SigningKeys(c *config.Config, signWith []string) ([]*resign.Key, error) {
	return loadKeys(c, signWith, resign.KeySource.Load)
}

// PublicKeys is SigningKeys for who passes the public halves on; it needs no
// passphrase, which may be one that only the service has.
func PublicKeys(c *config.Config, signWith []string) ([]*resign.Key, error) {
	return loadKeys(c, signWith, resign.KeySource.LoadPublic)
}

func loadKeys(c *config.Config, signWith []string, load func(resign.KeySource) (*resign.Key, error)) ([]*resign.Key, error) {
	var keys []*resign.Key
	for _, entry := range signWith {
		k := c.KeyOf(entry)
		key, err := load(resign.KeySource{
			Private: k.Private, Passphrase: k.Passphrase, Credentials: os.Getenv("CREDENTIALS_DIRECTORY"), Public: k.Public, Command: k.Command,
		})
		if err != nil {
			return nil, fmt.Errorf("loading sign_with: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// builtSources are the stanzas for some suites of a built repository: those with the same contents in one.
func builtSources(c *config.Config, r config.Repository, suites []string) ([]kit.Source, error) {
	keys, err := PublicKeys(c, r.SignWith)
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", r.Name, err)
	}
	var keyring bytes.Buffer
	for _, k := range keys {
		if err := k.WritePublic(&keyring, false); err != nil {
			return nil, err
		}
	}
	var all []kit.Source
	bringsKeys := slices.ContainsFunc(r.Suites, func(s config.Suite) bool { return s.KeyringPackage && slices.Contains(suites, s.Name) })
	for _, suite := range r.Suites {
		if !slices.Contains(suites, suite.Name) {
			continue
		}
		has := c.ContentsOf(suite)
		s := withTypes(kit.Source{Repository: r.Name, Components: has.Components, Keyring: keyring.Bytes()}, has.Architectures)
		if bringsKeys {
			s.KeyringPackage = resign.Keyring{Repository: r.Name}.Name()
		}
		i := slices.IndexFunc(all, func(other kit.Source) bool { return sameContents(s, other) })
		if i < 0 {
			i, all = len(all), append(all, s)
		}
		all[i].Suites = append(all[i].Suites, suite.Name)
	}
	return all, nil
}

func sameContents(a, b kit.Source) bool {
	return slices.Equal(a.Components, b.Components) && slices.Equal(a.Architectures, b.Architectures) && slices.Equal(a.Types, b.Types)
}
