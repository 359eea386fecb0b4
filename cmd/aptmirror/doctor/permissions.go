package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
)

// permissions looks whether the user of the service can use what it needs, and
// whether nobody else can read what is secret.
func (d *Doctor) permissions(context.Context) []Finding {
	f := &findings{check: "permissions"}
	who, err := serviceUser(d.Config.State)
	if err != nil {
		f.bad(d.Config.State, err.Error(), "")
		return f.list
	}
	if own := uint32(os.Geteuid()); own != 0 && own != who.uid {
		f.note("", "run as "+strings.TrimSuffix("root or "+who.name, " or root")+" to have everything looked at")
	}
	if _, err := os.Stat(d.Config.State); err == nil && who.uid == 0 {
		f.warn(d.Config.State, "the store belongs to root: a daemon needs no such rights", fmt.Sprintf(
			"install the Debian package, or: adduser --system --group %[1]s; then stop what serves, chown -R %[1]s: %[2]s, and serve as that user", site.ServiceUser, d.Config.State))
	}
	d.stateMode(f)
	for _, file := range secrets(d.Config) {
		aboutSecret(f, file, who)
	}
	for _, file := range public(d.Config) {
		who.mustRead(f, file)
	}
	for _, dir := range written(d.Config) {
		who.mustWrite(f, dir)
	}
	for _, p := range d.Config.Pools {
		if _, err := os.Stat(p.Incoming); p.Incoming != "" && errors.Is(err, fs.ErrNotExist) {
			f.bad(p.Incoming, "the incoming folder of pool "+p.Name+" does not exist", fmt.Sprintf("install -d -o %d -g %d %s", who.uid, who.gid, p.Incoming))
		}
	}
	if len(f.list) == 0 {
		f.ok("", fmt.Sprintf("%s can use all files, and secrets are its own", who.name))
	}
	return f.list
}

func (d *Doctor) stateMode(f *findings) {
	info, err := os.Stat(d.Config.State)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		f.warn(d.Config.State, fmt.Sprintf("others can look into the store (mode %#o)", info.Mode().Perm()), "chmod 700 "+d.Config.State)
	}
}

// secrets are files that nobody but the service may read.
func secrets(c *config.Config) (files []string) {
	files = append(files, c.Serve.Key, c.Clients.CAKey)
	for _, r := range c.Repositories {
		for _, s := range r.SignWith {
			files = append(files, c.KeyOf(s).Private, strings.TrimPrefix(c.KeyOf(s).Passphrase, "file:"))
		}
	}
	for _, a := range c.Archives {
		files = append(files, a.Auth, a.ClientKey)
	}
	return existingPaths(files)
}

// public are files that the service must read.
func public(c *config.Config) (files []string) {
	files = append(files, c.Path, c.Serve.Cert, c.Serve.ServerCA, c.Clients.CACert)
	files = append(append(files, c.Serve.ClientCA...), c.Serve.CRL...)
	for _, a := range c.Archives {
		files = append(append(files, a.SignedBy...), a.CA, a.ClientCert)
	}
	return existingPaths(files)
}

// written are folders that the service makes files in.
func written(c *config.Config) (dirs []string) {
	if c.Clients.Dir != "" {
		dirs = append(dirs, c.Clients.Dir)
	}
	if c.Clients.Dir != "" && len(c.Serve.CRL) > 0 {
		dirs = append(dirs, filepath.Dir(c.Serve.CRL[0]))
	}
	for _, p := range c.Pools {
		dirs = append(dirs, p.Incoming)
	}
	return existingPaths(dirs)
}

// existingPaths drops what is no path, what occurs twice, and what other checks
// say is missing.
func existingPaths(files []string) (out []string) {
	seen := map[string]bool{}
	for _, f := range files {
		if !filepath.IsAbs(f) || seen[f] {
			continue
		}
		seen[f] = true
		if _, err := os.Stat(f); !errors.Is(err, fs.ErrNotExist) {
			out = append(out, f)
		}
	}
	return out
}

