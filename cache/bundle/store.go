package bundle

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
)

const (
	// parallelFiles is how many small files are being stored while the next is read.
	parallelFiles = 8
	// smallFile is what is read into memory as a whole, in bytes; larger files are
	// stored as they are read.
	smallFile = 1 << 20
)

var buffers = sync.Pool{New: func() any { return new([smallFile]byte) }}

// takeFiles reads the next members, which must be these files, into the store.
// All are there when it returns without an error.
func (in *Incoming) takeFiles(ctx context.Context, r *reading, files []File) error {
	group, groupCtx := errgroup.WithContext(ctx)
	small := make(chan func() error)
	// A few goroutines with grown stacks, rather than one more for each of many files.
	for range parallelFiles {
		group.Go(func() error { return runAll(small) })
	}
	var err error
	for _, f := range files {
		if groupCtx.Err() != nil {
			break
		}
		if err = in.takeFile(groupCtx, small, r, f); err != nil {
			break
		}
	}
	close(small)
	if stored := group.Wait(); stored != nil {
		return stored
	}
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// runAll ends with the first error. With it ends the context of who hands over the next.
func runAll(small <-chan func() error) error {
	for store := range small {
		if err := store(); err != nil {
			return err
		}
	}
	return nil
}

func (in *Incoming) takeFile(ctx context.Context, small chan<- func() error, r *reading, f File) error {
	if err := r.expect(blobFolder+f.Digest.String(), f.Size); err != nil {
		return r.refuse(err)
	}
	there, err := in.has(f)
	switch {
	case err != nil:
		return err
	case there:
		_, err = io.CopyN(&metered{ctx, io.Discard, &in.progress}, r, f.Size)
	case f.Size <= smallFile:
		return in.takeSmall(ctx, small, r, f)
	default:
		err = in.store(ctx, r, f)
	}
	if err == io.EOF {
		err = r.damaged("it breaks off")
	}
	if err == nil {
		err = r.padding(f.Size)
	}
	return in.stored(r, f, err)
}

// takeSmall leaves the storing of a file to others, so that the next can be read.
func (in *Incoming) takeSmall(ctx context.Context, small chan<- func() error, r *reading, f File) error {
	buffer := buffers.Get().(*[smallFile]byte)
	data := buffer[:f.Size]
	err := r.full(data)
	if err == nil {
		err = r.padding(f.Size)
	}
	if err != nil {
		buffers.Put(buffer)
		return in.stored(r, f, err)
	}
	in.progress.add(f.Size)
	store := func() error {
		defer buffers.Put(buffer)
		return in.stored(r, f, in.write(ctx, f, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		}))
	}
	select {
	case small <- store:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stored says how the storing of a file ended.
func (in *Incoming) stored(r *reading, f File, err error) error {
	mismatch := (*blob.MismatchError)(nil)
	switch {
	case err == nil:
		reached("file stored")
		return nil
	case errors.As(err, &mismatch):
		return refuse(r.name, Damaged, "the file %v in it has other bytes than the signed list says; %s", f.Digest, again)
	}
	return r.refuse(err)
}

// store writes a file as it is read.
func (in *Incoming) store(ctx context.Context, r io.Reader, f File) error {
	return in.write(ctx, f, func(w io.Writer) error {
		_, err := io.CopyN(&metered{ctx, w, &in.progress}, r, f.Size)
		return err
	})
}

// write stores a file, with room for it set aside.
func (in *Incoming) write(ctx context.Context, f File, bytes func(io.Writer) error) error {
	release, err := in.reserve(ctx, f.Size)
	if err != nil {
		return err
	}
	defer release()
	w, err := in.im.Blobs.Create(ctx, f.Digest, f.Size, in.List.Created)
	if err != nil {
		return err
	}
	if err := bytes(w); err != nil {
		w.Abort(err)
		return err
	}
	_, err = w.Commit()
	return err
}
