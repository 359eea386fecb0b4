package cache

import (
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
)

// prover checks one generation from the signature down. It trusts nothing that
// the catalog says of the generation, only compares it with what is signed; but
// for when it was accepted, which nothing signed tells.
type prover struct {
	cache      *Cache
	generation catalog.Generation
	place      string // what problems are said to be of
	report     *Report
	found      int // problems of this place
	signature

	dir     string             // of the suite, with a final slash or ""
	release map[string]content // InRelease, Release, Release.gpg, as stored
	signed  *debian.Release
	table   *catalog.Table
	named   []bool                            // rows of the table that an index names
	absent  map[string]mention                // files that an index names and the table does not have
	flaws   map[string]catalog.Flaw           // files that an index names and nobody could verify
	sha512  map[blob.Digest][sha512.Size]byte // of stored files for which that is what is signed
}

// signature is what is signed, and when that was accepted or made: a key may
// have expired since.
type signature struct {
	inRelease, text, releaseGPG blob.Digest
	at                          time.Time
}

type content struct {
	size   int64
	digest blob.Digest
}

// maxReleaseFile bounds in bytes each Release file read into memory.
const maxReleaseFile = 10 << 20

func (p *prover) problem(file, format string, args ...any) {
	if p.found++; p.found > maxProblems {
		return
	}
	p.report.Problems = append(p.report.Problems, Problem{p.where(file), fmt.Sprintf(format, args...)})
}

func (p *prover) where(file string) string { return p.place + ": " + file }

// countMore ends a list of problems that was cut off.
func (p *prover) countMore() {
	if more := p.found - maxProblems; more > 0 {
		p.report.Problems = append(p.report.Problems, Problem{p.where("manifest"), fmt.Sprintf("%d more problems like these", more)})
	}
}

// prove reports what is wrong. Once ctx ends, what it reports means nothing.
func (p *prover) prove(ctx context.Context, keys *pgp.Keyring) {
	g := p.generation
	p.dir = catalog.SuiteDir(g.Suite)
	p.signature = signature{g.InRelease, g.Release, g.ReleaseGPG, g.Created}
	if err := p.proveSignature(ctx, keys); err != nil {
		p.problem("Release", "%v", err)
		return
	}
	p.proveRow()
	table, err := p.cache.Catalog.Table(ctx, p.generation)
	if err != nil {
		p.problem("manifest", "%v", err)
		return
	}
	p.table, p.named = table, make([]bool, table.Len())
	p.readIndexes(ctx)
	p.proveRows()
	p.proveComplete()
	p.countMore()
}

// proveSignature verifies the signatures as of the moment at which they were
// accepted or made, and reads the signed text.
func (p *prover) proveSignature(ctx context.Context, keys *pgp.Keyring) error {
	p.release = map[string]content{}
	text, err := p.read(ctx, "Release", p.text)
	if err != nil {
		return err
	}
	if p.inRelease == (blob.Digest{}) && p.releaseGPG == (blob.Digest{}) {
		return errors.New("it has no signature")
	}
	if err := p.proveInRelease(ctx, keys, text); err != nil {
		return fmt.Errorf("verifying InRelease: %w", err)
	}
	if err := p.proveDetached(ctx, keys, text); err != nil {
		return fmt.Errorf("verifying Release.gpg: %w", err)
	}
	p.signed, err = debian.ParseRelease(text)
	return err
}

func (p *prover) proveInRelease(ctx context.Context, keys *pgp.Keyring, text []byte) error {
	data, err := p.read(ctx, "InRelease", p.inRelease)
	if data == nil || err != nil {
		return err
	}
	verified, err := keys.VerifyClearsigned(data, p.at)
	if err != nil {
		return err
	}
	if !bytes.Equal(verified.Text, text) {
		return errors.New("it does not say the same as Release")
	}
	return nil
}

func (p *prover) proveDetached(ctx context.Context, keys *pgp.Keyring, text []byte) error {
	data, err := p.read(ctx, "Release.gpg", p.releaseGPG)
	if data == nil || err != nil {
		return err
	}
	_, err = keys.VerifyDetached(text, data, p.at)
	return err
}

// read gives a Release file, nil where the generation has none of that name.
func (p *prover) read(ctx context.Context, name string, d blob.Digest) ([]byte, error) {
	if d == (blob.Digest{}) {
		return nil, nil
	}
	data, err := p.cache.Blobs.ReadAll(ctx, d, maxReleaseFile)
	if err != nil {
		return nil, err
	}
	if got := blob.Sum(data); got != d {
		return nil, &blob.CorruptError{Digest: d, Chunk: -1, Reason: "its SHA-256 is " + got.String()}
	}
	p.release[p.dir+name] = content{int64(len(data)), d}
	return data, nil
}

// proveRow compares what the generation's row repeats of Release.
func (p *prover) proveRow() {
	g, r := p.generation, p.signed
	if !g.Date.Equal(r.Date) || !g.ValidUntil.Equal(r.ValidUntil) || g.Origin != r.Origin || g.Label != r.Label || g.ByHash != r.AcquireByHash {
		p.problem("row", "its dates, origin, label or by-hash are not those of Release")
	}
}

// proveRows looks for what each row of the manifest stands on.
func (p *prover) proveRows() {
	for i := range p.table.Len() {
		p.report.Paths++
		switch e := p.table.At(i); e.Kind {
		case catalog.KindRelease:
			if p.release[e.Path] != (content{e.Size, e.Digest}) {
				p.problem(e.Path, "the manifest has other bytes than were signed")
			}
		case catalog.KindIndex:
			p.proveIndex(e)
		case catalog.KindByHash:
			p.proveByHash(e)
		case catalog.KindPackage, catalog.KindPatch, catalog.KindImage:
			if !p.named[i] {
				p.problem(e.Path, "no index of this generation names it")
			}
		}
	}
}

// listed gives what Release says of a path of the repository.
func (p *prover) listed(name string) (debian.IndexFile, bool) {
	inside, ok := strings.CutPrefix(name, p.dir)
	if !ok || p.signed == nil {
		return debian.IndexFile{}, false
	}
	f, ok := p.signed.File(inside)
	if ok && !f.HasSHA256 {
		ok = p.addSHA256(name, &f)
	}
	return f, ok
}

func (p *prover) proveIndex(e catalog.Entry) {
	f, ok := p.listed(e.Path)
	if !ok || e.Digest != f.SHA256 || e.Size != f.Size {
		p.problem(e.Path, "Release does not list it with this size and digest")
		return
	}
	for _, name := range byHashNames(e.Path, f) {
		if _, ok := p.table.Find(name); !ok {
			p.problem(e.Path, "the manifest does not have it as %s", name)
		}
	}
}

// proveByHash relies on the table for that row and plain name have the same
// bytes, and on proveIndex for the plain name.
func (p *prover) proveByHash(e catalog.Entry) {
	f, _ := p.listed(e.Plain)
	for _, name := range byHashNames(e.Plain, f) {
		if name == e.Path {
			return
		}
	}
	p.problem(e.Path, "the name is not the digest of what it stands for")
}

// byHashNames are the names by digest of an index at a path.
func byHashNames(at string, f debian.IndexFile) []string {
	dir := at[:strings.LastIndexByte(at, '/')+1] + "by-hash/"
	names := []string{fmt.Sprintf("%sSHA256/%x", dir, f.SHA256)}
	if f.SHA512 != nil {
		names = append(names, fmt.Sprintf("%sSHA512/%x", dir, f.SHA512))
	}
	return names
}
