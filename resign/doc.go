// Package resign makes the site's own repositories out of verified ones: it
// merges and filters indexes, writes the Release files over them and signs those
// with the site's keys.
//
// A Recipe says what a suite is made of; Builder.Select reads what that offers
// and lets the policy decide, Builder.Build writes the indexes and records a
// built generation, and Builder.Sign makes what belongs to each publication of
// it. Build, and who explains a build, use the same selection.
//
// # Indexes
//
// A stanza is the input's, byte for byte, but for Filename or Directory, which
// becomes catalog.OriginPath. Stanzas are in the order of their sources' names.
// An index is listed in plain and stored as gzip members that hold whole stanzas
// and begin where names say, so that a build copies what has not changed from
// the index before: Packages of Debian take 11.9 MB so, 11.7 MB in one member
// and 11.4 MB as zstd; xz takes 20 seconds for 9 MB. The same inputs and rules
// give the same bytes.
//
// # Memory and time
//
// The text of one architecture's packages is in memory at a time, and facts
// about them point into it; the garbage collector is told to let little else pile
// up meanwhile. What decides the contents has a digest, Recipe of the generation:
// where it is the same, nothing is read. Inputs in slow formats are kept as zstd
// copies.
//
// # Signatures
//
// The package owns the form of what the site signs: version 4 OpenPGP keys of
// kinds that every supported apt reads, SHA-512, armour with checksums (GnuPG
// before 2.4 cannot do without), and byte-identical output for the same key, text
// and time. It never verifies what upstream signed (package upstream/pgp does),
// never fetches anything, and is never called from the path of a client's
// request: signing happens when a generation is published.
package resign
