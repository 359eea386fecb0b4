package kit

import (
	_ "embed"
	"fmt"
)

// installScript has no values of the kit in it: it installs what stands beside it.
//
//go:embed install.sh
var installScript []byte

// System lists the files for a real machine, paths relative to its root, and install.sh.
// The modes are those in the kit; install.sh has the ones on the machine.
func (k *Kit) System() ([]File, error) {
	host, err := k.check()
	if err != nil {
		return nil, fmt.Errorf("making client kit: %w", err)
	}
	return k.system(host), nil
}

func (k *Kit) system(host string) []File {
	files := []File{
		{"install.sh", 0o700, installScript},
		{"etc/apt/apt.conf.d/50aptmirror.conf", 0o600, systemConf(host)},
		{"etc/apt/sources.list.d/aptmirror.sources", 0o600, k.sourcesText("/usr/share/keyrings")},
	}
	return append(append(files, k.tlsFiles("etc/aptmirror")...), k.keyringFiles("usr/share/keyrings")...)
}

func systemConf(host string) []byte {
	return []byte(`// Who this machine is towards its mirror. This belongs into apt.conf.d: in auth.conf.d apt
// would ignore it without a word. apt reads the files as user _apt.
` + tlsOptions(host, "/etc/aptmirror"))
}
