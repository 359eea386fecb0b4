package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/resign"
)

// makeKey writes a new private key, for the owner of the state directory.
func makeKey(c *cli.Context, loaded *config.Config, name string) (path string, key *resign.Key, err error) {
	var passphrase []byte
	if file := c.String("passphrase-file"); file != "" {
		if passphrase, err = resign.ReadPassphrase(file); err != nil {
			return "", nil, err
		}
	}
	made, err := ownSecond(c.Context, knownKeys(loaded))
	if err != nil {
		return "", nil, err
	}
	if key, err = resign.NewKeyAt(made, c.String("name"), "", resign.Algorithm(c.String("algorithm"))); err != nil {
		return "", nil, usageError{err}
	}
	path = keyFile(loaded, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("making a key: %w", err)
	}
	err = errors.Join(key.WriteProtected(f, passphrase), f.Sync(), giveToOwnerIfAny(f, loaded.State), f.Close())
	if err != nil {
		os.Remove(path)
	}
	return path, key, err
}

func keyFile(c *config.Config, name string) string {
	return filepath.Join(filepath.Dir(c.Path), "keys", name+".asc")
}

// giveToOwnerIfAny is giveToOwner for a folder that may not be there yet.
func giveToOwnerIfAny(f *os.File, dir string) error {
	err := giveToOwner(f, dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// ownSecond waits for a second that is later than what other keys were made or
// changed in: versions of keyring packages begin with the newest, and clients
// shall follow a rotation however soon it comes. Keys from further ahead are
// those of a clock that was wrong, and are not waited for.
func ownSecond(ctx context.Context, others []*resign.Key) (time.Time, error) {
	now := clock()
	taken := func(k *resign.Key) bool { return k.Changed().Equal(now.UTC().Truncate(time.Second)) }
	if !slices.ContainsFunc(others, taken) {
		return now, nil
	}
	next := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
	defer next.Stop()
	select {
	case <-next.C:
		return clock(), nil
	case <-ctx.Done():
		return now, context.Cause(ctx)
	}
}

// knownKeys are those of the configuration and those beside it, as far as they
// can be read.
func knownKeys(c *config.Config) (keys []*resign.Key) {
	for _, k := range siteKeys(c, clock()) {
		if known, err := site.PublicKeys(c, []string{k.Key}); err == nil {
			keys = append(keys, known...)
		}
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Path), "keys", "*.asc")) // the pattern is well formed but for odd folders
	for _, file := range files {
		if k, err := (resign.KeySource{Private: file}).LoadPublic(); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}
