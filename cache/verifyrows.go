package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/deb822"
)

// maxStanza bounds in bytes what is read of a control stanza.
const maxStanza = 1 << 20

// describe names a generation as reports do.
func describe(r catalog.Ref) string {
	if repository, built := r.Builder(); built {
		return fmt.Sprintf("repository %s, suite %s, built generation %d", repository, r.Suite, r.Number)
	}
	return fmt.Sprintf("archive %s, suite %s, generation %d", r.Archive, r.Suite, r.Number)
}

func (r *Report) add(where, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{where, fmt.Sprintf(format, args...)})
}

// told is what people need to know of an error.
func told(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return errors.New("it is not in the store")
	}
	return err
}

// verifyPointers finds publications and snapshots of generations that are not
// there.
func (c *Cache) verifyPointers(ctx context.Context, r *Report) error {
	publications, err := c.Catalog.Publications(ctx)
	if err := r.noteRow(err); err != nil {
		return fmt.Errorf("listing publications: %w", err)
	}
	for _, p := range publications {
		where := fmt.Sprintf("repository %s, suite %s", p.Repository, p.Suite)
		for _, ref := range p.Refs() {
			c.verifyPointer(r, where, ref)
		}
		for name, d := range p.Signed.Files() {
			if _, err := c.Blobs.Stat(d); err != nil {
				r.add(where+": "+name, "%v", told(err))
			}
		}
	}
	return c.verifySnapshots(ctx, r)
}

func (c *Cache) verifyPointer(r *Report, where string, ref catalog.Ref) {
	if _, err := c.Catalog.Generation(ref.Archive, ref.Suite, ref.Number); err != nil {
		r.add(where, "%s: %v", ref, err)
	}
}

// verifySnapshots finds pins that lead nowhere, and files that are missing from
// what was complete.
func (c *Cache) verifySnapshots(ctx context.Context, r *Report) error {
	snapshots, err := c.Catalog.Snapshots(ctx)
	if err := r.noteRow(err); err != nil {
		return fmt.Errorf("listing snapshots: %w", err)
	}
	for _, s := range snapshots {
		for _, p := range s.Pins {
			where := fmt.Sprintf("snapshot %s, repository %s, suite %s", s.Name, p.Repository, p.Suite)
			c.verifyPointer(r, where, p.Ref)
			if s.Completed.IsZero() {
				continue
			}
			if missing, err := c.missing(ctx, p.Ref); err != nil {
				return err
			} else if missing > 0 {
				r.add(where, "%d files that it had when it was complete are not in the store", missing)
			}
		}
	}
	return nil
}

// missing counts the packages of a generation that are not in the store.
func (c *Cache) missing(ctx context.Context, ref catalog.Ref) (files int, err error) {
	g, err := c.Catalog.Generation(ref.Archive, ref.Suite, ref.Number)
	if err != nil {
		return 0, nil // a problem of its own
	}
	t, err := c.Catalog.Table(ctx, g)
	if err != nil {
		return 0, context.Cause(ctx)
	}
	for e := range t.All() {
		if e.Kind != catalog.KindPackage {
			continue
		}
		if _, err := c.Blobs.Stat(e.Digest); errors.Is(err, blob.ErrNotFound) {
			files++
		}
		if ctx.Err() != nil {
			return files, context.Cause(ctx)
		}
	}
	return files, nil
}

// verifyPools looks for the files of pools; with stanzas it reads what is
// indexed of them too.
func (c *Cache) verifyPools(ctx context.Context, r *Report, stanzas bool) error {
	files, err := c.Catalog.PoolFiles(ctx, "")
	if err := r.noteRow(err); err != nil {
		return fmt.Errorf("listing the files of pools: %w", err)
	}
	for _, f := range files {
		where := fmt.Sprintf("pool %s: %s", f.Pool, f.Path)
		if info, err := c.Blobs.Stat(f.Digest); err != nil {
			r.add(where, "%v", told(err))
		} else if info.Size != f.Size {
			r.add(where, "it has %d bytes, the catalog says %d", info.Size, f.Size)
		}
		if f.Stanza == (blob.Digest{}) {
			continue
		}
		if err := c.verifyStanza(ctx, f, stanzas); err != nil {
			r.add(where, "its control stanza: %v", told(err))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *Cache) verifyStanza(ctx context.Context, f catalog.PoolFile, read bool) error {
	if !read {
		_, err := c.Blobs.Stat(f.Stanza)
		return err
	}
	text, err := c.Blobs.ReadAll(ctx, f.Stanza, maxStanza)
	if err != nil {
		return err
	}
	sc := deb822.NewScanner(bytes.NewReader(text), deb822.Limits{})
	if !sc.Scan() {
		return errorOrText(sc.Err(), "it is empty")
	}
	for field, want := range map[string]string{"Package": f.Package, "Version": f.Version} {
		if got, _ := sc.Stanza().Get(field); string(got) != want {
			return fmt.Errorf("its %s is %q, the catalog says %q", field, got, want)
		}
	}
	return nil
}

func errorOrText(err error, text string) error {
	if err != nil {
		return err
	}
	return errors.New(text)
}
