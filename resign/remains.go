package resign

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/policy"
)

// remains is what translations and contents are filtered by: hashes of names, so
// that the texts they stand in can go.
type remains struct {
	seed         maphash.Seed
	names        map[string]map[uint64]bool // by architecture
	descriptions map[uint64]bool
	// What is selected from inputs that have translations and contents, to see
	// whether anything changed.
	sums  map[string]hash.Hash // by architecture
	whole hash.Hash
	// own are packages of pools, by the contents that they are listed in.
	own map[indexName]map[blob.Digest]ownPackage
}

func newRemains() *remains {
	return &remains{
		seed: maphash.MakeSeed(), names: map[string]map[uint64]bool{}, descriptions: map[uint64]bool{},
		sums: map[string]hash.Hash{}, whole: sha256.New(), own: map[indexName]map[blob.Digest]ownPackage{},
	}
}

// note takes up what was selected. Packages of pools are in the contents of no
// archive, and have their descriptions in full.
func (r *remains) note(s *Selection) {
	names, sum := map[uint64]bool{}, sha256.New()
	for i := range s.Set.Packages {
		p := &s.Set.Packages[i]
		if p.Kind != policy.Deb || !s.Decision.Verdicts[i].Allowed() {
			continue
		}
		if p.Input.Pool {
			r.noteOwn(s, i)
			continue
		}
		md5 := p.Field("Description-md5")
		names[maphash.String(r.seed, p.Name)] = true
		r.descriptions[r.description(p.Name, md5)] = true
		fmt.Fprintf(sum, "%s\x00", p.Name)
		fmt.Fprintf(r.whole, "%s\x00%s\x00", p.Name, md5)
	}
	r.names[s.Architecture], r.sums[s.Architecture] = names, sum
}

func (r *remains) description(name, md5 string) uint64 {
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(md5)
	return h.Sum64()
}

// hasName says whether a package remains on an architecture; for "all" on any.
func (r *remains) hasName(architecture string, name []byte) bool {
	h := maphash.Bytes(r.seed, name)
	if architecture != "all" {
		return r.names[architecture][h]
	}
	for _, names := range r.names {
		if names[h] {
			return true
		}
	}
	return false
}

// sum stands for what remains on an architecture; for "all" on any.
func (r *remains) sum(architecture string) []byte {
	if sum := r.sums[architecture]; sum != nil {
		return sum.Sum(nil)
	}
	return r.whole.Sum(nil)
}

// writeOthers writes translations and contents of what remains.
func (w *writing) writeOthers(ctx context.Context, inputs []*input, r *remains) error {
	groups := map[indexName][]indexFile{}
	var order []indexName
	for _, in := range inputs {
		for _, f := range in.other {
			if !w.wantsOther(f) {
				continue
			}
			if groups[f.indexName] == nil {
				order = append(order, f.indexName)
			}
			groups[f.indexName] = append(groups[f.indexName], f)
		}
	}
	own := map[indexName][]ownPackage{}
	if !w.recipe.WithoutContents {
		own = r.ownContents(func(name indexName) bool { return groups[name] != nil })
	}
	for name := range own {
		if groups[name] == nil {
			order = append(order, name)
		}
	}
	slices.SortFunc(order, func(a, b indexName) int { return strings.Compare(a.path(), b.path()) })
	for _, name := range order {
		if err := w.writeOther(ctx, name, groups[name], own[name], r); err != nil {
			return fmt.Errorf("writing %s: %w", name.path(), err)
		}
	}
	return nil
}

func (w *writing) wantsOther(f indexFile) bool {
	if f.component != "" && !slices.Contains(w.recipe.Components, f.component) {
		return false
	}
	return f.content != contents || f.variant == "all" || slices.Contains(w.recipe.Architectures, f.variant)
}

