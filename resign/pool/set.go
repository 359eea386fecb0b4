package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/resign/deb"
)

// maxTextBytes is the size of a .changes or .dsc above which it is refused.
const maxTextBytes = 2 << 20

const (
	// examineTime and, beyond that, examineRate in bytes a second are how fast a set has to be read and unpacked, on a slow
	// machine as well; what takes longer was made to. Few sets are examined at a time, and others wait.
	examineTime = 30 * time.Second
	examineRate = 2 << 20
)

var errTooSlow = errors.New("it takes too long")

// allowed is how long examining the files may take.
func allowed(files []File) time.Duration {
	size := int64(0)
	for _, f := range files {
		size += f.Size
	}
	return examineTime + time.Duration(size/examineRate)*time.Second
}

// nameForm is what names of files may consist of.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9+.~_%:-]{0,254}$`)

// set is the files that are offered together while they are examined.
type set struct {
	pool    *Pool
	ctx     context.Context // of the examination
	at      string          // the file that is read
	files   map[string]File
	order   []string
	digests map[string]blob.Digest
	changes *changes        // nil where there is none
	claimed map[string]bool // files that belong to a source package
	held    int64           // bytes of what offers have in memory
}

// examine reads everything within the time that it may take, and gives what is to be added. Nothing is stored.
func (p *Pool) examine(ctx context.Context, files []File, within time.Duration) ([]offer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errTooSlow)
	defer cancel()
	s := &set{pool: p, ctx: ctx, files: map[string]File{}, digests: map[string]blob.Digest{}, claimed: map[string]bool{}}
	offers, err := s.examine(files)
	if errors.Is(err, errTooSlow) {
		return nil, refuse(Malformed, s.at, "reading and unpacking takes more than the %v that are enough for files of this size; if the mirror is only busy, send it again later", within)
	}
	return offers, err
}

func (s *set) examine(files []File) (offers []offer, err error) {
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
			s.at = name
			more, err := kind.read(s.files[name])
			if err != nil {
				return nil, err
			}
			offers = append(offers, more...)
			if err := s.count(more); err != nil {
				return nil, err
			}
		}
	}
	return offers, s.checkRest()
}

// maxHeld is how many bytes of control files and paths the packages of a set may have together: they are in memory until
// the set is stored.
const maxHeld = 128 << 20

func (s *set) count(offers []offer) error {
	for _, o := range offers {
		s.held += int64(len(o.stanza) + len(o.paths))
	}
	if s.held > s.pool.maxHeld {
		return refuse(Malformed, s.at, "with it, the control files and paths of the set have more than %d bytes: add fewer packages at once", s.pool.maxHeld)
	}
	return nil
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
		s.at = f.Name
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
