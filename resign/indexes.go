package resign

import (
	"path"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
)

// content is what an index lists.
type content uint8

const (
	debs         content = iota // Packages
	udebs                       // Packages of the installer
	sources                     // Sources
	translations                // long descriptions in one language
	contents                    // which package has which file
)

// indexName is what the path of an index says.
type indexName struct {
	content   content
	component string // without folders: "updates/main" is "main"; "" where it is for all
	// variant is the architecture, or the language; "" where a flat archive
	// does not say.
	variant string
}

// nameOfIndex reads the path of an index below the folder of its suite, without
// the ending of its compression.
func nameOfIndex(p string) (n indexName, ok bool) {
	dir, base := path.Split(p)
	dir = strings.TrimSuffix(dir, "/")
	component, folder := path.Split(dir)
	component = strings.TrimSuffix(component, "/")
	arch, binary := strings.CutPrefix(folder, "binary-")
	switch {
	case dir == "" && base == "Packages":
		return indexName{content: debs}, true
	case dir == "" && base == "Sources":
		return indexName{content: sources}, true
	case base == "Packages" && binary:
		if c, installer := strings.CutSuffix(component, "/debian-installer"); installer {
			return indexName{udebs, path.Base(c), arch}, true
		}
		return indexName{debs, path.Base(component), arch}, component != ""
	case base == "Sources" && folder == "source":
		return indexName{content: sources, component: path.Base(component)}, component != ""
	case folder == "i18n":
		language, ok := strings.CutPrefix(base, "Translation-")
		return indexName{translations, path.Base(component), language}, ok && component != ""
	}
	return nameOfContents(dir, base)
}

// nameOfContents leaves those of udebs and of sources alone: no client of ours
// asks for them.
func nameOfContents(dir, base string) (n indexName, ok bool) {
	arch, ok := strings.CutPrefix(base, "Contents-")
	if !ok || arch == "source" || strings.HasPrefix(arch, "udeb-") {
		return n, false
	}
	n = indexName{content: contents, variant: arch}
	if dir != "" {
		n.component = path.Base(dir)
	}
	return n, true
}

// path is where a site repository has the index, below the folder of its suite.
func (n indexName) path() string {
	switch n.content {
	case debs:
		return n.component + "/binary-" + n.variant + "/Packages"
	case udebs:
		return n.component + "/debian-installer/binary-" + n.variant + "/Packages"
	case sources:
		return n.component + "/source/Sources"
	case translations:
		return n.component + "/i18n/Translation-" + n.variant
	}
	return path.Join(n.component, "Contents-"+n.variant)
}

// indexFile is an index of a generation, in a form that the store has.
type indexFile struct {
	indexName
	path   string
	digest blob.Digest
	format compress.Format
	// size is that of the plain text in bytes, 0 where nothing says it.
	size int64
	// identity is the digest of one of the forms, whichever was picked.
	identity blob.Digest
	// lost says that the store has no form of it, and smallest which to fetch.
	lost     bool
	smallest string
}

// namedIndexes are the Packages and Sources of a generation, in the form from
// which it was made.
func namedIndexes(g *catalog.Generation, t *catalog.Table) (found []indexFile) {
	for _, p := range g.Indexes {
		if f, ok := fileOfIndex(g, t, p); ok && f.content <= sources {
			found = append(found, f)
		}
	}
	return found
}

func fileOfIndex(g *catalog.Generation, t *catalog.Table, p string) (f indexFile, ok bool) {
	plain, format := compress.FormatOf(p)
	name, ok := nameOfIndex(strings.TrimPrefix(plain, catalog.SuiteDir(g.Suite)))
	if !ok {
		return f, false
	}
	e, ok := t.Find(p)
	if !ok || e.Kind != catalog.KindIndex {
		return f, false
	}
	f = indexFile{indexName: name, path: p, digest: e.Digest, format: format, identity: e.Digest}
	if e, ok := t.Find(plain); ok {
		f.size = e.Size
	}
	return f, true
}

// otherIndexes are the translations and contents of a generation, in all forms.
func otherIndexes(g *catalog.Generation, t *catalog.Table) (found []indexFile) {
	dir := catalog.SuiteDir(g.Suite)
	first, _ := t.Search(dir)
	for i := first; i < t.Len(); i++ {
		e := t.At(i)
		if !strings.HasPrefix(e.Path, dir) {
			break
		}
		if e.Kind != catalog.KindIndex {
			continue
		}
		if f, ok := fileOfIndex(g, t, e.Path); ok && f.content > sources {
			found = append(found, f)
		}
	}
	return found
}

// forms of an index, the one first that is quickest to read.
var forms = []compress.Format{compress.None, compress.Zstd, compress.LZ4, compress.Gzip, compress.XZ, compress.Bzip}

// pick takes of each index the quickest form that the store has.
func pick(all []indexFile, has func(blob.Digest) bool) (picked []indexFile) {
	byName := map[indexName][]indexFile{}
	var order []indexName
	for _, f := range all {
		if byName[f.indexName] == nil {
			order = append(order, f.indexName)
		}
		byName[f.indexName] = append(byName[f.indexName], f)
	}
	for _, name := range order {
		group := byName[name]
		slices.SortStableFunc(group, func(a, b indexFile) int { return slices.Index(forms, a.format) - slices.Index(forms, b.format) })
		i := slices.IndexFunc(group, func(f indexFile) bool { return has(f.digest) })
		f := group[max(i, 0)]
		f.identity, f.lost, f.smallest = group[0].digest, i < 0, smallestForm(group)
		picked = append(picked, f)
	}
	return picked
}

// smallestForm is the path of the form that compresses best.
func smallestForm(group []indexFile) string {
	best := group[0]
	for _, f := range group[1:] {
		if slices.Index(byRatio, f.format) < slices.Index(byRatio, best.format) {
			best = f
		}
	}
	return best.path
}

var byRatio = []compress.Format{compress.XZ, compress.Zstd, compress.Bzip, compress.Gzip, compress.LZ4, compress.None}
