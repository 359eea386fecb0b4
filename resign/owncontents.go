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

// ownLines writes the lines of packages of pools.
func (b *Builder) ownLines(ctx context.Context, packages []ownPackage) ([]byte, error) {
	type line struct{ path, item string }
	var lines []line
	size := 0
	for _, p := range packages {
		paths, err := b.pathsOf(ctx, p.PoolFile)
		if err != nil {
			return nil, fmt.Errorf("reading what %s of pool %s installs: %w", p.Path, p.Pool, err)
		}
		for name := range strings.Lines(text(paths)) {
			name = strings.TrimSuffix(name, "\n")
			lines = append(lines, line{name, p.item})
			size += len(name) + len(p.item) + 2
		}
		if size > maxText {
			return nil, fmt.Errorf("the packages of pools install files with more than %d bytes of paths", maxText)
		}
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Or(strings.Compare(a.path, b.path), strings.Compare(a.item, b.item)) })
	lines = slices.Compact(lines)
	out := bytes.NewBuffer(make([]byte, 0, size))
	for i, l := range lines {
		if i > 0 && l.path == lines[i-1].path {
			out.Truncate(out.Len() - 1)
			out.WriteString("," + l.item + "\n")
			continue
		}
		out.WriteString(l.path + "\t" + l.item + "\n")
	}
	return out.Bytes(), nil
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
