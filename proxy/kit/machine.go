package kit

import (
	_ "embed"
	"fmt"
)

// tlsDir is where a machine has its certificate, beside what else is called aptmirror.
const tlsDir = "etc/aptmirror"

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
	files := []File{{"install.sh", 0o700, installScript}}
	for _, f := range k.machine(host) {
		f.Mode = 0o600
		files = append(files, f)
	}
	return files
}

// machine lists the files with the modes that they have on the machine. The one that is
// not for everyone, the key, belongs to the user _apt.
func (k *Kit) machine(host string) []File {
	files := append(k.aptFiles(host), k.keyringFiles("usr/share/keyrings")...)
	files = append(files, k.tlsFiles(tlsDir)...)
	for i, f := range files {
		if files[i].Mode = 0o644; f.Path == tlsDir+"/"+keyName {
			files[i].Mode = 0o400
		}
	}
	return files
}

// aptFiles are apt's own configuration.
func (k *Kit) aptFiles(host string) []File {
	return []File{
		{"etc/apt/apt.conf.d/50aptmirror.conf", 0o644, systemConf(host)},
		{"etc/apt/sources.list.d/aptmirror.sources", 0o644, k.sourcesText("/usr/share/keyrings")},
	}
}

func systemConf(host string) []byte {
	return []byte(`// Who this machine is towards its mirror. This belongs into apt.conf.d: in auth.conf.d apt
// would ignore it without a word. apt reads the files as user _apt.
` + tlsOptions(host, "/"+tlsDir))
}
