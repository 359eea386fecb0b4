package site

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"aptmirror/cmd/aptmirror/config"
)

// ServiceUser is whom the Debian package makes for the daemon.
const ServiceUser = "aptmirror"

// HandOver gives the keys, certificates and client records of a new site to
// ServiceUser, where root has made it on a host that has that user: the daemon
// could not read them otherwise. The configuration stays root's. It is for a
// folder that nobody else could write to so far.
func HandOver(c *config.Config) error {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup(ServiceUser)
	if unknown := user.UnknownUserError(""); errors.As(err, &unknown) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking whether there is a user %s: %w", ServiceUser, err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return err
	}
	for _, dir := range []string{"tls", "keys", "clients"} {
		if err := giveTree(filepath.Join(filepath.Dir(c.Path), dir), uid, gid); err != nil {
			return fmt.Errorf("giving %s to %s: %w", dir, ServiceUser, err)
		}
	}
	return nil
}

// giveTree gives a folder last, so that its new owner cannot change what is
// still to be given.
func giveTree(dir string, uid, gid int) error {
	var all []string
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		all = append(all, name)
		return err
	})
	for i := len(all) - 1; i >= 0 && err == nil; i-- {
		err = os.Lchown(all[i], uid, gid)
	}
	return err
}
