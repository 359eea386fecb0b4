package outcome

import (
	"strings"

	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

// nextSteps says, for every reason of a refusal, what a person can do. ARCHIVE
// and SUITE stand for the names.
var nextSteps = map[upstream.Reason]string{
	upstream.Reason(pgp.Unsigned):         "look whether something between here and the mirror changes or replaces what it sends; an archive without a signature cannot be mirrored",
	upstream.NotSigned:                    "look whether something between here and the mirror changes what it sends; otherwise tell its administrator",
	upstream.Reason(pgp.UnknownKey):       "if the archive has a new key, get it from where its keyring came from and put it into signed_by",
	upstream.Reason(pgp.BadSignature):     "put another mirror into uris; if that one says the same, tell the archive",
	upstream.Reason(pgp.WeakDigest):       "tell the archive to sign with SHA-256 or better; current clients refuse this, too",
	upstream.Reason(pgp.WeakKey):          "tell the archive to sign with a stronger key; current clients refuse this one, too",
	upstream.Reason(pgp.ExpiredKey):       "install the archive's newer keyring, or put its newer key into signed_by",
	upstream.Reason(pgp.RevokedKey):       "find out why the archive revoked its key, and put the new one into signed_by",
	upstream.Reason(pgp.ExpiredSignature): "put a mirror that is up to date into uris, or tell the archive",
	upstream.Malformed:                    "put another mirror into uris; if that one has the same, tell the archive",
	upstream.Expired:                      "put a mirror that is up to date into uris, or tell the administrator of this one",
	upstream.Frozen:                       "put a mirror that is up to date into uris, or raise max_age where the archive changes so rarely",
	upstream.FromFuture:                   "set this machine's clock (timedatectl says whether it is synchronised); if it is right, tell the archive",
	upstream.WrongSuite:                   "write the name that the archive uses into suites",
	upstream.RolledBack:                   "wait until the mirror has caught up; if the archive went back on purpose: aptmirror archive accept ARCHIVE SUITE (clients keep what is newer until something newer still comes)",
	upstream.Equivocating:                 "ask the archive which of the two is right; to take the new one: aptmirror archive accept ARCHIVE SUITE",
	upstream.InfoChanged:                  "if the archive has announced this: aptmirror archive accept ARCHIVE SUITE (clients will ask for consent, too: apt-get update --allow-releaseinfo-change)",
	upstream.WrongContent:                 "nothing, if the mirror is being updated: the next refresh tries again; if it lasts, put another mirror into uris",
	upstream.NotBrought:                   "have the bundle exported again: it lacks an index that clients need",
	upstream.PrivateHost:                  "if the mirror is meant to be on the site's own network, write allow_private = true into the archive",
}

// Advice says what to do about a refusal or a failure; "" where nothing is known.
func Advice(reason, archive, suite string) string {
	switch reason {
	case upstream.Unreachable:
		return "it is asked again by itself; aptmirror doctor looks at names, proxies and every archive"
	case upstream.NoSpace:
		return "make room on the file system of the store, or lower cache.max_size; aptmirror doctor tells how much is free"
	}
	return strings.NewReplacer("ARCHIVE", archive, "SUITE", suite).Replace(nextSteps[upstream.Reason(reason)])
}
