package bundle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/upstream/pgp"
)

// Room keeps files from being removed, and sets room aside for others.
// cache.Cache does.
type Room interface {
	Hold(digests ...blob.Digest) (release func())
	Reserve(ctx context.Context, size int64, evict bool) (release func(), err error)
}

// Importer takes bundles in.
type Importer struct {
	Blobs *blob.Store
	Room  Room // nil where the store has no limits and nobody removes anything
	// Keyring has the keys of the sites whose bundles are taken.
	Keyring *pgp.Keyring
	// Before is what was imported so far, see Imports.
	Before []Import
	// Now is the clock that signatures are judged by.
	Now func() time.Time
	// Judge is called once all Release files and indexes are in the store, mostly
	// long before the packages are. Where it returns an error, nothing more is
	// read, and Receive returns that.
	Judge func(ctx context.Context, in *Incoming) error
	// Next asks for further parts; nil has none.
	Next func(ctx context.Context, in *Incoming, missing []int) (Part, error)
	// Progress is told now and then how many bytes of how many have been read; nil is nobody.
	Progress func(done, total int64)
}

// Incoming is a bundle on its way in, its list verified.
type Incoming struct {
	List *List
	// Signers are the fingerprints of the primary keys that signed it.
	Signers []string
	// New counts the files that were not in the store.
	New Count

	im        *Importer
	name      string
	text      []byte // list.json, that other parts must have, too
	files     []File
	parts     []bool // those that were read
	judged    bool
	presented map[int64][]blob.Digest
	progress  meter
	release   func()
}

// Release lets go of the files. Until then none of them is removed.
func (in *Incoming) Release() { in.release() }

// String names the bundle for people.
func (in *Incoming) String() string { return in.List.String() }

// OfSize gives the files of the bundle that have that size.
func (in *Incoming) OfSize(size int64) []blob.Digest {
	if in.presented == nil {
		in.presented = map[int64][]blob.Digest{}
		for _, f := range in.files {
			in.presented[f.Size] = append(in.presented[f.Size], f.Digest)
		}
	}
	return in.presented[size]
}

// Receive brings the files of one bundle into the store, in whatever order its
// parts are given; those that are in the store it does not write again, so that
// it goes on where an earlier one was interrupted. When it returns without an
// error, every file is there and is what the signed list says, and is held until
// Release is called. Refusals are *RefusedError or what Judge returned.
func (im *Importer) Receive(ctx context.Context, parts ...Part) (*Incoming, error) {
	in := &Incoming{im: im, release: func() {}}
	err := in.receive(ctx, parts)
	if err != nil {
		in.release()
		return nil, err
	}
	return in, nil
}

func (in *Incoming) receive(ctx context.Context, parts []Part) error {
	for _, p := range parts {
		if err := in.takePart(ctx, p); err != nil {
			return err
		}
	}
	for {
		missing, err := in.missing()
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return in.judge(ctx)
		}
		if in.im.Next == nil {
			return &RefusedError{in.name, PartMissing, &MissingPartsError{in.List, in.Signers, missing}}
		}
		p, err := in.im.Next(ctx, in, missing)
		if err != nil {
			return err
		}
		if err := in.takePart(ctx, p); err != nil {
			return err
		}
	}
}

// missing gives the parts, counted from 1, of which files are not in the store.
func (in *Incoming) missing() (parts []int, err error) {
	if in.List == nil {
		return nil, refuse("given", NotABundle, "there is none")
	}
	for n, read := range in.parts {
		if read {
			continue
		}
		if there, err := in.all(in.List.filesOf(in.files, n)); err != nil {
			return nil, err
		} else if !there {
			parts = append(parts, n+1)
		}
	}
	return parts, nil
}

// all says whether all of the files are in the store.
func (in *Incoming) all(files []File) (bool, error) {
	for _, f := range files {
		there, err := in.has(f)
		if !there || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (in *Incoming) has(f File) (bool, error) {
	info, err := in.im.Blobs.Stat(f.Digest)
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil && info.Size == f.Size, err
}

// takePart reads one part.
func (in *Incoming) takePart(ctx context.Context, p Part) error {
	r, err := open(ctx, p)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := in.readLists(ctx, r); err != nil {
		return err
	}
	n := r.head.Part - 1
	if r.head.Parts != len(in.parts) || r.head.Name != in.List.Name || r.head.ID != in.List.ID || r.head.Base != in.List.baseID() || !r.head.Created.Equal(in.List.Created) {
		return refuse(p.Name, Damaged, "its beginning says something else than its list; %s", again)
	}
	files := in.List.filesOf(in.files, n)
	if first := in.List.Files.Metadata; n == 0 && first <= len(files) {
		if err := in.takeFiles(ctx, r, files[:first]); err != nil {
			return err
		}
		if err := in.judge(ctx); err != nil {
			return err
		}
		files = files[first:]
	}
	if err := in.takeFiles(ctx, r, files); err != nil {
		return err
	}
	if err := r.end(); err != nil {
		return r.refuse(err)
	}
	in.parts[n] = true
	return nil
}

// judge asks once the metadata is there, which are the first files.
func (in *Incoming) judge(ctx context.Context) error {
	if in.judged || in.im.Judge == nil {
		return nil
	}
	there, err := in.all(in.files[:in.List.Files.Metadata])
	if !there || err != nil {
		return err
	}
	in.judged = true
	return in.im.Judge(ctx, in)
}

// hold keeps what comes, and what is there already, from being removed.
func (in *Incoming) hold() {
	if in.im.Room == nil {
		return
	}
	digests := make([]blob.Digest, len(in.files))
	for i, f := range in.files {
		digests[i] = f.Digest
	}
	in.release = in.im.Room.Hold(digests...)
}

// checkRoom looks whether all that is new finds room, before any of it is read.
func (in *Incoming) checkRoom(ctx context.Context) error {
	for _, f := range in.files {
		there, err := in.has(f)
		if err != nil {
			return err
		}
		if !there {
			in.New.count(f.Size)
		}
	}
	release, err := in.reserve(ctx, in.New.Bytes)
	if err != nil {
		return fmt.Errorf("importing bundle %s: %w", in.name, err)
	}
	release()
	return nil
}

func (in *Incoming) reserve(ctx context.Context, size int64) (release func(), err error) {
	if in.im.Room == nil {
		return func() {}, nil
	}
	return in.im.Room.Reserve(ctx, size, true)
}

// Complete says whether the store has as much of a suite as the exporting side
// had: what was left out because an earlier bundle brought it may have gone.
func (in *Incoming) Complete(s ListedSuite, c Counted) error {
	if lost := s.Present.Files - c.Present.Files; lost > 0 {
		what := "import a bundle that builds on none"
		if in.List.Base != nil {
			what = fmt.Sprintf("import bundle %s (%s) again, or one that builds on none", in.List.Base.Name, in.List.Base.ID)
		}
		return refuse(in.name, Incomplete, "%d files of suite %s of %s that earlier bundles brought are no longer in the store: %s", lost, s.Suite, s.Source, what)
	}
	return nil
}

// Suite finds a suite of the bundle.
func (in *Incoming) Suite(source, suite string) (ListedSuite, bool) {
	i := slices.IndexFunc(in.List.Suites, func(s ListedSuite) bool { return s.Source == source && s.Suite == suite })
	if i < 0 {
		return ListedSuite{}, false
	}
	return in.List.Suites[i], true
}
