package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/resign"
)

func keyCommand() *cli.Command {
	algorithm := &cli.StringFlag{Name: "algorithm", Usage: "`KIND` of key: ed25519, or rsa4096 for clients older than Debian 9", Value: string(resign.EdDSA)}
	userID := &cli.StringFlag{Name: "name", Usage: "who the key says it belongs to", Value: "aptmirror site key"}
	passphrase := &cli.StringFlag{Name: "passphrase-file", Usage: "encrypt the key with what is in `FILE`, which only its owner may read"}
	return &cli.Command{
		Name:  "key",
		Usage: "the keys with which built repositories are signed",
		Subcommands: []*cli.Command{
			{
				Name: "create", Usage: "make a key, keys/NAME.asc beside the configuration", ArgsUsage: "NAME",
				Description: "Nothing is signed with it until a repository names it in sign_with.",
				UsageText:   "aptmirror key create site\naptmirror key create old-clients --algorithm rsa4096",
				Flags:       []cli.Flag{algorithm, userID, passphrase}, Action: keyCreate,
			},
			{
				Name: "list", Usage: "list the keys of the configuration, what they sign and when they end",
				UsageText: "aptmirror key list\naptmirror key list --json", Action: keyList,
			},
			{
				Name: "rotate", Usage: "replace the key of a repository, in two steps", ArgsUsage: "REPOSITORY",
				Description: "The first step makes a new key, to sign beside the old one: clients that trust either are\n" +
					"content, and get the new one with apt upgrade, by the package REPOSITORY-archive-keyring. The\n" +
					"second, when all have it, drops the old key. Each step says what to change in the configuration.",
				UsageText: "aptmirror key rotate site", Flags: []cli.Flag{algorithm, userID}, Action: keyRotate,
			},
			{
				Name: "export", Usage: "write the public keys of a repository, or one key of sign_with", ArgsUsage: "REPOSITORY|KEY",
				Description: "Signed-By of sources.list(5) takes both forms; gpgv reads only the binary one.",
				UsageText:   "aptmirror key export site > site.asc\naptmirror key export site --binary --out /usr/share/keyrings/site.gpg",
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "binary", Usage: "for a .gpg file, instead of armoured for .asc"},
					&cli.StringFlag{Name: "out", Usage: "write to `FILE` instead of standard output"},
				}, Action: keyExport,
			},
		},
		Action: unknownSubcommand,
	}
}

var keyNameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func keyCreate(c *cli.Context) error {
	if c.NArg() != 1 || !keyNameForm.MatchString(c.Args().First()) {
		return usagef("key create takes one NAME of letters, digits and . _ -")
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	path, key, err := makeKey(c, loaded, c.Args().First())
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; choose another name, or let aptmirror key rotate replace it in a repository", err)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, describe(path, key, key.Created()))
	}
	fmt.Fprintf(c.App.Writer, "made %s, %s, in %s\n", key.Fingerprint(), key.Algorithm(), path)
	use := relativeTo(loaded, path)
	if file := c.String("passphrase-file"); file != "" {
		if file, err = filepath.Abs(file); err != nil {
			return err
		}
		fmt.Fprintf(c.App.ErrWriter, "next: in %s\n\n[[key]]\nname = %q\nprivate = %q\npassphrase = %q\n\n", loaded.Path, c.Args().First(), use, "file:"+file)
		use = "key:" + c.Args().First()
	}
	fmt.Fprintf(c.App.ErrWriter, "next: name it in the repository that it shall sign, sign_with = [%q], and run aptmirror reload\n", use)
	return nil
}

// relativeTo is a path as the configuration would have it.
func relativeTo(c *config.Config, path string) string {
	if rel, err := filepath.Rel(filepath.Dir(c.Path), path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

// siteKey is a key of the configuration.
type siteKey struct {
	Key         string    `json:"key"` // as in sign_with
	Fingerprint string    `json:"fingerprint,omitempty"`
	Algorithm   string    `json:"algorithm,omitempty"`
	Name        string    `json:"name,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	Expires     time.Time `json:"expires,omitzero"`
	Signs       []string  `json:"signs"`             // repositories, and "bundles"
	Problem     string    `json:"problem,omitempty"` // why it cannot sign
}

func describe(entry string, key *resign.Key, now time.Time) siteKey {
	k := siteKey{Key: entry, Fingerprint: key.Fingerprint(), Algorithm: key.Algorithm(), Name: key.UserID(), Created: key.Created(), Expires: key.Expires(), Signs: []string{}}
	if err := key.Check(now); err != nil {
		k.Problem = err.Error()
	}
	return k
}

func keyList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	keys, rows, failed := siteKeys(loaded, clock()), [][]string{}, error(nil)
	for _, k := range keys {
		end := "never"
		if !k.Expires.IsZero() {
			end = k.Expires.Format(time.DateOnly)
		}
		if k.Problem != "" {
			failed = errSilent
			fmt.Fprintf(c.App.ErrWriter, "aptmirror: %s: %s\n", k.Key, k.Problem)
			end = "-"
		}
		rows = append(rows, []string{k.Key, k.Fingerprint, k.Algorithm, when(k.Created), end, strings.Join(k.Signs, " ")})
	}
	if c.Bool("json") {
		return errors.Join(printJSON(c.App.Writer, keys), failed)
	}
	if len(rows) == 0 {
		return nil
	}
	return errors.Join(printTable(c.App.Writer, []string{"KEY", "FINGERPRINT", "KIND", "CREATED", "ENDS", "SIGNS"}, rows), failed)
}

// siteKeys are all that the configuration names, in its order.
func siteKeys(c *config.Config, now time.Time) []siteKey {
	keys := []siteKey{}
	add := func(entry, signs string) {
		i := slices.IndexFunc(keys, func(k siteKey) bool { return k.Key == entry })
		if i < 0 {
			i = len(keys)
			keys = append(keys, load(c, entry, now))
		}
		if signs != "" {
			keys[i].Signs = append(keys[i].Signs, signs)
		}
	}
	for _, r := range c.Repositories {
		for _, entry := range r.SignWith {
			add(entry, r.Name)
		}
	}
	for _, entry := range c.Bundles.SignWith {
		add(entry, "bundles")
	}
	for _, k := range c.Keys {
		add("key:"+k.Name, "")
	}
	return keys
}

func load(c *config.Config, entry string, now time.Time) siteKey {
	loaded, err := site.SigningKeys(c, []string{entry})
	if err != nil {
		return siteKey{Key: entry, Signs: []string{}, Problem: err.Error()}
	}
	return describe(entry, loaded[0], now)
}

func keyExport(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("key export takes one REPOSITORY, or a key as key list shows it")
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	keys, err := keysNamed(loaded, c.Args().First())
	if err != nil {
		return err
	}
	ring, err := resign.PublicKeys(keys, !c.Bool("binary"))
	if err != nil {
		return err
	}
	if file := c.String("out"); file != "" {
		return os.WriteFile(file, ring, 0o644)
	}
	_, err = c.App.Writer.Write(ring)
	return err
}

// keysNamed are those of a repository, or one by its entry in sign_with.
func keysNamed(c *config.Config, name string) ([]*resign.Key, error) {
	if r, err := builtRepository(c, name); err == nil {
		return site.PublicKeys(c, r.SignWith)
	}
	for _, k := range siteKeys(c, clock()) {
		if k.Key == name || relativeTo(c, k.Key) == name {
			return site.PublicKeys(c, []string{k.Key})
		}
	}
	return nil, usagef("%s has neither a repository nor a key %q (see aptmirror key list)", c.Path, name)
}
