package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
)

// Keyrings gives the keys of an archive, or nil for one that is no longer
// configured.
type Keyrings func(archive string) *pgp.Keyring

// prover checks one generation from the signature down. It trusts nothing that
// the catalog says of the generation, only compares it with what is signed.
type prover struct {
	cache      *Cache
	generation catalog.Generation
	report     *Report
	table      *catalog.Table
	signed     *debian.Release
}

// maxMetadata bounds Release files read into memory.
const maxMetadata = 10 << 20

// maxPlain bounds an index of which Release does not list the uncompressed form.
const maxPlain = 4 << 30

func (p *prover) problem(file, format string, args ...any) {
	g := p.generation
	where := fmt.Sprintf("archive %s, suite %s, generation %d: %s", g.Archive, g.Suite, g.Number, file)
	p.report.Problems = append(p.report.Problems, Problem{where, fmt.Sprintf(format, args...)})
}

// prove reports what is wrong; its error is for a reading that was cut short.
func (p *prover) prove(ctx context.Context, keyring Keyrings) error {
	text, err := p.provenText(ctx, keyring(p.generation.Archive))
	if err != nil {
		p.problem("Release", "%v", err)
		return ctx.Err()
	}
	if p.signed, err = debian.ParseRelease(text); err != nil {
		p.problem("Release", "%v", err)
		return ctx.Err()
	}
	if p.table, err = p.cache.Catalog.Table(ctx, p.generation); err != nil {
		p.problem("manifest", "%v", err)
		return ctx.Err()
	}
	return p.proveManifest(ctx)
}

// provenText verifies the signatures as of the moment at which the generation
// was accepted: a key may have expired since.
func (p *prover) provenText(ctx context.Context, k *pgp.Keyring) ([]byte, error) {
	g := p.generation
	if k == nil {
		return nil, errors.New("the archive is not in the configuration, so that its signature cannot be checked")
	}
	release, err := p.read(ctx, g.Release)
	if err != nil {
		return nil, err
	}
	proven := false
	if g.InRelease != (blob.Digest{}) {
		data, err := p.read(ctx, g.InRelease)
		if err != nil {
			return nil, err
		}
		signed, err := k.VerifyClearsigned(data, g.Created)
		if err != nil {
			return nil, fmt.Errorf("InRelease: %w", err)
		}
		if !bytes.Equal(signed.Text, release) {
			return nil, errors.New("InRelease and Release do not say the same")
		}
		proven = true
	}
	if g.ReleaseGPG != (blob.Digest{}) {
		data, err := p.read(ctx, g.ReleaseGPG)
		if err != nil {
			return nil, err
		}
		if _, err := k.VerifyDetached(release, data, g.Created); err != nil {
			return nil, fmt.Errorf("Release.gpg: %w", err)
		}
		proven = true
	}
	if !proven {
		return nil, errors.New("it has no signature")
	}
	return release, nil
}

func (p *prover) read(ctx context.Context, d blob.Digest) ([]byte, error) {
	return p.cache.Blobs.ReadAll(ctx, d, maxMetadata)
}

// proveManifest compares every row with what is signed: an index with Release,
// a package with the indexes. Rows that nothing signed stands behind, and files
// of the indexes without a row, are both problems.
func (p *prover) proveManifest(ctx context.Context) error {
	named, err := p.packages(ctx)
	if err != nil {
		return err
	}
	for e := range p.table.All() {
		p.report.Paths++
		switch e.Kind {
		case catalog.KindRelease:
			p.proveRelease(e)
		case catalog.KindIndex, catalog.KindByHash:
			p.proveIndex(e)
		case catalog.KindPackage:
			if want, ok := named[e.Path]; !ok || want != (content{e.Size, e.Digest}) {
				p.problem(e.Path, "no index of this generation names it with this size and digest")
			}
			delete(named, e.Path)
		}
	}
	for name := range named {
		if _, ok := p.table.Find(name); !ok {
			p.problem(name, "an index names it, the manifest does not")
		}
	}
	return ctx.Err()
}

func (p *prover) proveRelease(e catalog.Entry) {
	g := p.generation
	want := map[string]blob.Digest{"InRelease": g.InRelease, "Release": g.Release, "Release.gpg": g.ReleaseGPG}[path.Base(e.Path)]
	if want == (blob.Digest{}) || e.Digest != want || e.Path != catalog.SuiteDir(g.Suite)+path.Base(e.Path) {
		p.problem(e.Path, "the manifest has other bytes than were signed")
	}
}

func (p *prover) proveIndex(e catalog.Entry) {
	f, ok := p.signed.File(strings.TrimPrefix(e.Plain, catalog.SuiteDir(p.generation.Suite)))
	if !ok || !f.HasSHA256 || e.Digest != f.SHA256 || e.Size != f.Size {
		p.problem(e.Path, "Release does not list it with this size and digest")
		return
	}
	if e.Kind == catalog.KindIndex {
		return
	}
	dir := path.Dir(e.Plain) + "/by-hash/"
	if e.Path != dir+"SHA256/"+e.Digest.String() && (f.SHA512 == nil || e.Path != fmt.Sprintf("%sSHA512/%x", dir, f.SHA512)) {
		p.problem(e.Path, "the name is not the digest of what it stands for")
	}
}

type content struct {
	size   int64
	digest blob.Digest
}

// packages reads the stored indexes again.
func (p *prover) packages(ctx context.Context) (map[string]content, error) {
	named := map[string]content{}
	for _, name := range p.generation.Indexes {
		if err := p.readIndex(ctx, name, named); err != nil {
			p.problem(name, "%v", err)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return named, nil
}

func (p *prover) readIndex(ctx context.Context, name string, named map[string]content) error {
	e, ok := p.table.Find(name)
	if !ok {
		return errors.New("the manifest does not have this index")
	}
	stored, err := p.cache.Blobs.Open(e.Digest)
	if err != nil {
		return err
	}
	defer stored.Close()
	base, format := compress.FormatOf(strings.TrimPrefix(name, catalog.SuiteDir(p.generation.Suite)))
	plain, listed := p.signed.File(base)
	limit := int64(maxPlain)
	if listed {
		limit = plain.Size
	}
	r, err := compress.NewReader(format, stored, limit)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	if err := collect(ctx, io.TeeReader(r, sum), path.Base(base) == "Sources", named); err != nil {
		return err
	}
	if listed && plain.HasSHA256 && blob.Digest(sum.Sum(nil)) != plain.SHA256 {
		return errors.New("uncompressed it is not what Release lists")
	}
	return nil
}

func collect(ctx context.Context, r io.Reader, sources bool, named map[string]content) error {
	sc := deb822.NewScanner(r, deb822.Limits{})
	var bin debian.Package
	var src debian.Source
	for sc.Scan() && ctx.Err() == nil {
		if sources {
			if err := debian.ParseSource(sc.Stanza(), &src); err != nil {
				return err
			}
			for _, f := range src.Files {
				named[f.Path] = content{f.Size, f.SHA256}
			}
			continue
		}
		if err := debian.ParsePackage(sc.Stanza(), &bin); err != nil {
			return err
		}
		named[bin.Filename] = content{bin.Size, bin.SHA256}
	}
	return sc.Err()
}
