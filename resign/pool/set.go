package pool

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/resign/deb"
)

// maxTextBytes is the size of a .changes or .dsc above which it is refused.
const maxTextBytes = 2 << 20

// nameForm is what names of files may consist of.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.~_%:-]{0,254}$`)

// set is the files that are offered together while they are examined.
type set struct {
	pool    *Pool
	ctx     context.Context // of the examination
	files   map[string]File
	order   []string
	digests map[string]blob.Digest
	changes *changes        // nil where there is none
	claimed map[string]bool // files that belong to a source package
}

// examine reads everything and gives what is to be added. Nothing is stored.
func (p *Pool) examine(ctx context.Context, files []File) (offers []offer, err error) {
	s := &set{pool: p, ctx: ctx, files: map[string]File{}, digests: map[string]blob.Digest{}, claimed: map[string]bool{}}
	if err := s.collect(files); err != nil {
		return nil, err
	}
	if err := s.readChanges(); err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		suffix string
		read   func(File) ([]offer, error)
	}{{".deb", s.readDeb}, {".udeb", s.readDeb}, {".dsc", s.readSource}} {
		for _, name := range s.named(kind.suffix) {
			more, err := kind.read(s.files[name])
			if err != nil {
				return nil, err
			}
			offers = append(offers, more...)
		}
	}
	return offers, s.checkRest()
}

func (s *set) collect(files []File) error {
	if len(files) == 0 || len(files) > MaxFiles {
		return refuse(Malformed, s.pool.Name, "a set of %d files; from 1 to %d can be added at once", len(files), MaxFiles)
	}
	for _, f := range files {
		if !nameForm.MatchString(f.Name) {
			return refuse(Malformed, fmt.Sprintf("%.100q", f.Name), "not a file name of letters, digits and + - . _ ~ %% :")
		}
		if _, twice := s.files[f.Name]; twice {
			return refuse(Malformed, f.Name, "twice in one set")
		}
		s.files[f.Name], s.order = f, append(s.order, f.Name)
		d, err := f.digest(s.ctx)
		if err != nil {
			return err
		}
		s.digests[f.Name] = d
	}
	slices.Sort(s.order)
	return nil
}

// named gives the names that end so, in order.
func (s *set) named(suffix string) (names []string) {
	for _, name := range s.order {
		if strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names
}

// checkRest finds files that are of no use: their sender thinks they are.
func (s *set) checkRest() error {
	for _, name := range s.order {
		switch {
		case s.claimed[name], strings.HasSuffix(name, ".deb"), strings.HasSuffix(name, ".udeb"), strings.HasSuffix(name, ".dsc"), strings.HasSuffix(name, ".changes"):
		case s.changes != nil && strings.HasSuffix(name, ".buildinfo"): // a record of the build, which no repository has
		default:
			return refuse(Incomplete, name, "neither a package nor named by a .dsc of the set")
		}
	}
	return nil
}

func (s *set) readDeb(f File) ([]offer, error) {
	d, err := deb.Read(s.ctx, f.Body, f.Size)
	if err != nil {
		if s.ctx.Err() != nil {
			return nil, context.Cause(s.ctx)
		}
		return nil, &Error{Malformed, f.Name, err}
	}
	signer, err := s.vouchDeb(f, d)
	if err != nil {
		return nil, err
	}
	component, err := s.pool.component(d.Section)
	if err != nil {
		return nil, &Error{Malformed, f.Name, err}
	}
	o := offer{file: f, claims: Claims{d.Provides, d.Essential}, stanza: d.Control, PoolFile: catalog.PoolFile{Component: component, Package: d.Name, Version: d.Version, Architecture: d.Arch,
		Digest: s.digests[f.Name], Size: f.Size, Stanza: blob.Sum(d.Control), Signer: signer, Kind: catalog.PoolDeb}}
	suffix := ".deb"
	if strings.HasSuffix(f.Name, ".udeb") {
		o.Kind, suffix = catalog.PoolUdeb, ".udeb"
	} else {
		o.paths, o.Paths = d.Paths, blob.Sum(d.Paths)
	}
	if d.Source != d.Name {
		o.Source = d.Source
	}
	o.Path = place(component, d.Source) + d.Name + "_" + withoutEpoch(d.Version) + "_" + d.Arch + suffix
	if err := checkPath(o.Path); err != nil {
		return nil, &Error{Malformed, f.Name, err}
	}
	return []offer{o}, nil
}

// readText reads a .changes or .dsc.
func readText(f File) ([]byte, error) {
	if f.Size > maxTextBytes {
		return nil, refuse(Malformed, f.Name, "%d bytes, more than %d", f.Size, maxTextBytes)
	}
	text := make([]byte, f.Size)
	if _, err := io.ReadFull(f.reader(), text); err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Name, err)
	}
	return text, nil
}
