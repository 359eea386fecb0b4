package upstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// parallelIndexes is how many indexes of one suite are fetched at a time.
const parallelIndexes = 4

// fetchAll brings the targets into the store, those that are not there yet,
// and gives those that are there then: all but optional ones that cannot be had.
func (in *intake) fetchAll(ctx context.Context, targets []target) (got []target, err error) {
	failed := make([]error, len(targets))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelIndexes)
	for i := range targets {
		group.Go(func() error {
			failed[i] = in.fetchAnyForm(groupCtx, &targets[i])
			if targets[i].optional {
				return nil
			}
			return failed[i]
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, t := range targets {
		if failed[i] == nil {
			got = append(got, t)
			continue
		}
		in.missing = append(in.missing, in.dir+t.file.Path)
		in.u.Log.Warn("an optional index cannot be had, the suite is taken in without it", "archive", in.archive.Name, "suite", in.suite, "error", failed[i])
	}
	return got, ctx.Err()
}

// fetchAnyForm fetches an index in the first form that is there or that some
// mirror has, as apt does. The error is that of the form apt asks for first.
func (in *intake) fetchAnyForm(ctx context.Context, t *target) error {
	var first error
	for _, f := range append([]debian.IndexFile{t.file}, t.others...) {
		err := in.fetch(ctx, f)
		if err == nil {
			t.file = f
			return nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return first
}

func (in *intake) refuseEmpty() error {
	return in.refuse("Release", Malformed, fmt.Errorf("it lists no index for components %q and architectures %q; it has components %q, architectures %q",
		in.archive.Components, in.archive.Architectures, in.release.Components, in.release.Architectures))
}

// fetch brings one form of an index into the store unless it is there.
func (in *intake) fetch(ctx context.Context, f debian.IndexFile) error {
	_, err := in.u.Blobs.Stat(f.SHA256)
	if !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	if f.Size == 0 {
		_, err := in.u.Blobs.Put(ctx, nil, in.release.Date)
		return err
	}
	if in.brought != nil {
		return in.refuse(f.Path, NotBrought, &errNotBrought{in.brought.From, f.Path})
	}
	in.fetched.Add(f.Size)
	return in.u.fetchWhole(ctx, in.fileOf(f), demand{first: in.release.uri, evict: true})
}

// fileOf gives an index as something that can be fetched.
func (in *intake) fileOf(f debian.IndexFile) catalog.File {
	p := in.dir + f.Path
	return catalog.File{
		Entry:   catalog.Entry{Path: p, Plain: p, Kind: catalog.KindIndex, Size: f.Size, Digest: f.SHA256},
		Archive: in.archive.Name, Suite: in.suite, ByHash: in.release.AcquireByHash,
	}
}
