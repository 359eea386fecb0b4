package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// maxResumes is how often one fill goes on after a connection that broke in
// the middle.
const maxResumes = 5

// Fill brings one file that a generation names into the store and gives it to
// be read while it comes. It returns once there is something to read, or when
// no mirror had the file: then the error is fs.ErrNotExist if every one of them
// said so, and blob.ErrNoSpace if the store has no room for it. All callers who want the same bytes share one fill; it goes on when
// they leave.
func (u *Upstream) Fill(ctx context.Context, file catalog.File) (*blob.Follower, error) {
	for {
		f, joined, err := u.start(ctx, file, "", true)
		if err != nil {
			return nil, err
		}
		follower, err := f.follow(ctx)
		// A fill that was under way may have failed for reasons that are gone.
		if err == nil || !joined || ctx.Err() != nil {
			return follower, err
		}
	}
}

// fill is one file on its way in.
type fill struct {
	u       *Upstream
	archive *Archive
	file    catalog.File
	first   string // the mirror to ask first; "" for the preferred one
	evict   bool   // other files may go for this one
	size    int64  // of the file in this attempt, see sizeIn; of the fill's own goroutine
	stop    context.CancelCauseFunc

	received atomic.Int64 // bytes that this attempt has written

	done chan struct{} // closed when the fill ended; err is set before
	err  error

	// Both are of the present attempt and guarded by u.mu: begun is closed
	// once there is something to read, from writer.
	begun  chan struct{}
	writer *blob.Writer
}

// origin gives the archive that a file can be fetched from.
func (u *Upstream) origin(file catalog.File) (*Archive, error) {
	a := u.archives[file.Archive]
	if a == nil || len(a.URIs) == 0 || file.Kind == catalog.KindRelease {
		return nil, fmt.Errorf("archive %s: %s is not in the store and cannot be fetched", file.Archive, file.Path)
	}
	return a, nil
}

// start joins the fill of these bytes or begins one.
func (u *Upstream) start(ctx context.Context, file catalog.File, first string, evict bool) (f *fill, joined bool, err error) {
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
	f = &fill{u: u, archive: a, file: file, first: first, evict: evict, begun: make(chan struct{}), done: make(chan struct{})}
	ctx, f.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	u.running[file.Digest] = f
	u.fills.Go(func() { f.run(ctx) })
	return f, false, nil
}

func (f *fill) run(ctx context.Context) {
	f.err = f.intoRoom(ctx)
	f.u.mu.Lock()
	delete(f.u.running, f.file.Digest)
	f.u.mu.Unlock()
	f.stop(nil)
	close(f.done)
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

// source is one place that may have the file.
type source struct{ base, path string }

// sources gives every mirror, and on each the name by digest first: that one
// cannot change while an archive is being updated.
func (f *fill) sources() []source {
	var all []source
	for _, uri := range f.u.health.order(f.archive.URIs, f.first, f.u.Now()) {
		if f.file.ByHash && (f.file.Kind == catalog.KindIndex || f.file.Kind == catalog.KindByHash) {
			all = append(all, source{uri, byHashPath(f.file.Plain, f.file.Digest)})
		}
		all = append(all, source{uri, f.file.Plain})
	}
	return all
}

// byHashPath names an index by its digest (apt's Acquire-By-Hash).
func byHashPath(plain string, d blob.Digest) string {
	return path.Dir(plain) + "/by-hash/SHA256/" + d.String()
}

// fromAny takes the file from the first source that has the right bytes.
func (f *fill) fromAny(ctx context.Context) error {
	var failures []error
	missing := 0
	for _, s := range f.sources() {
		err := f.from(ctx, s)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, blob.ErrNoSpace) { // no mirror can help
			return err
		}
		if errors.Is(err, fs.ErrNotExist) {
			missing++
		}
		failures = append(failures, err)
		f.u.Log.Warn("fetching a file failed", "archive", f.archive.Name, "file", s.path, "mirror", s.base, "error", err)
	}
	return &fillError{f.archive.Name, f.file.Plain, failures, missing == len(failures)}
}

// fillError is why no source gave the file.
type fillError struct {
	archive, file string
	causes        []error
	missing       bool // every source said that it has no such file
}

func (e *fillError) Error() string {
	var texts []string
	for _, c := range e.causes {
		texts = append(texts, c.Error())
	}
	return fmt.Sprintf("archive %s: fetching %s: %s", e.archive, e.file, strings.Join(texts, "; "))
}

func (e *fillError) Unwrap() []error { return e.causes }

// Is makes the error fs.ErrNotExist only if all sources agree on that.
func (e *fillError) Is(target error) bool { return target == fs.ErrNotExist && e.missing }

// from takes the file from one source, going on where a broken connection
// left off. The digest decides in the end.
func (f *fill) from(ctx context.Context, s source) error {
	body, err := f.open(ctx, s, 0, "")
	if err != nil {
		return err
	}
	release, err := f.reserveUnsigned(ctx)
	if err != nil {
		body.Close()
		return err
	}
	defer release()
	w, err := f.u.Blobs.Create(ctx, f.file.Digest, f.size, body.modified)
	if err != nil {
		body.Close()
		return err
	}
	err = f.copy(ctx, w, s, body)
	f.withdraw()
	if err == nil {
		_, err = w.Commit()
	}
	if err == nil {
		f.offer(w)
		return nil
	}
	w.Abort(err)
	if mismatch := (*blob.MismatchError)(nil); errors.As(err, &mismatch) {
		f.u.health.lied(s.base, f.u.Now())
		err = &RefusedError{Archive: f.archive.Name, Suite: f.file.Suite, File: s.path, URI: s.base, Reason: WrongContent, Err: err}
	}
	return err
}

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

// offering is a writer that is offered with the first bytes that readers may
// see. Until then an attempt that fails costs them nothing but time.
type offering struct {
	*blob.Writer
	fill    *fill
	left    int64 // bytes to come
	offered bool
}

func (o *offering) Write(p []byte) (int, error) {
	o.fill.received.Add(int64(len(p)))
	if o.left -= int64(len(p)); o.left < 0 {
		o.fill.withdraw()
	}
	n, err := o.Writer.Write(p)
	if !o.offered && err == nil && o.fill.size > blob.HoldBack {
		o.offered = true
		o.fill.offer(o.Writer)
	}
	return n, err
}

func (f *fill) copy(ctx context.Context, w *blob.Writer, s source, body *body) error {
	buffer := make([]byte, 128<<10)
	f.received.Store(0)
	to := &offering{Writer: w, fill: f, left: f.size}
	var got int64
	for resumes := 0; ; resumes++ {
		n, err := io.CopyBuffer(struct{ io.Writer }{to}, body, buffer)
		got += n
		body.Close()
		if err == nil || !body.broke || resumes == maxResumes || ctx.Err() != nil {
			return err
		}
		if body, err = f.open(ctx, s, got, body.validator); err != nil {
			return fmt.Errorf("going on at byte %d: %w", got, err)
		}
	}
}
