package bundle

import (
	"context"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
)

// committers is how many files are being committed while the next is read. Each holds up to two chunks.
const committers = 8

// takeFiles reads the next members, which must be these files, into the store.
// All are there when it returns without an error.
func (in *Incoming) takeFiles(ctx context.Context, r *reading, files []File) error {
	group, groupCtx := errgroup.WithContext(ctx)
	commits := make(chan func() error)
	// A few goroutines with grown stacks, rather than one more for each of many files.
	for range committers {
		group.Go(func() error { return runAll(commits) })
	}
	var err error
	for _, f := range files {
		if groupCtx.Err() != nil {
			break
		}
		if err = in.takeFile(groupCtx, commits, r, f); err != nil {
			break
		}
	}
	close(commits)
	if stored := group.Wait(); stored != nil {
		return stored
	}
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// runAll ends with the first error. With it ends the context of who hands over the next.
func runAll(commits <-chan func() error) error {
	for commit := range commits {
		if err := commit(); err != nil {
			return err
		}
	}
	return nil
}

func (in *Incoming) takeFile(ctx context.Context, commits chan<- func() error, r *reading, f File) error {
	if err := r.expect(blobFolder+f.Digest.String(), f.Size); err != nil {
		return r.refuse(err)
	}
	there, err := in.has(f)
	if err != nil {
		return err
	}
	if there {
		return in.stored(r, f, in.readTo(io.Discard, r, f))
	}
	return in.store(ctx, commits, r, f)
}

// store reads a file and leaves it to others to commit it, so that the next can be read.
func (in *Incoming) store(ctx context.Context, commits chan<- func() error, r *reading, f File) error {
	a, err := in.create(ctx, f)
	if err != nil {
		return in.stored(r, f, err)
	}
	if err := in.readTo(a, r, f); err != nil {
		a.abort(err)
		return in.stored(r, f, err)
	}
	select {
	case commits <- func() error { return in.stored(r, f, a.commit()) }:
		return nil
	case <-ctx.Done():
		a.abort(context.Cause(ctx))
		return context.Cause(ctx)
	}
}

// arriving is a file on its way into the store.
type arriving struct {
	*blob.Writer
	release func() // of the room that was set aside for it
}

func (in *Incoming) create(ctx context.Context, f File) (a arriving, err error) {
	if a.release, err = in.reserve(ctx, f.Size); err != nil {
		return a, err
	}
	if a.Writer, err = in.im.Blobs.Create(ctx, f.Digest, f.Size, in.List.Created); err != nil {
		a.release()
	}
	return a, err
}

func (a arriving) commit() error {
	defer a.release()
	_, err := a.Commit()
	return err
}

func (a arriving) abort(err error) {
	defer a.release()
	a.Abort(err)
}

// readTo reads the rest of a member that is such a file.
func (in *Incoming) readTo(to io.Writer, r *reading, f File) error {
	_, err := io.CopyN(to, &meteredReader{r, &in.progress}, f.Size)
	if err == io.EOF {
		return r.damaged("it breaks off")
	}
	if err != nil {
		return err
	}
	return r.padding(f.Size)
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