// account is whom the service runs as: the owner of the store.
type account struct {
	uid, gid uint32
	name     string
}

// serviceUser is, where there is no store yet, whom the package has made for the
// service, or else this process's user.
func serviceUser(state string) (account, error) {
	who := account{uint32(os.Geteuid()), uint32(os.Getegid()), ""}
	var st syscall.Stat_t
	switch err := syscall.Stat(state, &st); {
	case err == nil:
		who.uid, who.gid = st.Uid, st.Gid
	case !errors.Is(err, fs.ErrNotExist):
		return who, fmt.Errorf("looking whose store it is: %w", err)
	case who.uid == 0:
		who = packageUser(who)
	}
	who.name = "user " + strconv.FormatUint(uint64(who.uid), 10)
	if u, err := user.LookupId(strconv.FormatUint(uint64(who.uid), 10)); err == nil {
		who.name = u.Username
	}
	return who, nil
}

// packageUser is otherwise where the package is not installed.
func packageUser(otherwise account) account {
	u, err := user.Lookup(site.ServiceUser)
	if err != nil {
		return otherwise
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		return otherwise
	}
	return account{uint32(uid), uint32(gid), ""}
}

// may reports whether the mode of a file gives the rights to the account: 4 to
// read, 2 to write, 1 to pass through.
func (a account) may(st syscall.Stat_t, rights uint32) bool {
	switch {
	case a.uid == 0:
		return true
	case st.Uid == a.uid:
		return st.Mode>>6&rights == rights
	case st.Gid == a.gid:
		return st.Mode>>3&rights == rights
	}
	return st.Mode&rights == rights
}

// blocked is the first directory on the way to a file that the account cannot
// pass, or "".
func (a account) blocked(file string) string {
	var above []string
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		above = append(above, dir)
		if dir == "/" || dir == "." {
			break
		}
	}
	for i := len(above) - 1; i >= 0; i-- {
		var st syscall.Stat_t
		if err := syscall.Stat(above[i], &st); err != nil || !a.may(st, 1) {
			return above[i]
		}
	}
	return ""
}

func (a account) mustRead(f *findings, file string) {
	if dir := a.blocked(file); dir != "" {
		f.bad(file, fmt.Sprintf("%s cannot get to it: %s keeps it out", a.name, dir), fmt.Sprintf("chmod a+x %s, or chgrp it to the group of %s and chmod g+x", dir, a.name))
		return
	}
	var st syscall.Stat_t
	if err := syscall.Stat(file, &st); err != nil {
		f.bad(file, err.Error(), "")
	} else if !a.may(st, 4) {
		f.bad(file, fmt.Sprintf("%s cannot read it", a.name), a.readMend(file))
	}
}

func (a account) readMend(file string) string {
	return fmt.Sprintf("chgrp %d %s && chmod g+r %s", a.gid, file, file)
}

func (a account) mustWrite(f *findings, dir string) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		f.bad(dir, err.Error(), "")
	} else if !a.may(st, 3) || a.blocked(dir) != "" {
		f.bad(dir, fmt.Sprintf("%s cannot write into it", a.name), fmt.Sprintf("chown %d:%d %s", a.uid, a.gid, dir))
	}
}

// aboutSecret wants a file that the service can read and nobody else can.
func aboutSecret(f *findings, file string, who account) {
	var st syscall.Stat_t
	if err := syscall.Stat(file, &st); err != nil {
		f.bad(file, err.Error(), "")
		return
	}
	if st.Mode&0o007 != 0 {
		f.bad(file, fmt.Sprintf("everybody can get at this secret (mode %#o)", st.Mode&0o777), "chmod o= "+file)
	}
	if st.Uid != who.uid && st.Uid != 0 {
		f.bad(file, fmt.Sprintf("belongs to user %d, who can read and replace it", st.Uid), fmt.Sprintf("chown %d:%d %s", who.uid, who.gid, file))
		return
	}
	who.mustRead(f, file)
}
