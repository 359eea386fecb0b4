package kit

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
)

// keyringName is what the keyring of a source is called everywhere. One that a
// package of the repository itself brings has the name that the package gives it,
// so that the package takes over and brings newer keys.
func (s *Source) keyringName() string {
	if s.KeyringPackage != "" {
		return s.KeyringPackage + ".gpg"
	}
	return "aptmirror-" + s.Repository + ".gpg"
}

// sourcesText writes the stanzas, with the keyrings in the given directory.
func (k *Kit) sourcesText(keyrings string) []byte {
	var text bytes.Buffer
	for i, s := range k.Sources {
		if i > 0 {
			text.WriteByte('\n')
		}
		types := s.Types
		if len(types) == 0 {
			types = []string{"deb"}
		}
		fmt.Fprintf(&text, "Types: %s\n", strings.Join(types, " "))
		fmt.Fprintf(&text, "URIs: %s/%s\n", strings.TrimRight(k.URL, "/"), s.Repository)
		fmt.Fprintf(&text, "Suites: %s\n", strings.Join(s.Suites, " "))
		if len(s.Components) > 0 {
			fmt.Fprintf(&text, "Components: %s\n", strings.Join(s.Components, " "))
		}
		if len(s.Architectures) > 0 {
			fmt.Fprintf(&text, "Architectures: %s\n", strings.Join(s.Architectures, " "))
		}
		fmt.Fprintf(&text, "Signed-By: %s\n", path.Join(keyrings, s.keyringName()))
	}
	return text.Bytes()
}

// keyringFiles returns one file for each repository.
func (k *Kit) keyringFiles(dir string) []File {
	var files []File
	for _, s := range k.Sources {
		name := path.Join(dir, s.keyringName())
		if !slices.ContainsFunc(files, func(f File) bool { return f.Path == name }) {
			files = append(files, File{name, 0o600, s.Keyring})
		}
	}
	return files
}

// keyName is what the private key is called everywhere.
const keyName = "client.key"

// tlsFiles returns the certificates and, if the kit has it, the key.
func (k *Kit) tlsFiles(dir string) []File {
	files := []File{
		{path.Join(dir, "ca.pem"), 0o600, k.ServerCA},
		{path.Join(dir, "client.pem"), 0o600, k.ClientCert},
	}
	if len(k.ClientKey) > 0 {
		files = append(files, File{path.Join(dir, keyName), 0o600, k.ClientKey})
	}
	return files
}

// tlsOptions are the options of apt.conf(5) that make apt identify itself to host. All three
// are needed: apt 2.9.19 and later does not look for the key in the file of the certificate.
func tlsOptions(host, dir string) string {
	return fmt.Sprintf(`Acquire::https::%s {
  CaInfo  "%s/ca.pem";
  SslCert "%[2]s/client.pem";
  SslKey  "%[2]s/client.key";
};
// The mirror is inside: a proxy for the way out does not know it.
Acquire::https::Proxy::%[1]s "DIRECT";
`, host, dir)
}

// marker is the first line of the private apt.conf, by which a kit is known.
const marker = "// aptmirror client kit\n"

// privateConf expects dir to be absolute and checked.
func privateConf(host, dir string) []byte {
	return fmt.Appendf(nil, marker+`//
// A complete configuration of its own. The machine's own apt is neither used nor changed:
//
//   APT_CONFIG=%[1]s/apt.conf apt-get update
//   APT_CONFIG=%[1]s/apt.conf apt-get download hello
//
// The paths are absolute: after moving the directory, write the kit again.

Dir::State "%[1]s/state";
Dir::State::lists "%[1]s/state/lists";
Dir::State::status "%[1]s/state/status";
Dir::State::extended_states "%[1]s/state/extended_states";
Dir::Cache "%[1]s/cache";
Dir::Cache::archives "%[1]s/cache/archives";
Dir::Log "%[1]s/log";
Dir::Etc "%[1]s/etc";
Dir::Etc::main "%[1]s/etc/apt.conf";
Dir::Etc::parts "%[1]s/etc/apt.conf.d";
Dir::Etc::sourcelist "%[1]s/etc/sources.list";
Dir::Etc::sourceparts "%[1]s/etc/sources.list.d";
Dir::Etc::preferences "%[1]s/etc/preferences";
Dir::Etc::preferencesparts "%[1]s/etc/preferences.d";
Dir::Etc::trusted "%[1]s/etc/trusted.gpg";
Dir::Etc::trustedparts "%[1]s/etc/trusted.gpg.d";
Dir::Etc::netrc "%[1]s/etc/auth.conf";
Dir::Etc::netrcparts "%[1]s/etc/auth.conf.d";

// dpkg does not know of this directory: installing would change the machine itself.
APT::Get::Download-Only "true";

%[2]s`, dir, connection(host, dir))
}

// connection is what any apt on this machine needs to use the private form's certificate.
func connection(host, dir string) []byte {
	return []byte(`// Run by root, apt would fetch as user _apt, who cannot read the private key: the key
// belongs to the owner of this directory and to nobody else (0600).
APT::Sandbox::User "root";

` + tlsOptions(host, dir+"/tls"))
}

// private lists the files of the private form, apt.conf first: with it in place, an
// interrupted WriteDir can be repeated.
func (k *Kit) private(host, dir string) []File {
	files := []File{
		{"apt.conf", 0o600, privateConf(host, dir)},
		{"tls.conf", 0o600, connection(host, dir)},
		{"etc/sources.list.d/aptmirror.sources", 0o600, k.sourcesText(dir + "/keyrings")},
	}
	return append(append(files, k.tlsFiles("tls")...), k.keyringFiles("keyrings")...)
}

// privateDirs are the directories that apt expects to find.
func privateDirs() []string {
	return []string{
		"etc/apt.conf.d", "etc/sources.list.d", "etc/preferences.d", "etc/trusted.gpg.d", "etc/auth.conf.d",
		"keyrings", "tls", "state/lists/partial", "cache/archives/partial", "log",
	}
}
