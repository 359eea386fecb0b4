package resign

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/resign/deb"
)

// ownPackage is a package of a pool that a suite has.
type ownPackage struct {
	catalog.PoolFile
	item string // as contents name it: [SECTION/]PACKAGE
}

// noteOwn takes up a package of a pool. Those for all architectures are listed
// once.
func (r *remains) noteOwn(s *Selection, i int) {
	p := &s.Set.Packages[i]
	name := indexName{contents, strings.Clone(p.Input.Component), strings.Clone(p.Architecture)}
	if _, known := r.own[name][p.Digest]; known {
		return
	}
	files := s.origins[s.places[i].origin].input.Files
	at := slices.IndexFunc(files, func(f catalog.PoolFile) bool { return f.Digest == p.Digest && f.Kind == catalog.PoolDeb })
	if at < 0 {
		return
	}
	if r.own[name] == nil {
		r.own[name] = map[blob.Digest]ownPackage{}
	}
	r.own[name][p.Digest] = ownPackage{files[at], itemOf(p)}
}

func itemOf(p *policy.Package) string {
	if section := p.Field("Section"); section != "" && !strings.ContainsAny(section, ", \t\n") {
		return section + "/" + p.Name
	}
	return strings.Clone(p.Name)
}

// ownContents gives the packages of pools by the contents that they are listed
// in, in order: those of their component, or of the whole suite where archives
// have such alone, since clients read one or the other.
func (r *remains) ownContents(has func(indexName) bool) map[indexName][]ownPackage {
	all := map[indexName][]ownPackage{}
	for name, packages := range r.own {
		if top := (indexName{contents, "", name.variant}); !has(name) && has(top) {
			name = top
		}
		for _, p := range packages {
			all[name] = append(all[name], p)
		}
	}
	for _, packages := range all {
		slices.SortFunc(packages, func(a, b ownPackage) int {
			return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Pool, b.Pool))
		})
	}
	return all
}

const (
	// maxOwnPaths and maxOwnLines are the bytes and the lines of one contents that packages of pools may take; twice the
	// bytes, and some 64 more for each line, are in memory while it is written.
	maxOwnPaths = 128 << 20
	maxOwnLines = 2 << 20
)

// ownLine is a file that a package of a pool installs.
type ownLine struct{ path, item string }

// ownLines writes the lines of packages of pools. What is beyond the bounds is left out: who may upload packages must not
// be able to keep the suite from being built.
func (b *Builder) ownLines(ctx context.Context, packages []ownPackage) ([]byte, error) {
	var lines []ownLine
	size := 0
	for _, p := range packages {
		paths, err := b.pathsOf(ctx, p.PoolFile)
		if err != nil {
			return nil, fmt.Errorf("reading what %s of pool %s installs: %w", p.Path, p.Pool, err)
		}
		n := bytes.Count(paths, newline)
		more := len(paths) + n*(len(p.item)+1)
		if size+more > maxOwnPaths || len(lines)+n > maxOwnLines {
			continue
		}
		size += more
		for name := range strings.Lines(text(paths)) {
			lines = append(lines, ownLine{strings.TrimSuffix(name, "\n"), p.item})
		}
	}
	slices.SortFunc(lines, func(a, b ownLine) int {
		return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.item, b.item))
	})
	return joinLines(slices.Compact(lines), size), nil
}

// joinLines writes one line for each path.
func joinLines(lines []ownLine, size int) []byte {
	out := bytes.NewBuffer(make([]byte, 0, size))
	begin, last := 0, "" // of the last line
	for _, l := range lines {
		switch known := l.path == last; {
		case !known && len(l.path)+len(l.item)+2 < maxContentsLine:
			begin, last = out.Len(), l.path
			out.WriteString(l.path + "\t" + l.item + "\n")
		case known && out.Len()-begin+len(l.item)+1 < maxContentsLine:
			out.Truncate(out.Len() - 1)
			out.WriteString("," + l.item + "\n")
		}
	}
	return out.Bytes()
}

// pathsOf reads the package itself where no list of its files is recorded, or
// the store has lost it.
func (b *Builder) pathsOf(ctx context.Context, f catalog.PoolFile) ([]byte, error) {
	if f.Paths != (blob.Digest{}) {
		if paths, err := b.Blobs.ReadAll(ctx, f.Paths, deb.MaxPaths); err == nil {
			return paths, nil
		}
	}
	stored, err := b.Blobs.Open(f.Digest)
	if err != nil {
		return nil, err
	}
	defer stored.Close()
	return deb.ReadPaths(ctx, stored, f.Size)
}
