package proxy

import (
	"net/url"
	"path"
	"strings"
)

// packageOf reads name and version of a package out of the name of one of its
// files, as dpkg and dpkg-source write them: NAME_VERSION_ARCHITECTURE.deb, and
// NAME_VERSION.dsc with the other files of a source, whose version may lack the
// revision. An epoch is only there where the archive has it in file names.
func packageOf(file string) (name, version string) {
	base := path.Base(file)
	if strings.Contains(base, "%") {
		if decoded, err := url.PathUnescape(base); err == nil {
			base = decoded
		}
	}
	name, rest, ok := strings.Cut(base, "_")
	if !ok {
		return "", ""
	}
	switch path.Ext(rest) {
	case ".deb", ".udeb", ".ddeb":
		version, _, ok = strings.Cut(rest, "_")
	default:
		version, ok = sourceVersion(rest)
	}
	if !ok || name == "" || version == "" {
		return "", ""
	}
	return name, version
}

// sourceVersion cuts off what follows the version in the name of a source's file.
func sourceVersion(rest string) (version string, ok bool) {
	for _, behind := range []string{".orig.tar.", ".orig-", ".debian.tar.", ".diff.gz", ".dsc", ".tar."} {
		if version, _, ok = strings.Cut(rest, behind); ok {
			return version, true
		}
	}
	return "", false
}
