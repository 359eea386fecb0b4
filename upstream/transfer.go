package upstream

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// maxResumes is how often one fill tries to go on after its connection broke in
// the middle.
const maxResumes = 5

// source is one mirror and the names under which it may have the file.
type source struct {
	base  string
	paths []string
}

// sources gives every mirror, and on each the name by digest first: that one
// cannot change while an archive is being updated.
func (f *fill) sources() []source {
	paths := []string{f.file.Plain}
	if f.file.ByHash && f.isIndex() {
		paths = []string{f.byHashPath(), f.file.Plain}
	}
	var all []source
	for _, uri := range f.u.healthOf(f.archive).order(f.archive.URIs, f.first, f.u.Now()) {
		all = append(all, source{uri, paths})
	}
	return all
}

func (f *fill) isIndex() bool {
	return f.file.Kind == catalog.KindIndex || f.file.Kind == catalog.KindByHash
}

// byHashPath names an index by its digest (apt's Acquire-By-Hash).
func byHashPath(plain string, d blob.Digest) string {
	return path.Join(path.Dir(plain), "by-hash/SHA256", d.String())
}

// fromAny takes the file from the first mirror that has the right bytes.
func (f *fill) fromAny(ctx context.Context) error {
	if f.ahead {
		turns := f.u.fetcherOf(f.archive).ahead
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	failures := inTurn(ctx, f.u, f.sources(), func(s source) error { return f.fromMirror(ctx, s) })
	if failures == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	missing := true
	for _, err := range failures {
		missing = missing && errors.Is(err, fs.ErrNotExist)
	}
	return &fillError{f.archive.Name, f.file.Plain, failures, missing}
}

// fromMirror tries the file's names at one mirror, as long as it answers.
func (f *fill) fromMirror(ctx context.Context, s source) (err error) {
	for _, p := range s.paths {
		err = f.from(ctx, s.base, p)
		if err == nil {
			f.u.healthOf(f.archive).good(s.base, f.u.Now())
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		f.u.Log.Warn("fetching a file failed", "archive", f.archive.Name, "file", p, "mirror", s.base, "error", err)
		if se := (*statusError)(nil); !errors.As(err, &se) {
			break
		}
	}
	if after, ok := transient(err); ok {
		f.u.healthOf(f.archive).down(s.base, err, after, f.u.Now())
	}
	return err
}

// from takes the file from one address. The digest decides in the end.
func (f *fill) from(ctx context.Context, base, path string) error {
	t := &transfer{fill: f, base: base, path: path}
	body, err := t.open(ctx)
	if err != nil {
		return err
	}
	release, err := f.reserveUnsigned(ctx)
	if err != nil {
		body.Close()
		return err
	}
	defer release()
	w, err := f.create(ctx, body)
	if err != nil {
		body.Close()
		return err
	}
	err = t.copy(ctx, w, body)
	f.withdraw()
	var info blob.Info
	if err == nil {
		info, err = w.Commit()
	}
	if err == nil {
		f.offer(w)
		return f.learn(info.Digest)
	}
	err = t.judge(err)
	w.Abort(err)
	return err
}

// transfer is one attempt to take a file from one address.
type transfer struct {
	*fill
	base, path string
	got        int64  // bytes that have come
	validator  string // of the file they are of
	resumed    bool   // they came in several answers
}

// judge tells a mirror that lied from one that was being updated: only a
// package's name and that of an index by its digest always mean the same bytes,
// and parts of several answers may be of different files.
func (t *transfer) judge(err error) error {
	mismatch, mismatch512 := (*blob.MismatchError)(nil), (*sha512Error)(nil)
	if !errors.As(err, &mismatch) && !errors.As(err, &mismatch512) {
		return err
	}
	if t.resumed {
		return &requestError{t.base + t.path, fmt.Errorf("its parts do not fit together: %w", err)}
	}
	err = t.u.tell(&RefusedError{Archive: t.archive.Name, Suite: t.file.Suite, File: t.path, URI: t.base, Reason: WrongContent, Err: err})
	if t.file.Kind == catalog.KindPackage || t.path != t.file.Plain {
		t.u.healthOf(t.archive).lied(t.base, err, t.u.Now())
	}
	return err
}

// copy writes the file, going on where a broken connection left off.
func (t *transfer) copy(ctx context.Context, w *blob.Writer, b *body) error {
	buffer := make([]byte, min(128<<10, t.size+1)) // most packages are small
	t.received.Store(0)
	to := &offering{Writer: w, fill: t.fill, left: t.size}
	if t.sha512 != nil {
		to.sum = sha512.New()
	}
	for {
		n, err := io.CopyBuffer(struct{ io.Writer }{to}, b, buffer)
		t.got += n
		b.Close()
		if err == nil {
			return to.check()
		}
		if !t.mayResume(err) || ctx.Err() != nil {
			return err
		}
		if b, err = t.resume(ctx, err); err != nil {
			return err
		}
	}
}

// mayResume says whether a part is worth going on with: an index may be another
// one by then, and a server that crawls will go on crawling.
func (t *transfer) mayResume(err error) bool {
	re := (*requestError)(nil)
	return !t.isIndex() && errors.As(err, &re) && !isSlow(err)
}

// resume opens the rest of the file, at once for the first time and after ever
// longer pauses from then on. Clients may be reading what has come so far.
func (t *transfer) resume(ctx context.Context, broke error) (*body, error) {
	for t.resumes < maxResumes {
		if t.resumes > 0 {
			if err := t.u.Wait(ctx, min(backoff(t.resumes-1, rand.Float64()), longestWait)); err != nil {
				return nil, err
			}
		}
		t.resumes++
		b, err := t.open(ctx)
		if err == nil {
			t.resumed = true
			return b, nil
		}
		broke = fmt.Errorf("going on at byte %d: %w", t.got, err)
		if _, ok := transient(err); !ok || errors.Is(err, errChanged) {
			break
		}
	}
	return nil, broke
}

// offering is a writer that is offered with the first bytes that readers may
// see. Until then an attempt that fails costs them nothing but time.
type offering struct {
	*blob.Writer
	fill    *fill
	left    int64 // bytes to come
	offered bool
	sum     hash.Hash // SHA-512 of what was written; nil where SHA-256 decides
}

func (o *offering) Write(p []byte) (int, error) {
	o.fill.received.Add(int64(len(p)))
	if o.left -= int64(len(p)); o.left < 0 {
		o.fill.withdraw()
	}
	n, err := o.Writer.Write(p)
	if o.sum != nil {
		o.sum.Write(p[:n])
		return n, err
	}
	if !o.offered && err == nil && o.fill.size > blob.HoldBack {
		o.offered = true
		o.fill.offer(o.Writer)
	}
	return n, err
}
