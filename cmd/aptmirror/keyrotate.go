package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/resign"
)

func keyRotate(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("key rotate takes one REPOSITORY")
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	r, err := builtRepository(loaded, c.Args().First())
	if err != nil {
		return err
	}
	keys, err := site.SigningKeys(loaded, r.SignWith)
	if err != nil {
		return err
	}
	if len(keys) > 1 {
		return sayDrop(c, loaded, r, keys)
	}
	path, key, err := makeKey(c, loaded, fmt.Sprintf("%s-%s", r.Name, time.Now().UTC().Format("20060102")))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "made %s, %s, in %s\n", key.Fingerprint(), key.Algorithm(), path)
	return sayChange(c, loaded, r, append(slices.Clone(r.SignWith), path), "clients go on with the old key and get the new one by the package "+
		resign.Keyring{Repository: r.Name}.Name()+"; when all have it, run aptmirror key rotate "+r.Name+" again")
}

// sayDrop tells to keep the newest key alone.
func sayDrop(c *cli.Context, loaded *config.Config, r config.Repository, keys []*resign.Key) error {
	newest := 0
	for i, k := range keys {
		if !k.Created().Before(keys[newest].Created()) {
			newest = i
		}
	}
	for i, k := range keys {
		if i != newest {
			fmt.Fprintf(c.App.Writer, "to drop: %s of %s\n", k.Fingerprint(), when(k.Created()))
		}
	}
	return sayChange(c, loaded, r, r.SignWith[newest:newest+1], "clients that have only the old key refuse the repository from then on; those that follow by a keyring package have the new one")
}

func sayChange(c *cli.Context, loaded *config.Config, r config.Repository, entries []string, then string) error {
	var quoted []string
	for _, e := range entries {
		if filepath.IsAbs(e) {
			e = relativeTo(loaded, e)
		}
		quoted = append(quoted, fmt.Sprintf("%q", e))
	}
	_, err := fmt.Fprintf(c.App.ErrWriter, "next: in the [[repository]] %s of %s, set\n\n  sign_with = [%s]\n\nand run aptmirror reload; %s\n", r.Name, loaded.Path, strings.Join(quoted, ", "), then)
	return err
}

func builtRepository(c *config.Config, name string) (config.Repository, error) {
	i := slices.IndexFunc(c.Repositories, func(r config.Repository) bool { return r.Name == name && r.Built() })
	if i < 0 {
		return config.Repository{}, usagef("%s has no repository %q that is signed here", c.Path, name)
	}
	return c.Repositories[i], nil
}
