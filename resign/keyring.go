package resign

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"aptmirror/resign/deb"
)

// maxKeys is the number of keys of a repository above which no keyring is made: two are a rotation.
const maxKeys = 16

// Keyring is the package NAME-archive-keyring by which clients get the public halves of a repository's keys, and with
// them follow a rotation: it brings /usr/share/keyrings/NAME-archive-keyring.gpg and .asc.
type Keyring struct {
	Repository string
	Host       string // of the repository's address, for people
	Keys       []*Key
}

// Name is the package's name. Characters that Debian does not allow in one are replaced.
func (k Keyring) Name() string {
	name := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("+-.", r)) {
			return r
		}
		return '-'
	}, strings.ToLower(k.Repository))
	return strings.TrimLeft(name, "+-.") + "-archive-keyring"
}

// Deb makes the package. The same keyring always gives the same bytes, and the version rises with each step of a
// rotation: it begins with the time of the newest signature within the keys, which a new key or a later end of an old
// one brings, and goes on with a number that is the higher the fewer keys there are, for those that were dropped. Two
// keyrings that differ otherwise have versions that differ.
func (k Keyring) Deb() ([]byte, error) {
	out, err := k.deb()
	if err != nil {
		return nil, fmt.Errorf("making the keyring package of repository %s: %w", k.Repository, err)
	}
	return out, nil
}

func (k Keyring) deb() ([]byte, error) {
	if len(k.Keys) == 0 || len(k.Keys) > maxKeys {
		return nil, fmt.Errorf("%d keys, from 1 to %d make a keyring", len(k.Keys), maxKeys)
	}
	files, err := k.files()
	if err != nil {
		return nil, err
	}
	version, made := k.version(files)
	doc := "usr/share/doc/" + k.Name() + "/"
	files = append(files,
		deb.File{Path: doc + "changelog.gz", Mode: 0o644, Data: deb.Compressed(k.changelog(version, made))},
		deb.File{Path: doc + "copyright", Mode: 0o644, Data: k.copyright()})
	p := deb.Package{Control: k.control(version), Files: files, Time: made}
	var out bytes.Buffer
	err = p.Write(&out)
	return out.Bytes(), err
}

// files are the keyring in both forms, its keys in the order of their fingerprints.
func (k Keyring) files() (files []deb.File, err error) {
	keys := slices.SortedFunc(slices.Values(k.Keys), func(a, b *Key) int { return strings.Compare(a.Fingerprint(), b.Fingerprint()) })
	for i, key := range keys {
		if i > 0 && key.Fingerprint() == keys[i-1].Fingerprint() {
			return nil, errors.New("one key is given twice")
		}
	}
	binary, err := PublicKeys(keys, false)
	if err != nil {
		return nil, err
	}
	armoured, err := PublicKeys(keys, true)
	if err != nil {
		return nil, err
	}
	base := "usr/share/keyrings/" + k.Name()
	return []deb.File{{Path: base + ".asc", Mode: 0o644, Data: armoured}, {Path: base + ".gpg", Mode: 0o644, Data: binary}}, nil
}

// PublicKeys is one keyring of several keys: armoured for a .asc file, or binary for .gpg.
func PublicKeys(keys []*Key, armoured bool) ([]byte, error) {
	var packets, text bytes.Buffer
	for _, key := range keys {
		if err := key.WritePublic(&packets, false); err != nil {
			return nil, err
		}
	}
	if !armoured {
		return packets.Bytes(), nil
	}
	err := writeArmour(&text, openpgp.PublicKeyType, packets.Bytes())
	return text.Bytes(), err
}

func (k Keyring) version(files []deb.File) (version string, newest time.Time) {
	digest := sha256.New()
	fmt.Fprintln(digest, k.Repository, k.Host)
	for _, f := range files {
		digest.Write(f.Data)
	}
	for _, key := range k.Keys {
		if changed := key.Changed(); changed.After(newest) {
			newest = changed
		}
	}
	return fmt.Sprintf("%s.%02d+%x", newest.Format("20060102.150405"), 99-len(k.Keys), digest.Sum(nil)[:4]), newest
}

// Changed is when the public half became what it is: the time of its newest signature.
func (k *Key) Changed() time.Time {
	newest := k.Created()
	note := func(t time.Time) {
		if t.After(newest) {
			newest = t.UTC()
		}
	}
	for _, sig := range slices.Concat(k.entity.Revocations, k.entity.DirectSignatures) {
		note(sig.Packet.CreationTime)
	}
	for _, id := range k.entity.Identities {
		for _, sig := range slices.Concat(id.SelfCertifications, id.Revocations) {
			note(sig.Packet.CreationTime)
		}
	}
	for i := range k.entity.Subkeys {
		for _, sig := range slices.Concat(k.entity.Subkeys[i].Bindings, k.entity.Subkeys[i].Revocations) {
			note(sig.Packet.CreationTime)
		}
	}
	return newest
}

func (k Keyring) maintainer() string {
	host := k.Host
	if host == "" {
		host = "localhost"
	}
	return fmt.Sprintf("aptmirror on %s <aptmirror@%[1]s>", host)
}

func (k Keyring) control(version string) []byte {
	return fmt.Appendf(nil, `Package: %s
Version: %s
Architecture: all
Maintainer: %s
Section: misc
Priority: optional
Multi-Arch: foreign
Description: keys of the repository %s
 The public keys with which the repository %[4]s signs what it offers. Signed-By
 of a sources.list entry may name the keyring that this package installs, which
 then follows when the repository changes its keys:
 .
  /usr/share/keyrings/%[1]s.gpg
`, k.Name(), version, k.maintainer(), k.Repository)
}

func (k Keyring) changelog(version string, made time.Time) []byte {
	out := fmt.Appendf(nil, "%s (%s) stable; urgency=medium\n\n", k.Name(), version)
	for _, key := range k.Keys {
		out = fmt.Appendf(out, "  * Key %s.\n", key.Fingerprint())
	}
	return fmt.Appendf(out, "\n -- %s  %s\n", k.maintainer(), made.Format(time.RFC1123Z))
}

func (k Keyring) copyright() []byte {
	return fmt.Appendf(nil, `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Comment: Made by aptmirror for the repository %s. It holds nothing but public keys,
 none of which is a work of authorship.

Files: *
Copyright: none
License: public-domain
 Nobody claims rights in these files.
`, k.Repository)
}
