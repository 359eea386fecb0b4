package upstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Fill brings one file that a generation names into the store and gives it to
// be read while it comes. It returns once there is something to read, or when
// no mirror had the file: then the error is fs.ErrNotExist if every one of them
// said so, and for a while it is the same without another look; and it is
// blob.ErrNoSpace if the store has no room for the file. All callers who want
// the same bytes share one fill; it goes on when they leave.
func (u *Upstream) Fill(ctx context.Context, file catalog.File) (blob.Stream, error) {
	for {
		f, joined, err := u.start(ctx, file, demand{evict: true, patient: true})
		if errors.Is(err, errStored) {
			return u.stored(file.Digest)
		}
		if err != nil {
			return nil, err
		}
		follower, err := f.follow(ctx)
		// A fill that was under way may have failed for reasons that are gone.
		if err == nil {
			return follower, nil
		}
		if !joined || ctx.Err() != nil {
			return nil, err
		}
	}
}

// errStored says that there is nothing to fetch: a fill that the caller did
// not see has just ended.
var errStored = errors.New("in the store already")

func (u *Upstream) stored(d blob.Digest) (blob.Stream, error) {
	r, err := u.Blobs.Open(d)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// fill is one file on its way in.
type fill struct {
	u       *Upstream
	archive *Archive
	file    catalog.File
	demand
	size int64 // of the file in this attempt, see sizeIn; of the fill's own goroutine
	stop context.CancelCauseFunc
	// Of the goroutine of run alone, both so far.
	resumes, attempts int

	received atomic.Int64 // bytes that this attempt has written
	stored   blob.Digest  // what it brought, once done is closed without an error

	done chan struct{} // closed when the fill ended; err is set before
	err  error

	// Both are of the present attempt and guarded by u.mu: begun is closed
	// once there is something to read, from writer.
	begun  chan struct{}
	writer *blob.Writer
}

// origin gives the archive that a file can be fetched from.
func (u *Upstream) origin(file catalog.File) (*Archive, error) {
	a := u.Archive(file.Archive)
	switch {
	case a == nil || file.Kind == catalog.KindRelease:
		return nil, fmt.Errorf("archive %s: %s is not in the store and cannot be fetched", file.Archive, file.Path)
	case len(a.URIs) == 0:
		return nil, fmt.Errorf("archive %s: %s did not come with what was imported, and there are no uris: %w", file.Archive, file.Path, fs.ErrNotExist)
	}
	return a, nil
}

// demand is how a file is wanted.
type demand struct {
	first string // the mirror to ask first; "" for the preferred one
	evict bool   // other files may go for this one
	ahead bool   // no client waits for it
	// sha512 signs a file of which no SHA-256 is known; its Digest then only
	// stands for it. Nobody but who started such a fill can read what it brings.
	sha512 []byte
	// patient is who rather hears again of a failure that has just been than
	// asks upstream again.
	patient bool
}

// start joins the fill of these bytes or begins one.
func (u *Upstream) start(ctx context.Context, file catalog.File, d demand) (f *fill, joined bool, err error) {
	a, err := u.origin(file)
	if err != nil {
		return nil, false, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil, false, errClosed
	}
	if f, ok := u.running[file.Digest]; ok {
		return f, true, nil
	}
	if _, err := u.Blobs.Stat(file.Digest); err == nil {
		return nil, false, errStored
	}
	if d.patient {
		if err := u.resting.check(restKey{file.Archive, file.Digest}, u.Now()); err != nil {
			return nil, false, err
		}
	}
	f = &fill{u: u, archive: a, file: file, demand: d, begun: make(chan struct{}), done: make(chan struct{})}
	ctx, f.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	u.running[file.Digest] = f
	u.fills.Go(func() { f.run(ctx) })
	return f, false, nil
}

func (f *fill) run(ctx context.Context) {
	f.err = f.intoRoom(ctx)
	f.remember(ctx)
	f.u.mu.Lock()
	delete(f.u.running, f.file.Digest)
	f.u.mu.Unlock()
	f.stop(nil)
	close(f.done)
}

// remember notes how the fill ended, unless somebody ended it.
func (f *fill) remember(ctx context.Context) {
	k := restKey{f.file.Archive, f.file.Digest}
	switch {
	case f.err == nil:
		f.u.resting.succeeded(k)
	case ctx.Err() == nil && !errors.Is(f.err, blob.ErrNoSpace):
		f.u.resting.failed(k, f.err, f.u.Now())
	}
}

// follow waits until there is something to read or nothing more to hope for.
func (f *fill) follow(ctx context.Context) (*blob.Follower, error) {
	for {
		begun, w := f.attempt()
		if w != nil {
			return w.Follow(ctx), nil
		}
		select {
		case <-begun:
		case <-f.done:
			if _, w := f.attempt(); w != nil {
				return w.Follow(ctx), nil
			}
			return nil, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (f *fill) attempt() (begun chan struct{}, w *blob.Writer) {
	f.u.mu.Lock()
	defer f.u.mu.Unlock()
	return f.begun, f.writer
}

// fillError is why no mirror gave the file.
type fillError struct {
	archive, file string
	causes        several
	missing       bool // every mirror said that it has no such file
}

func (e *fillError) Error() string {
	return fmt.Sprintf("archive %s: fetching %s: %v", e.archive, e.file, e.causes)
}

func (e *fillError) Unwrap() []error { return e.causes }

// Is makes the error fs.ErrNotExist only if all mirrors agree on that.
func (e *fillError) Is(target error) bool { return target == fs.ErrNotExist && e.missing }

// offer shows the writer of this attempt to those who wait and those who come.
func (f *fill) offer(w *blob.Writer) {
	f.u.mu.Lock()
	defer f.u.mu.Unlock()
	if f.writer == nil {
		f.writer = w
		close(f.begun)
	}
}

// withdraw keeps newcomers from a writer that may be about to fail. Who
// follows it already learns from it how it ends.
func (f *fill) withdraw() {
	f.u.mu.Lock()
	defer f.u.mu.Unlock()
	if f.writer != nil {
		f.writer, f.begun = nil, make(chan struct{})
	}
}
