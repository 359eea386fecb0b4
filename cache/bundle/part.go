package bundle

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Part is a file that should hold a part of a bundle.
type Part struct {
	Name string // for messages
	Open func() (io.ReadCloser, error)
	// What its first member says, which nothing signs. Where that was not read,
	// Bundle is "".
	Bundle, ID string
	Number, Of int // of the part, from 1, and of how many
	InFolder   bool

	base    string
	list    SHA256
	created int64
}

// Stream gives a bundle that is read once, as it comes.
func Stream(name string, r io.Reader) Part {
	return Part{Name: name, Open: func() (io.ReadCloser, error) { return io.NopCloser(r), nil }}
}

// Find looks for the bundles in files and folders, of which it reads the
// beginning. The parts of one bundle stand together, and bundles in the order in
// which they were made, so that each follows the one that it builds on. Of a
// folder, files count whose name ends in ".tar" and that are bundles.
func Find(paths ...string) (bundles [][]Part, err error) {
	var parts []Part
	for _, path := range paths {
		found, err := findIn(path)
		if err != nil {
			return nil, err
		}
		parts = append(parts, found...)
	}
	slices.SortStableFunc(parts, func(a, b Part) int {
		return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.base, b.base), slices.Compare(a.list[:], b.list[:]), cmp.Compare(a.Number, b.Number))
	})
	for i, p := range parts {
		if i == 0 || parts[i-1].list != p.list {
			bundles = append(bundles, nil)
		}
		last := len(bundles) - 1
		bundles[last] = append(bundles[last], p)
	}
	return bundles, nil
}

func findIn(path string) (parts []Part, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		p, err := partOf(path)
		return []Part{p}, err
	}
	files, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var skipped error
	for _, f := range files {
		if !f.Type().IsRegular() || !strings.HasSuffix(f.Name(), ".tar") || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		p, err := partOf(filepath.Join(path, f.Name()))
		if refused := (*RefusedError)(nil); errors.As(err, &refused) && refused.Reason == NotABundle {
			skipped = err
			continue
		}
		if err != nil {
			return nil, err
		}
		p.InFolder = true
		parts = append(parts, p)
	}
	if len(parts) == 0 && skipped != nil {
		return nil, skipped
	}
	if len(parts) == 0 {
		return nil, refuse(path, NotABundle, "the folder has no bundle, NAME.tar or NAME.1of2.tar and so on: is it the right medium, and is it mounted?")
	}
	return parts, nil
}

// partOf reads the first member of a file.
func partOf(path string) (Part, error) {
	p := Part{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }}
	f, err := p.Open()
	if err != nil {
		return p, err
	}
	defer f.Close()
	h, err := readHead(&tarReader{r: f}, path)
	p.Bundle, p.ID, p.Number, p.Of = h.Name, h.ID, h.Part, h.Parts
	p.base, p.list, p.created = h.Base, h.List, h.Created.Unix()
	return p, err
}

func readHead(t *tarReader, name string) (h head, err error) {
	data, err := t.small(headName, maxHead)
	if damage := (*damageError)(nil); errors.As(err, &damage) {
		return h, refuse(name, NotABundle, "it is no bundle of aptmirror, or its beginning is damaged: %w", err)
	}
	if err != nil {
		return h, err
	}
	err = decodeHead(data, &h)
	switch {
	case err != nil:
		return h, refuse(name, Damaged, "its beginning cannot be read (%w); %s", err, again)
	case h.Format != Format:
		return h, refuse(name, OtherFormat, "%w", &versionError{h.Format})
	case h.Part < 1 || h.Part > h.Parts || h.Parts > MaxParts || h.List.None():
		return h, refuse(name, Damaged, "it says it is part %d of %d; %s", h.Part, h.Parts, again)
	}
	if err := CheckName(h.Name); err != nil {
		return h, refuse(name, Damaged, "%w; %s", err, again)
	}
	return h, nil
}

// decodeHead reads the format first: others may have other fields.
func decodeHead(data []byte, h *head) error {
	var f struct {
		Format int `json:"format"`
	}
	if err := decodeAny(data, &f); err != nil || f.Format != Format {
		h.Format = f.Format
		return err
	}
	return decode(data, h)
}

// reading is a part that is being read.
type reading struct {
	*tarReader
	io.Closer
	name string
	head head
}

func open(ctx context.Context, p Part) (*reading, error) {
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	r := &reading{tarReader: &tarReader{r: bufio.NewReaderSize(&ctxReader{ctx, f}, 64<<10)}, Closer: f, name: p.Name}
	if r.head, err = readHead(r.tarReader, p.Name); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// refuse tells damage from a part that could not be read.
func (r *reading) refuse(err error) error {
	if damage := (*damageError)(nil); errors.As(err, &damage) {
		return refuse(r.name, Damaged, "%w; %s", err, again)
	}
	return fmt.Errorf("reading %s: %w", r.name, err)
}

// ctxReader ends with ctx.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *ctxReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
