package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"aptmirror/cache/blob"
)

// builtMark begins what stands in the place of an archive's name in a built
// generation. No archive's name begins with it.
const builtMark = "@"

// BuiltBy gives the Archive of generations that are built for a repository.
func BuiltBy(repository string) string { return builtMark + repository }

// Builder gives the repository that the generation was built for; not ok is
// for a mirrored generation.
func (g Generation) Builder() (repository string, ok bool) { return g.Ref().Builder() }

// Builder is the same of a generation's name.
func (r Ref) Builder() (repository string, ok bool) { return strings.CutPrefix(r.Archive, builtMark) }

// String is for people.
func (r Ref) String() string {
	if repository, ok := r.Builder(); ok {
		return fmt.Sprintf("generation %d built for repository %s, suite %s", r.Number, repository, r.Suite)
	}
	return fmt.Sprintf("generation %d of archive %s, suite %s", r.Number, r.Archive, r.Suite)
}

// Compare orders generations by archive, suite and number.
func (r Ref) Compare(o Ref) int {
	return cmp.Or(strings.Compare(r.Archive, o.Archive), strings.Compare(r.Suite, o.Suite), cmp.Compare(r.Number, o.Number))
}

// Signed is what a publication of a built generation says of it: Release and
// its signatures, which belong to the publication and not to the generation, so
// that signing again, rings and snapshots share one generation.
type Signed struct {
	InRelease  blob.Digest `json:"inrelease"`
	Release    blob.Digest `json:"release"`
	ReleaseGPG blob.Digest `json:"release_gpg,omitzero"` // zero: there is none
	Date       time.Time   `json:"date"`                 // later than that of the publication before
	ValidUntil time.Time   `json:"valid_until,omitzero"` // zero: for ever
	Signers    []Signer    `json:"signers"`
}

// Files names the files of s by what they are called in the suite's folder.
func (s *Signed) Files() map[string]blob.Digest {
	if s == nil {
		return nil
	}
	files := map[string]blob.Digest{"InRelease": s.InRelease, "Release": s.Release}
	if s.ReleaseGPG != (blob.Digest{}) {
		files["Release.gpg"] = s.ReleaseGPG
	}
	return files
}

// OriginPath is where a built repository has a package: origin is the archive
// or pool that supplies it, plain its path there.
func OriginPath(origin, plain string) string { return path.Join("pool", origin, plain) }

// CutOrigin takes an OriginPath apart.
func CutOrigin(name string) (origin, plain string, ok bool) {
	rest, inPool := strings.CutPrefix(name, "pool/")
	origin, plain, ok = strings.Cut(rest, "/")
	return origin, plain, inPool && ok && origin != "" && plain != ""
}

// checkSigned refuses what would be served without a signature of its own, or
// with one that is none of ours, or that clients take for older than what they have.
func (m Move) checkSigned(before *Signed) error {
	_, built := m.Next.Builder()
	switch {
	case !built && m.Signed != nil:
		return errors.New("a mirrored generation has the signature of its archive, no other")
	case !built:
		return nil
	case m.Signed == nil:
		return errors.New("a built generation is published only with a signature")
	case m.Signed.InRelease == (blob.Digest{}) || m.Signed.Release == (blob.Digest{}):
		return errors.New("InRelease or Release is missing from what was signed")
	case before != nil && !m.Signed.Date.Truncate(time.Second).After(before.Date):
		return fmt.Errorf("its Date %s is not later than %s, which clients have seen", m.Signed.Date.UTC().Format(time.RFC3339), before.Date.UTC().Format(time.RFC3339))
	}
	return nil
}

// signedEntries gives the paths of what a publication has signed; none where
// that is of its archive. All of them must be in the store.
func (c *Catalog) signedEntries(p Publication) ([]Entry, error) {
	var entries []Entry
	for name, d := range p.Signed.Files() {
		info, err := c.blobs.Stat(d)
		if err != nil {
			return nil, fmt.Errorf("looking for %s of repository %s, suite %s: %w", name, p.Repository, p.Suite, err)
		}
		at := SuiteDir(p.Suite) + name
		entries = append(entries, Entry{Path: at, Plain: at, Kind: KindRelease, Size: info.Size, Digest: d})
	}
	return entries, nil
}
