package upstream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"path"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// maxIndex bounds an index once decompressed where Release does not list that
// form; the largest known is Contents with 1 GB.
const maxIndex = 4 << 30

// manifest reads the targets and lists every path of the generation.
func (in *intake) manifest(ctx context.Context, targets []target) ([]byte, error) {
	var m catalog.Manifest
	in.addRelease(&m)
	in.addIndexes(&m)
	for _, t := range targets {
		err := in.addStored(ctx, &m, t)
		switch {
		case err == nil:
			in.indexes = append(in.indexes, in.dir+t.file.Path)
		case t.content.extra() && ctx.Err() == nil:
			in.u.Log.Warn("files that a signed list names are left out, because it cannot be read", "archive", in.archive.Name, "suite", in.suite, "error", err)
		default:
			return nil, err
		}
	}
	if err := in.namePackages(ctx, &m); err != nil {
		return nil, err
	}
	return in.encode(&m)
}

func (in *intake) addRelease(m *catalog.Manifest) {
	r := in.release
	for name, data := range map[string][]byte{"InRelease": r.inRelease, "Release": r.text, "Release.gpg": r.gpg} {
		if data != nil {
			p := in.dir + name
			m.Add(catalog.Entry{Path: p, Plain: p, Kind: catalog.KindRelease, Size: int64(len(data)), Digest: blob.Sum(data)})
		}
	}
}

// addIndexes lists all that Release lists and that is in scope, under its name
// and under its digests: apt asks for the strongest that Release has.
func (in *intake) addIndexes(m *catalog.Manifest) {
	scope := in.scope()
	for _, f := range in.release.Files {
		if !f.HasSHA256 || !scope.has(f.Path) {
			continue
		}
		e := catalog.Entry{Path: in.dir + f.Path, Kind: catalog.KindIndex, Size: f.Size, Digest: f.SHA256}
		e.Plain = e.Path
		m.Add(e)
		e.Kind = catalog.KindByHash
		dir := path.Join(path.Dir(e.Plain), "by-hash") + "/"
		e.Path = dir + "SHA256/" + e.Digest.String()
		m.Add(e)
		if f.SHA512 != nil {
			e.Path = dir + "SHA512/" + fmt.Sprintf("%x", f.SHA512)
			m.Add(e)
		}
	}
}

// addStored lists the files that an index in the store names.
func (in *intake) addStored(ctx context.Context, m *catalog.Manifest, t target) error {
	stored, err := in.u.Blobs.Open(t.file.SHA256)
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.file.Path, err)
	}
	defer stored.Close()
	return in.addNamed(ctx, m, t, stored)
}

// addNamed reads one index and lists the files it names. The index is checked
// against its digest by whoever gives it; its uncompressed form is checked here,
// before anything read from it counts.
func (in *intake) addNamed(ctx context.Context, m *catalog.Manifest, t target, index io.Reader) error {
	limit := int64(maxIndex)
	if t.plain.Path != "" {
		limit = t.plain.Size
	}
	plain, err := compress.NewReader(t.format(), index, limit)
	if err != nil {
		return in.refuse(t.file.Path, Malformed, err)
	}
	defer plain.Close()
	before := in.leftOut.tally
	sum, want := t.plainSum()
	if err := in.readNames(ctx, m, t, io.TeeReader(plain, sum)); err != nil {
		return in.refuse(t.file.Path, Malformed, err)
	}
	if got := sum.Sum(nil); want != nil && !bytes.Equal(got, want) {
		return in.refuse(t.file.Path, WrongContent, fmt.Errorf("uncompressed it has the digest %x, Release says %x", got, want))
	}
	if err := in.leftOut.since(before).checkShare(); err != nil && t.content == packages {
		return in.refuse(t.file.Path, Malformed, err)
	}
	return nil
}

// plainSum gives the strongest sum that Release has of the uncompressed form,
// nil for none, and how to compute it.
func (t target) plainSum() (sum hash.Hash, want []byte) {
	switch {
	case t.plain.HasSHA256:
		return sha256.New(), t.plain.SHA256[:]
	case t.plain.SHA512 != nil:
		return sha512.New(), t.plain.SHA512
	}
	return sha256.New(), nil
}

func (in *intake) readNames(ctx context.Context, m *catalog.Manifest, t target, r io.Reader) error {
	switch t.content {
	case sources:
		return scan(ctx, r, in.sourceAdder(m))
	case patches:
		return in.addPatches(m, t, r)
	case images:
		return in.addImages(m, t, r)
	}
	return scan(ctx, r, in.packageAdder(m))
}

// scan goes through an uncompressed Packages or Sources.
func scan(ctx context.Context, r io.Reader, add func(*deb822.Stanza) error) error {
	sc := deb822.NewScanner(r, deb822.Limits{})
	for sc.Scan() {
		if err := add(sc.Stanza()); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return sc.Err()
}

func (in *intake) packageAdder(m *catalog.Manifest) func(*deb822.Stanza) error {
	var p debian.Package
	return func(s *deb822.Stanza) error {
		if err := debian.ParsePackage(s, &p); err != nil {
			return err
		}
		return in.addFile(m, debian.SourceFile{Path: p.Filename, Size: p.Size, SHA256: p.SHA256, HasSHA256: p.HasSHA256, SHA512: p.SHA512})
	}
}

func (in *intake) sourceAdder(m *catalog.Manifest) func(*deb822.Stanza) error {
	var src debian.Source
	return func(s *deb822.Stanza) error {
		if err := debian.ParseSource(s, &src); err != nil {
			return err
		}
		for _, f := range src.Files {
			if err := in.addFile(m, f); err != nil {
				return err
			}
		}
		return nil
	}
}

// addFile lists a file of a package, keeps it for namePackages, or leaves it out.
func (in *intake) addFile(m *catalog.Manifest, f debian.SourceFile) error {
	in.leftOut.named++
	switch {
	case f.HasSHA256:
		addPackage(m, f.Path, f.Size, f.SHA256)
	case f.SHA512 != nil:
		in.unnamed = append(in.unnamed, unnamed{f.Path, f.Size, f.SHA512})
	default:
		in.leftOut.add(f.Path, catalog.NoDigest, 1)
		return in.leftOut.checkLimits()
	}
	return nil
}

func addPackage(m *catalog.Manifest, p string, size int64, sum blob.Digest) {
	m.Add(catalog.Entry{Path: p, Plain: p, Kind: catalog.KindPackage, Size: size, Digest: sum})
}
