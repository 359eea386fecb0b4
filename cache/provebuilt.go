package cache

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
)

// emptyPlain is an index without anything in it, which nobody asks for.
var emptyPlain = content{0, blob.Sum(nil)}

// proveBuilt checks a built generation: everything in its manifest is named by
// its indexes, all of which are there. What is signed of it belongs to its
// publications: see proveSigned.
func (p *prover) proveBuilt(ctx context.Context) {
	p.dir = catalog.SuiteDir(p.generation.Suite)
	table, err := p.cache.Catalog.Table(ctx, p.generation)
	if err != nil {
		p.problem("manifest", "%v", err)
		return
	}
	p.table, p.named = table, make([]bool, table.Len())
	p.readIndexes(ctx)
	p.proveBuiltRows()
	if _, err := p.cache.Blobs.Stat(p.generation.Fields); err != nil && p.generation.Fields != (blob.Digest{}) {
		p.problem("fields", "%v", told(err))
	}
	p.countMore()
}

func (p *prover) proveBuiltRows() {
	for i := range p.table.Len() {
		p.report.Paths++
		switch e := p.table.At(i); e.Kind {
		case catalog.KindIndex:
			p.proveOwned(e)
		case catalog.KindByHash:
			if e.Path != sha256Name(e) {
				p.problem(e.Path, "the name is not the digest of what it stands for")
			}
		case catalog.KindPackage:
			p.provePackage(i, e)
		default:
			p.problem(e.Path, "a built generation has no such file")
		}
	}
}

func sha256Name(e catalog.Entry) string {
	return byHashNames(e.Plain, debian.IndexFile{SHA256: e.Digest})[0]
}

// proveOwned looks for an index in the store and under its name by hash.
func (p *prover) proveOwned(e catalog.Entry) {
	if info, err := p.cache.Blobs.Stat(e.Digest); err != nil {
		p.problem(e.Path, "%v", told(err))
	} else if info.Size != e.Size {
		p.problem(e.Path, "it has %d bytes, the manifest says %d", info.Size, e.Size)
	}
	if name := sha256Name(e); !p.has(name) {
		p.problem(e.Path, "the manifest does not have it as %s", name)
	}
}

func (p *prover) has(name string) bool {
	_, ok := p.table.Find(name)
	return ok
}

func (p *prover) provePackage(i int, e catalog.Entry) {
	if !p.named[i] {
		p.problem(e.Path, "no index of this generation names it")
	}
	if _, _, ok := catalog.CutOrigin(e.Path); !ok {
		p.problem(e.Path, "the path does not say which archive or pool it is from")
	}
}

// signedProver checks what was signed of a publication against the manifest of
// the generation. It trusts nothing that the catalog says of it, only compares;
// but for when it was signed, since a key may have expired by now.
type signedProver struct {
	prover
	publication catalog.Publication
	plain       map[string]content // uncompressed forms of the indexes, by path
}

func (p *signedProver) prove(ctx context.Context, keys *pgp.Keyring) {
	pub := p.publication
	if pub.Signed == nil {
		p.problem("Release", "it is built, but nothing was signed of it")
		return
	}
	at := pub.Signed.Date
	if pub.Published.After(at) {
		at = pub.Published
	}
	s := pub.Signed
	p.dir = catalog.SuiteDir(pub.Suite)
	p.signature = signature{s.InRelease, s.Release, s.ReleaseGPG, at}
	if err := p.proveSignature(ctx, keys); err != nil {
		p.problem("Release", "%v", err)
		return
	}
	if !p.signed.Date.Equal(s.Date) || !p.signed.ValidUntil.Equal(s.ValidUntil) {
		p.problem("row", "its dates are not those of Release")
	}
	table, err := p.cache.Catalog.Table(ctx, p.generation)
	if err != nil {
		return // a problem of the generation
	}
	p.table, p.plain = table, map[string]content{}
	p.readPlain(ctx)
	p.compare()
	p.countMore()
}

// owner is the repository whose key signs another one, which may be a snapshot
// of it.
func owner(repository string) string {
	name, _, _ := catalog.CutSnapshotRepository(repository)
	return name
}

// readPlain reads the uncompressed form of every index.
func (p *signedProver) readPlain(ctx context.Context) {
	for e := range p.table.All() {
		if e.Kind != catalog.KindIndex || ctx.Err() != nil {
			continue
		}
		base, format := compress.FormatOf(e.Path)
		c, err := p.plainOf(e, format)
		if other, ok := p.plain[base]; err == nil && ok && other != c {
			err = fmt.Errorf("uncompressed it is not what another form of it is")
		}
		if err != nil {
			p.problem(e.Path, "%v", err)
			continue
		}
		p.plain[base] = c
	}
}

func (p *signedProver) plainOf(e catalog.Entry, format compress.Format) (content, error) {
	stored, err := p.cache.Blobs.Open(e.Digest)
	if err != nil {
		return content{}, err
	}
	defer stored.Close()
	r, err := compress.NewReader(format, stored, maxPlain)
	if err != nil {
		return content{}, err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	return content{n, blob.Digest(sum.Sum(nil))}, err
}

// compare goes both ways: what Release lists is what is served, or the
// uncompressed form of it, and everything that is served is listed.
func (p *signedProver) compare() {
	listed := map[string]bool{}
	for _, f := range p.signed.Files {
		name := p.dir + f.Path
		listed[name] = true
		want := content{f.Size, f.SHA256}
		e, ok := p.table.Find(name)
		switch {
		case !f.HasSHA256:
			p.problem(name, "Release lists it without SHA-256")
		case ok && (e.Kind != catalog.KindIndex || want != content{e.Size, e.Digest}):
			p.problem(name, "the manifest has another size or digest than Release")
		case !ok && want != emptyPlain && p.plain[name] != want:
			p.problem(name, "Release lists it, and no index is that uncompressed")
		}
	}
	for e := range p.table.All() {
		if e.Kind == catalog.KindIndex && !listed[e.Path] {
			p.problem(e.Path, "Release does not list it")
		}
	}
}
