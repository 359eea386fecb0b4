package site

import (
	"fmt"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/cmd/aptmirror/config"
)

// Import turns the apt sources below root ("": this machine's) into archives.
// What cannot be mirrored comes back as lines for a person.
func Import(root string) (archives []config.Archive, embedded map[string][]byte, leftOut []string, err error) {
	sources, skipped, err := aptsources.Read(root)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading this machine's apt sources: %w", err)
	}
	trusted, err := aptsources.TrustedKeyrings(root)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading this machine's trusted keyrings: %w", err)
	}
	found, more := aptsources.Archives(sources)
	embedded = map[string][]byte{}
	for _, a := range found {
		c := config.Archive{
			Name: a.Name, URIs: []string{a.URI}, Suites: a.Suites, Components: a.Components, Architectures: a.Architectures,
			Languages: a.Languages, SignedBy: a.SignedBy, Refresh: config.DefaultRefresh, Download: config.OnDemand,
		}
		switch {
		case a.SignedByKey != nil:
			embedded[a.Name] = a.SignedByKey
		case !a.HasKeyring() && len(trusted) == 0:
			leftOut = append(leftOut, fmt.Sprintf("%s (%s): no keyring to verify it with", a.Name, a.URI))
			continue
		case !a.HasKeyring():
			c.SignedBy = append(append([]string{}, trusted...), a.SignedBy...)
		}
		archives = append(archives, c)
	}
	for _, s := range append(skipped, more...) {
		leftOut = append(leftOut, s.String())
	}
	return archives, embedded, leftOut, nil
}
