package inforce

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"aptmirror/cmd/aptmirror/config"
)

// WatchedFiles are those whose change makes something else of a configuration.
func WatchedFiles(c *config.Config) []string {
	files := slices.Concat([]string{c.Path, c.Serve.Cert, c.Serve.Key}, c.Serve.ClientCA, c.Serve.CRL, makingFiles(c))
	for _, a := range c.Archives {
		files = append(files, archiveFiles(a)...)
	}
	for _, p := range c.Pools {
		files = append(files, keyringFiles(p.SignedBy)...)
	}
	return files
}

// archiveFiles are those that say how an archive is reached and verified.
func archiveFiles(a config.Archive) []string {
	files := keyringFiles(a.SignedBy)
	for _, f := range []string{a.Auth, a.ClientCert, a.ClientKey, a.CA} {
		if f != "" {
			files = append(files, f)
		}
	}
	return files
}

// keyringFiles leaves the fingerprints out of signed_by.
func keyringFiles(signedBy []string) (files []string) {
	for _, s := range signedBy {
		if strings.HasPrefix(s, "/") {
			files = append(files, s)
		}
	}
	return files
}

// makingFiles are those that say what is built and how it is signed.
func makingFiles(c *config.Config) (files []string) {
	for _, p := range c.Policies {
		if p.File != "" {
			files = append(files, p.File)
		}
	}
	for _, r := range c.Repositories {
		for _, entry := range r.SignWith {
			k := c.KeyOf(entry)
			for _, f := range []string{k.Private, k.Public} {
				if f != "" && !slices.Contains(files, f) {
					files = append(files, f)
				}
			}
		}
	}
	return files
}

// Stamps tells whether files changed, in one line for each. The time of the
// last change of the inode cannot be set, unlike that of the bytes.
func Stamps(files []string) string {
	text := ""
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			text += fmt.Sprintln(f, err)
			continue
		}
		inode := info.Sys().(*syscall.Stat_t)
		text += fmt.Sprintln(f, inode.Dev, inode.Ino, inode.Ctim.Nano(), info.ModTime().UnixNano(), info.Size())
	}
	return text
}