func (w *writing) writeOther(ctx context.Context, name indexName, from []indexFile, own []ownPackage, r *remains) error {
	decided := decidedBy(name, from, own, r)
	if w.fields.Decided == nil {
		w.fields.Decided = map[string]blob.Digest{}
	}
	w.fields.Decided[name.path()] = decided
	if w.before.fields.Decided[name.path()] == decided && w.takeOver(name.path()) {
		return nil
	}
	found := w.readable(from)
	listable := slices.DeleteFunc(own, func(p ownPackage) bool { return !w.b.has(p.Paths) && !w.b.has(p.Digest) })
	if len(found) < len(from) || len(listable) < len(own) {
		delete(w.fields.Decided, name.path())
	}
	if len(found) == 0 && len(listable) == 0 {
		return nil
	}
	p := newPacker(ctx, readMembers(w.before.gz(ctx, w.b, w.dir+name.path()+".gz")))
	err := w.filterOther(ctx, p, name, found, listable, r)
	done, packErr := p.finish()
	if err = errors.Join(err, packErr); err != nil {
		return err
	}
	if done.size == 0 {
		return nil
	}
	return w.store(ctx, name.path(), done)
}

// readable leaves out, and notes, what the store has lost.
func (w *writing) readable(from []indexFile) (found []indexFile) {
	for _, f := range from {
		if f.lost {
			w.missing = append(w.missing, f.path)
			continue
		}
		found = append(found, f)
	}
	return found
}

// decidedBy stands for all that decides the bytes of a translation or contents.
func decidedBy(name indexName, from []indexFile, own []ownPackage, r *remains) blob.Digest {
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", format)
	for _, f := range from {
		fmt.Fprintln(h, f.identity)
	}
	for _, p := range own {
		fmt.Fprintln(h, p.Digest, p.item)
	}
	if name.content == contents {
		h.Write(r.sum(name.variant))
	} else {
		h.Write(r.whole.Sum(nil))
	}
	return blob.Digest(h.Sum(nil))
}

// takeOver lists an index of the generation before again.
func (w *writing) takeOver(name string) bool {
	if w.before.table == nil {
		return false
	}
	e, ok := w.before.table.Find(w.dir + name + ".gz")
	plain, known := w.before.listed(name)
	if !ok || !known {
		return false
	}
	if w.b.Room != nil {
		w.release = append(w.release, w.b.Room.Hold(e.Digest)) // before looking: what is held stays
	}
	if !w.b.has(e.Digest) {
		return false
	}
	w.listing.Files = append(w.listing.Files, plain, ListedFile{name + ".gz", e.Size, e.Digest})
	w.addIndex(name+".gz", e.Size, e.Digest)
	return true
}

// listed gives what the Release of the generation says of an index.
func (p *previous) listed(name string) (ListedFile, bool) {
	for line := range strings.Lines(p.fields.Listing) {
		words := strings.Fields(line)
		if len(words) != 3 || words[2] != name {
			continue
		}
		d, err := blob.ParseDigest(words[0])
		size, sizeErr := strconv.ParseInt(words[1], 10, 64)
		return ListedFile{name, size, d}, err == nil && sizeErr == nil
	}
	return ListedFile{}, false
}

func (w *writing) filterOther(ctx context.Context, p *packer, name indexName, from []indexFile, own []ownPackage, r *remains) error {
	if name.content == translations {
		return w.filterTranslations(ctx, p, from, r)
	}
	var readers []*contentsReader
	for _, f := range from {
		plain, err := openIndex(w.b.Blobs, f, maxContents)
		if err != nil {
			return err
		}
		defer plain.Close()
		readers = append(readers, newContentsReader(plain))
	}
	if len(own) > 0 {
		lines, err := w.b.ownLines(ctx, own)
		if err != nil {
			return err
		}
		in := newContentsReader(bytes.NewReader(lines))
		in.whole = true
		readers = append(readers, in)
	}
	return mergeContents(ctx, p, readers, func(pkg []byte) bool { return r.hasName(name.variant, pkg) })
}

func (w *writing) filterTranslations(ctx context.Context, p *packer, from []indexFile, r *remains) error {
	seen := map[description]bool{}
	for _, f := range from {
		text, err := readText(ctx, w.b.Blobs, f, nil)
		if err != nil {
			return err
		}
		keep := func(d description) bool { return r.descriptions[r.description(d.name, d.md5)] }
		if err := filterTranslation(ctx, p, text, keep, seen); err != nil {
			return fmt.Errorf("reading %s: %w", f.path, err)
		}
	}
	return nil
}
