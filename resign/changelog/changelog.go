// Package changelog answers apt's question for the changelog of a package, from the packages themselves.
//
// apt asks for COMPONENT/PREFIX/SOURCE/SOURCE_VERSION, without an epoch and in flat archives without a component: see
// Path. A generation's Packages say which binary packages are built from that source; of those the one is read that the
// store has, or else the smallest. Nothing is read that no generation promises, and no byte that was not verified.
//
// The package decides nothing about who may ask. It writes nothing: what it knows it keeps in memory, within bounds, and
// finds again where that was dropped.
package changelog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/resign/deb"
)

const (
	// readAtOnce is how many packages and indexes are read at a time; a package takes up to 64 MB of memory meanwhile, for
	// its decoder.
	readAtOnce = 2
	// patience is for how long one question is looked into.
	patience = 45 * time.Second
	// maxTried is how many packages of one source are read for a changelog: many have none of their own but are linked to
	// that of another.
	maxTried = 4
)

// Config is what a Finder works with.
type Config struct {
	Blobs   *blob.Store
	Catalog *catalog.Catalog
	// Fill brings a package that is not in the store.
	Fill func(ctx context.Context, f catalog.File) (blob.Stream, error)
	// Begin and End stand around the use of a file, so that it is not removed; nil where nothing ever is.
	Begin, End func(blob.Digest)
}

// Finder finds changelogs. Its methods may be called from many goroutines.
type Finder struct {
	Config
	slots   chan struct{} // readAtOnce
	indexes recent[indexKey, *builtFrom]
	texts   recent[blob.Digest, Text]
}

// New makes a Finder that knows nothing yet.
func New(c Config) *Finder {
	return &Finder{
		Config: c, slots: make(chan struct{}, readAtOnce),
		indexes: recent[indexKey, *builtFrom]{max: maxIndexed}, texts: recent[blob.Digest, Text]{max: maxTexts},
	}
}

// Text is a changelog. It must not be changed.
type Text struct {
	Bytes    []byte // nil: the package has none
	Modified time.Time
}

// UnknownError says why there is no such changelog, to the person who asked.
type UnknownError struct{ Text string }

func (e *UnknownError) Error() string { return e.Text }

// Find gives a changelog of a package of one of the generations. The error is an *UnknownError where they have no such
// package, or it no changelog.
func (f *Finder) Find(ctx context.Context, generations []catalog.Generation, q Query) (Text, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tried, last := 0, error(nil)
	for _, g := range generations {
		files, err := f.builtFrom(ctx, g, q)
		if err != nil {
			return Text{}, fmt.Errorf("looking for what is built from %s: %w", q, err)
		}
		for _, file := range f.storedFirst(files)[:min(len(files), maxTried-tried)] {
			tried++
			text, err := f.read(ctx, file)
			if err == nil && text.Bytes != nil {
				return text, nil
			}
			if err != nil {
				last = fmt.Errorf("reading the changelog of %s: %w", file.Path, err)
			}
			if ctx.Err() != nil {
				return Text{}, last
			}
		}
	}
	return Text{}, nothing(q, tried, last)
}

// nothing says why there is no changelog. What failed may be there another time.
func nothing(q Query, tried int, last error) error {
	switch {
	case last != nil:
		return last
	case tried > 0:
		return &UnknownError{fmt.Sprintf("the packages built from %s have no changelog in them", q)}
	}
	return &UnknownError{fmt.Sprintf("no package here is built from %s", q)}
}

// storedFirst goes before what would have to be fetched.
func (f *Finder) storedFirst(files []catalog.File) []catalog.File {
	absent := func(file catalog.File) int {
		if _, err := f.Blobs.Stat(file.Digest); err != nil {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(files, func(a, b catalog.File) int { return absent(a) - absent(b) })
	return files
}

// read gives the changelog of one package.
func (f *Finder) read(ctx context.Context, file catalog.File) (text Text, err error) {
	if text, ok := f.texts.get(file.Digest); ok {
		return text, nil
	}
	if f.Begin != nil {
		f.Begin(file.Digest)
		defer f.End(file.Digest)
	}
	stored, err := f.open(ctx, file)
	if err != nil {
		return Text{}, err
	}
	defer stored.Close()
	free, err := f.slot(ctx)
	if err != nil {
		return Text{}, err
	}
	defer free()
	name, _, _ := strings.Cut(path.Base(file.Path), "_")
	text.Bytes, text.Modified, err = deb.ReadChangelog(ctx, stored, stored.Info().Size, name)
	if errors.Is(err, deb.ErrNoChangelog) {
		err = nil
	}
	if err == nil {
		f.texts.put(file.Digest, text, int64(len(text.Bytes))+textOverhead)
	}
	return text, err
}

// open waits until all of a package is in the store.
func (f *Finder) open(ctx context.Context, file catalog.File) (*blob.Reader, error) {
	stored, err := f.Blobs.Open(file.Digest)
	if !errors.Is(err, blob.ErrNotFound) {
		return stored, err
	}
	coming, err := f.Fill(ctx, file)
	if err != nil {
		return nil, err
	}
	defer coming.Close()
	if _, err := coming.WriteRange(io.Discard, 0, file.Size); err != nil {
		return nil, err
	}
	return f.Blobs.Open(file.Digest)
}

// slot waits for one of a few.
func (f *Finder) slot(ctx context.Context) (free func(), err error) {
	select {
	case f.slots <- struct{}{}:
		return func() { <-f.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
