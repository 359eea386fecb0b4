package cache

import (
	"crypto/sha512"
	"errors"
	"io"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// A file that is signed by SHA-512 alone has in the manifest the SHA-256 that
// was found when it was first read. As long as it is in the store it is read
// again and compared; of one that is not, nothing can be said.

// addSHA256 completes what Release says of a file by what the manifest says, if
// that is the same file.
func (p *prover) addSHA256(name string, f *debian.IndexFile) bool {
	e, ok := p.table.Find(name)
	if !ok || f.SHA512 == nil || !p.isSHA512(e, f.SHA512) {
		return false
	}
	f.SHA256, f.HasSHA256 = e.Digest, true
	return true
}

// noteSHA512 marks the row of a file that an index names by SHA-512 alone.
func (p *prover) noteSHA512(name string, size int64, want []byte) {
	i, ok := p.table.Search(name)
	if !ok {
		if !slices.Contains(p.generation.Missing, name) {
			p.noteAbsent(name, mention{size, string(want)})
		}
		return
	}
	if e := p.table.At(i); e.Size != size || !p.isSHA512(e, want) {
		p.problem(name, "the manifest has another size or digest than the index")
	}
	p.named[i] = true
}

// isSHA512 compares what is stored of a row with a signed SHA-512. A blob that
// cannot be read is found by whoever looks at all blobs.
func (p *prover) isSHA512(e catalog.Entry, want []byte) bool {
	if got, ok := p.sha512[e.Digest]; ok {
		return string(got[:]) == string(want)
	}
	stored, err := p.cache.Blobs.Open(e.Digest)
	if err != nil {
		return errors.Is(err, blob.ErrNotFound)
	}
	defer stored.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, stored); err != nil {
		return true
	}
	if p.sha512 == nil {
		p.sha512 = map[blob.Digest][sha512.Size]byte{}
	}
	p.sha512[e.Digest] = [sha512.Size]byte(sum.Sum(nil))
	return string(sum.Sum(nil)) == string(want)
}
