package site

import (
	"fmt"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/upstream/pgp"
)

// BundleKeyring loads the keys of those whose bundles are taken.
func BundleKeyring(c *config.Config) (*pgp.Keyring, error) {
	keys, err := signers(c.Bundles.SignedBy)
	if err != nil {
		return nil, fmt.Errorf("table [bundles]: loading signed_by: %w", err)
	}
	return keys, nil
}
