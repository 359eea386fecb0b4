package cache

import (
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
)

// maxPlain bounds in bytes an index of which Release does not list the
// uncompressed form.
const maxPlain = 4 << 30

// readIndexes reads the stored indexes again and notes which rows they name.
func (p *prover) readIndexes(ctx context.Context) {
	for _, name := range p.generation.Indexes {
		if ctx.Err() != nil {
			return
		}
		if err := p.readIndex(ctx, name); err != nil {
			p.problem(name, "%v", err)
		}
	}
	p.proveAbsent()
}

func (p *prover) readIndex(ctx context.Context, name string) error {
	e, ok := p.table.Find(name)
	if !ok || e.Kind != catalog.KindIndex {
		return errors.New("the manifest does not have this index")
	}
	stored, err := p.cache.Blobs.Open(e.Digest)
	if err != nil {
		return err
	}
	defer stored.Close()
	base, format := compress.FormatOf(name)
	plain, listed := p.listed(base)
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
	if err := p.readNames(ctx, io.TeeReader(r, sum), base); err != nil {
		return err
	}
	if listed && blob.Digest(sum.Sum(nil)) != plain.SHA256 {
		return errors.New("uncompressed it is not what Release lists")
	}
	return nil
}

// readNames notes what an uncompressed index names; which index it is tells
// its path.
func (p *prover) readNames(ctx context.Context, r io.Reader, name string) error {
	switch base := path.Base(name); {
	case strings.HasSuffix(name, ".diff/Index"):
		return p.readPatches(r, path.Dir(name))
	case base == "SHA256SUMS":
		return p.readImages(r, path.Dir(name))
	default:
		return p.scan(ctx, r, base == "Sources")
	}
}

// readPatches notes the patches of an index, which lie beside their Index.
func (p *prover) readPatches(r io.Reader, dir string) error {
	text, err := io.ReadAll(io.LimitReader(r, debian.MaxDiffIndexBytes+1))
	if err != nil {
		return err
	}
	files, err := debian.ParseDiffIndex(text)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := path.Join(dir, f.Path)
		if _, listed := p.listed(name); !listed && f.HasSHA256 {
			if err := p.note(name, content{f.Size, f.SHA256}, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// readImages notes the files that an installer's SHA256SUMS names below its
// folder.
func (p *prover) readImages(r io.Reader, dir string) error {
	text, err := io.ReadAll(io.LimitReader(r, debian.MaxChecksumsBytes+1))
	if err != nil {
		return err
	}
	sums, err := debian.ParseChecksums(text)
	if err != nil {
		return err
	}
	for _, c := range sums {
		name := path.Join(dir, c.Path)
		if _, listed := p.listed(name); listed {
			continue
		}
		if err := p.note(name, content{catalog.UnknownSize, c.SHA256}, true); err != nil {
			return err
		}
	}
	return nil
}

// scan goes through an uncompressed Packages or Sources.
func (p *prover) scan(ctx context.Context, r io.Reader, sources bool) error {
	note := p.packageNoter()
	if sources {
		note = p.sourceNoter()
	}
	sc := deb822.NewScanner(r, deb822.Limits{})
	for sc.Scan() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := note(sc.Stanza()); err != nil {
			return err
		}
	}
	return sc.Err()
}

func (p *prover) packageNoter() func(*deb822.Stanza) error {
	var bin debian.Package
	return func(s *deb822.Stanza) error {
		if err := debian.ParsePackage(s, &bin); err != nil {
			return err
		}
		if !bin.HasSHA256 && bin.SHA512 != nil {
			p.noteSHA512(bin.Filename, bin.Size, bin.SHA512)
			return nil
		}
		return p.note(bin.Filename, content{bin.Size, bin.SHA256}, bin.HasSHA256)
	}
}

func (p *prover) sourceNoter() func(*deb822.Stanza) error {
	var src debian.Source
	return func(s *deb822.Stanza) error {
		if err := debian.ParseSource(s, &src); err != nil {
			return err
		}
		for _, f := range src.Files {
			if !f.HasSHA256 && f.SHA512 != nil {
				p.noteSHA512(f.Path, f.Size, f.SHA512)
				continue
			}
			if err := p.note(f.Path, content{f.Size, f.SHA256}, f.HasSHA256); err != nil {
				return err
			}
		}
		return nil
	}
}

// note marks the row of a file that an index names, and reports one that has
// other contents.
func (p *prover) note(name string, want content, known bool) error {
	_, built := p.generation.Builder()
	switch {
	case !known && built:
		return fmt.Errorf("it names %s without SHA-256", name)
	case !known:
		p.noteFlaw(name, catalog.NoDigest)
		return nil
	}
	i, ok := p.table.Search(name)
	if !ok {
		p.noteAbsent(name, mention{want.size, string(want.digest[:])})
		return nil
	}
	if e := p.table.At(i); want != (content{e.Size, e.Digest}) {
		p.problem(name, "the manifest has another size or digest than the index")
	}
	p.named[i] = true
	return nil
}

// proveComplete finds rows that are missing: of a Release file, or of another
// form of an index that was taken in.
func (p *prover) proveComplete() {
	for name := range p.release {
		if _, ok := p.table.Find(name); !ok {
			p.problem(name, "the manifest does not have it")
		}
	}
	taken := map[string]bool{}
	for _, name := range p.generation.Indexes {
		base, _ := compress.FormatOf(strings.TrimPrefix(name, p.dir))
		taken[base] = true
	}
	for _, f := range p.signed.Files {
		base, _ := compress.FormatOf(f.Path)
		if !taken[base] || !f.HasSHA256 {
			continue
		}
		if _, ok := p.table.Find(p.dir + f.Path); !ok {
			p.problem(p.dir+f.Path, "Release lists it, the manifest does not have it")
		}
	}
}
