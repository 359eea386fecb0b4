package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	plan, then := rotation{Repository: r.Name, Drop: []siteKey{}}, ""
	if len(keys) > 1 {
		plan.SignWith, then = plan.drop(r.SignWith, keys), "clients that have only the old key refuse the repository from then on; those that follow by a keyring package have the new one"
	} else {
		path, key, err := makeKey(c, loaded, freeName(loaded, r.Name+clock().UTC().Format("-20060102")))
		if err != nil {
			return err
		}
		plan.New = new(describe(path, key, key.Created()))
		plan.SignWith, then = append(slices.Clone(r.SignWith), path), "clients go on with the old key and get the new one by the package "+
			resign.Keyring{Repository: r.Name}.Name()+"; when all have it, run aptmirror key rotate "+r.Name+" again"
	}
	for i, entry := range plan.SignWith {
		if filepath.IsAbs(entry) {
			plan.SignWith[i] = relativeTo(loaded, entry)
		}
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, plan)
	}
	plan.print(c, loaded, then)
	return nil
}

// freeName is that of a key that is not there yet: a key that was made and has
// leaked at once is replaced on the same day.
func freeName(c *config.Config, name string) string {
	free := name
	for n := 2; ; n++ {
		if _, err := os.Lstat(keyFile(c, free)); err != nil {
			return free // where it cannot be looked at, making the key tells why
		}
		free = fmt.Sprintf("%s-%d", name, n)
	}
}

// rotation is one step of replacing a key.
type rotation struct {
	Repository string    `json:"repository"`
	SignWith   []string  `json:"sign_with"` // what the configuration has to say
	New        *siteKey  `json:"new,omitempty"`
	Drop       []siteKey `json:"drop"` // keys that sign no longer
}

// drop keeps the newest key alone, and gives its entry.
func (r *rotation) drop(entries []string, keys []*resign.Key) []string {
	newest := 0
	for i, k := range keys {
		if !k.Created().Before(keys[newest].Created()) {
			newest = i
		}
	}
	for i, k := range keys {
		if i != newest {
			r.Drop = append(r.Drop, describe(entries[i], k, clock()))
		}
	}
	return slices.Clone(entries[newest : newest+1])
}

func (r *rotation) print(c *cli.Context, loaded *config.Config, then string) {
	if r.New != nil {
		fmt.Fprintf(c.App.Writer, "made %s, %s, in %s\n", r.New.Fingerprint, r.New.Algorithm, r.New.Key)
	}
	for _, k := range r.Drop {
		fmt.Fprintf(c.App.Writer, "to drop: %s of %s\n", k.Fingerprint, when(k.Created))
	}
	var quoted []string
	for _, entry := range r.SignWith {
		quoted = append(quoted, fmt.Sprintf("%q", entry))
	}
	fmt.Fprintf(c.App.ErrWriter, "next: in the [[repository]] %s of %s, set\n\n  sign_with = [%s]\n\nand run aptmirror reload; %s\n", r.Repository, loaded.Path, strings.Join(quoted, ", "), then)
}

func builtRepository(c *config.Config, name string) (config.Repository, error) {
	i := slices.IndexFunc(c.Repositories, func(r config.Repository) bool { return r.Name == name && r.Built() })
	if i < 0 {
		return config.Repository{}, usagef("%s has no repository %q that is signed here", c.Path, name)
	}
	return c.Repositories[i], nil
}
