// Deb builds the Debian package of aptmirror from this tree:
//
//	go run ./systemd/deb [-arch amd64] [-version 1.2] [-out FOLDER]
//
// It compiles the program, has it write its man pages and completions, and packs
// them with units, scripts and an example configuration. The same commit gives
// the same bytes: every date is that of the commit, or SOURCE_DATE_EPOCH. Run it
// at the root of the tree.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
)

func main() {
	arch := flag.String("arch", runtime.GOARCH, "architecture to build for, as Go calls it")
	version := flag.String("version", "", "version of the package (default: from git)")
	out := flag.String("out", ".", "folder for the package")
	flag.Parse()
	name, err := pack(*arch, *version, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "deb:", err)
		os.Exit(1)
	}
	fmt.Println(name)
}

// pack gives the name of the package that it made.
func pack(arch, version, out string) (string, error) {
	at, err := commit(version)
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp("", "aptmirror-deb-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	contents, err := stage(work, arch, at)
	if err != nil {
		return "", err
	}
	info := describe(arch, at)
	info.Contents = contents
	if err := nfpm.PrepareForPackager(nfpm.WithDefaults(info), "deb"); err != nil {
		return "", fmt.Errorf("checking what the package is to hold: %w", err)
	}
	name := filepath.Join(out, deb.Default.ConventionalFileName(info))
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	if err := deb.Default.Package(info, f); err != nil {
		f.Close()
		return "", fmt.Errorf("packing %s: %w", name, err)
	}
	return name, f.Close()
}

func describe(arch string, at revision) *nfpm.Info {
	return &nfpm.Info{
		Name: "aptmirror", Arch: arch, Version: at.version, VersionSchema: "none", MTime: at.date,
		Section: "net", Priority: "optional", Maintainer: maintainer,
		Description: "verified mirror of Debian and Ubuntu archives for a site\n" +
			"Pulls from upstream archives and verifies their Release signatures, caches\n" +
			"files, optionally filters, merges and re-signs the indexes with the site's\n" +
			"own key, and serves all of it to machines that present a client certificate.",
		Overridables: nfpm.Overridables{
			Depends: []string{
				"ca-certificates",
				"systemd | systemd-standalone-sysusers | systemd-sysusers",
				"systemd | systemd-standalone-tmpfiles | systemd-tmpfiles",
			},
			Recommends: []string{"debian-archive-keyring | ubuntu-keyring"},
			Scripts: nfpm.Scripts{
				PostInstall: scripts + "postinst", PreRemove: scripts + "prerm", PostRemove: scripts + "postrm",
			},
			Deb: nfpm.Deb{Compression: "xz", Predepends: []string{"init-system-helpers (>= 1.54~)"}},
		},
	}
}

const (
	maintainer = "aptmirror maintainers <aptmirror@mirror.example.org>"
	scripts    = "systemd/deb/scripts/"
)
