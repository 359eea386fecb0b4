package resign

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"hash/maphash"
	"path"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// writing is one build under way.
type writing struct {
	b        *Builder
	recipe   *Recipe
	dir      string // of the suite, with a final slash
	before   *previous
	manifest catalog.Manifest
	listing  Listing
	fields   Fields
	release  []func() // what is reserved and held
	named    []string // paths of the indexes that name packages
	missing  []string
}

// previous is the generation that the one to be built follows.
type previous struct {
	generation *catalog.Generation // nil: there is none
	table      *catalog.Table
	fields     Fields
}

// gz gives the compressed form of an index of the generation before, or nil.
func (p *previous) gz(ctx context.Context, b *Builder, name string) []byte {
	if p.table == nil {
		return nil
	}
	e, ok := p.table.Find(name)
	if !ok {
		return nil
	}
	file, err := b.Blobs.ReadAll(ctx, e.Digest, maxText)
	if err != nil {
		return nil
	}
	return file
}

// writeSelection writes the indexes of one selection.
func (w *writing) writeSelection(ctx context.Context, s *Selection) error {
	order, err := s.chosen()
	if err != nil {
		return err
	}
	w.manifest.Grow(len(order))
	if s.Architecture == "source" {
		return w.writeKind(ctx, s, order, policy.Source, true)
	}
	if err := w.writeKind(ctx, s, order, policy.Deb, true); err != nil {
		return err
	}
	return w.writeKind(ctx, s, order, policy.Udeb, false)
}

// writeKind writes the indexes of one kind, one for each component; where there
// is nothing to list, only those that clients look for.
func (w *writing) writeKind(ctx context.Context, s *Selection, order []int, kind policy.Kind, always bool) error {
	for _, component := range w.recipe.Components {
		var members []int
		for _, i := range order {
			if p := &s.Set.Packages[i]; p.Kind == kind && p.Input.Component == component {
				members = append(members, i)
			}
		}
		if len(members) == 0 && !always {
			continue
		}
		name := indexName{contentOf(kind), component, s.Architecture}
		if err := w.writeIndex(ctx, s, name, members); err != nil {
			return fmt.Errorf("writing %s: %w", name.path(), err)
		}
	}
	return nil
}

func contentOf(k policy.Kind) content {
	return [...]content{policy.Deb: debs, policy.Udeb: udebs, policy.Source: sources}[k]
}

func (w *writing) writeIndex(ctx context.Context, s *Selection, name indexName, members []int) error {
	p := newPacker(ctx, readMembers(w.before.gz(ctx, w.b, w.dir+name.path()+".gz")))
	var failed error
	for _, i := range members {
		if failed = w.writePackage(p, s, i); failed != nil {
			break
		}
	}
	done, err := p.finish()
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	w.named = append(w.named, w.dir+name.path()+done.ending())
	return w.store(ctx, name.path(), done)
}

// writePackage writes one stanza and lists the files it names.
func (w *writing) writePackage(p *packer, s *Selection, i int) error {
	pkg := &s.Set.Packages[i]
	file, err := s.File(i)
	if err != nil {
		return err
	}
	raw := bytesOf(pkg.Stanza)
	if pkg.Kind != policy.Source {
		w.addFile(file, s.places[i].size, pkg.Digest)
		parts := replaced(raw, s.places[i].path, file)
		p.add(pkg.Name, parts[:]...)
		return nil
	}
	if err := w.addSource(pkg, s.origins[s.places[i].origin], file); err != nil {
		return err
	}
	if at := s.places[i].path; int(at.from) == len(raw) {
		p.add(pkg.Name, raw, []byte("Directory: "+file+"\n"), newline)
		return nil
	}
	parts := replaced(raw, s.places[i].path, file)
	p.add(pkg.Name, parts[:]...)
	return nil
}

func (w *writing) addFile(file string, size int64, d blob.Digest) {
	w.manifest.Add(catalog.Entry{Path: file, Plain: file, Kind: catalog.KindPackage, Size: size, Digest: d})
}

// addSource lists the files of a source package.
func (w *writing) addSource(pkg *policy.Package, o origin, folder string) error {
	stanza, err := deb822.ParseOne([]byte(pkg.Stanza), deb822.Limits{})
	if err != nil {
		return err
	}
	var src debian.Source
	if err := debian.ParseSource(stanza, &src); err != nil {
		return fmt.Errorf("%s: %w", pkg.FullName(), err)
	}
	for _, f := range src.Files {
		d := blob.Digest(f.SHA256)
		if !f.HasSHA256 {
			if d, err = o.input.digestOf(f.Path); err != nil {
				return fmt.Errorf("%s: %w", pkg.FullName(), err)
			}
		}
		w.addFile(path.Join(folder, path.Base(f.Path)), f.Size, d)
	}
	return nil
}

