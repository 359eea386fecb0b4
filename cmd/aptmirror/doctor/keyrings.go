package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/pgp"
)

// keyrings looks whether every archive has a key that still counts.
func (d *Doctor) keyrings(context.Context) []Finding {
	f := &findings{check: "keyring"}
	for _, a := range d.Config.Archives {
		keys, err := site.Keyring(a)
		if err != nil {
			f.bad(a.Name, err.Error(), "install the archive's keyring package, or put its keys where signed_by says")
			continue
		}
		d.aboutKeyring(f, a.Name, keys.Primaries())
	}
	for _, p := range d.Config.Pools {
		d.otherKeyring(f, "pool "+p.Name, p.SignedBy)
	}
	d.otherKeyring(f, "bundles", d.Config.Bundles.SignedBy)
	return f.list
}

// otherKeyring is one of people, not of an archive.
func (d *Doctor) otherKeyring(f *findings, subject string, signedBy []string) {
	if len(signedBy) == 0 {
		return
	}
	keys, err := site.Keyring(config.Archive{Name: subject, SignedBy: signedBy})
	if err != nil {
		f.bad(subject, strings.TrimPrefix(err.Error(), "archive "+subject+": "), "put the public keys of those whom you trust where signed_by says")
		return
	}
	d.aboutKeyring(f, subject, keys.Primaries())
}

// policies looks whether the rules can be read.
func (d *Doctor) policies(context.Context) []Finding {
	f := &findings{check: "policy"}
	if len(d.Config.Policies) == 0 {
		return nil
	}
	_, err := inforce.Policies(d.Config)
	if err == nil {
		f.ok("", fmt.Sprintf("the rules of %d policies can be read", len(d.Config.Policies)))
		return f.list
	}
	for line := range strings.Lines(err.Error()) {
		f.bad("", strings.TrimSpace(line), d.Program+" policy check")
	}
	return f.list
}

func (d *Doctor) aboutKeyring(f *findings, subject string, keys []pgp.Key) {
	mend := "install the newer keyring, or put the newer key into signed_by"
	good := 0
	var last time.Time // the end of the one that counts longest; zero: none ends
	endless := false
	for _, k := range keys {
		if k.Revoked || !k.Expires.IsZero() && k.Expires.Before(d.Now()) {
			continue
		}
		good++
		endless = endless || k.Expires.IsZero()
		if k.Expires.After(last) {
			last = k.Expires
		}
	}
	switch {
	case good == 0:
		f.bad(subject, fmt.Sprintf("all %d keys have ended or were revoked", len(keys)), mend)
	case !endless && last.Sub(d.Now()) < site.Soon:
		f.warn(subject, fmt.Sprintf("the last of its keys ends on %s", admin.Day(last)), mend)
	default:
		f.ok(subject, fmt.Sprintf("%d of %d keys count", good, len(keys)))
	}
}

// signingKeys looks whether the site's own keys can sign.
func (d *Doctor) signingKeys(context.Context) []Finding {
	f := &findings{check: "site key"}
	seen := map[string]bool{}
	var all []string
	for _, r := range d.Config.Repositories {
		all = append(all, r.SignWith...)
	}
	for _, entry := range append(all, d.Config.Bundles.SignWith...) {
		if seen[entry] {
			continue
		}
		seen[entry] = true
		if strings.HasPrefix(d.Config.KeyOf(entry).Passphrase, "credential:") && os.Getenv("CREDENTIALS_DIRECTORY") == "" {
			f.note(entry, "is not tried: its passphrase is a credential that only the service has")
			continue
		}
		keys, err := site.SigningKeys(d.Config, []string{entry})
		if err == nil {
			err = keys[0].Check(d.Now())
		}
		if err != nil {
			f.bad(entry, err.Error(), "put a key that can sign there; clients must know it before it is used")
			continue
		}
		if end := keys[0].Expires(); !end.IsZero() {
			d.ending(f, entry, "the key", end, site.Soon, "make another key, let clients have it, and sign with both for a while")
			continue
		}
		f.ok(entry, "can sign: "+keys[0].Fingerprint())
	}
	return f.list
}