// store puts an index into the store and into Release. Clients fetch the
// compressed form, but know of an index only by its plain name; an empty one
// they never fetch.
func (w *writing) store(ctx context.Context, name string, done packed) error {
	w.listing.Files = append(w.listing.Files, ListedFile{name, done.size, done.sum})
	if done.size == 0 {
		w.addIndex(name, 0, done.sum)
		_, err := w.put(ctx, nil, done.sum, 0)
		return err
	}
	if _, err := w.put(ctx, done.members, done.gzSum, done.gzSize); err != nil {
		return err
	}
	w.listing.Files = append(w.listing.Files, ListedFile{name + ".gz", done.gzSize, done.gzSum})
	w.addIndex(name+".gz", done.gzSize, done.gzSum)
	return nil
}

func (w *writing) addIndex(name string, size int64, d blob.Digest) {
	e := catalog.Entry{Path: w.dir + name, Plain: w.dir + name, Kind: catalog.KindIndex, Size: size, Digest: d}
	w.manifest.Add(e)
	e.Kind = catalog.KindByHash
	e.Path = w.dir + path.Join(path.Dir(name), "by-hash/SHA256", d.String())
	w.manifest.Add(e)
}

// put stores parts that together have the digest, and holds them until the
// build ends.
func (w *writing) put(ctx context.Context, parts [][]byte, d blob.Digest, size int64) (blob.Digest, error) {
	if w.b.Room != nil {
		w.release = append(w.release, w.b.Room.Hold(d))
	}
	return d, w.b.putParts(ctx, parts, d, size)
}

func (w *writing) putBytes(ctx context.Context, data []byte) (blob.Digest, error) {
	return w.put(ctx, [][]byte{data}, sha256.Sum256(data), int64(len(data)))
}

// end gives back what the build held.
func (w *writing) end() {
	for _, release := range w.release {
		release()
	}
}

// putParts stores a file unless the store has it.
func (b *Builder) putParts(ctx context.Context, parts [][]byte, d blob.Digest, size int64) error {
	if b.has(d) {
		return nil
	}
	if b.Room != nil {
		release, err := b.Room.Reserve(ctx, size, true)
		if err != nil {
			return err
		}
		defer release()
	}
	out, err := b.Blobs.Create(ctx, d, size, b.now())
	if err != nil {
		return err
	}
	for _, part := range parts {
		if _, err := out.Write(part); err != nil {
			out.Abort(err)
			return err
		}
	}
	_, err = out.Commit()
	return err
}

// chosen gives the packages that the suite has, each version once: the first
// input that offers it supplies it. They are ordered by the name of their source
// and then by their own, as Debian has them, which compresses better than any
// other order.
func (s *Selection) chosen() ([]int, error) {
	var order []int
	first := newVersions(s.Set.Packages)
	for i := range s.Set.Packages {
		if !s.Decision.Verdicts[i].Allowed() {
			continue
		}
		same, err := first.note(i)
		if err != nil {
			return nil, err
		}
		if !same {
			order = append(order, i)
		}
	}
	packages := s.Set.Packages
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(packages[a].SourceName, packages[b].SourceName), strings.Compare(packages[a].Name, packages[b].Name))
	})
	return order, nil
}

// versions finds packages that are the same version of the same.
type versions struct {
	packages []policy.Package
	seed     maphash.Seed
	first    map[uint64]int
}

func newVersions(packages []policy.Package) *versions {
	return &versions{packages, maphash.MakeSeed(), make(map[uint64]int, len(packages))}
}

// note reports whether the i-th package was there already. One version with two
// contents is an error.
func (v *versions) note(i int) (same bool, err error) {
	p := &v.packages[i]
	key := v.key(p)
	j, known := v.first[key]
	if !known {
		v.first[key] = i
		return false, nil
	}
	switch other := &v.packages[j]; {
	case other.Kind != p.Kind || other.Name != p.Name || other.Version != p.Version || other.Architecture != p.Architecture:
		return false, nil
	case other.Digest != p.Digest:
		return false, policy.Conflict{First: other, Second: p}
	}
	return true, nil
}

func (v *versions) key(p *policy.Package) uint64 {
	var h maphash.Hash
	h.SetSeed(v.seed)
	h.WriteByte(byte(p.Kind))
	for _, s := range []string{p.Name, p.Version, p.Architecture} {
		h.WriteString(s)
		h.WriteByte(0)
	}
	return h.Sum64()
}
