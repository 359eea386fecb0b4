package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// passBuffer is what is read at a time, in bytes.
const passBuffer = 64 << 10

// Pass gives a file straight from a mirror, for which the store has no room.
// Every caller has a request of their own. The last bytes are held back until
// the digest of all matched, as with Fill. The error is fs.ErrNotExist if every
// mirror says that it has no such file. What is read ends when ctx does.
func (u *Upstream) Pass(ctx context.Context, file catalog.File) (blob.Stream, error) {
	a, err := u.origin(file)
	if err != nil {
		return nil, err
	}
	k := restKey{file.Archive, file.Digest}
	if err := u.resting.check(k, u.Now()); err != nil {
		return nil, err
	}
	p := &passage{ctx: ctx, fill: &fill{u: u, archive: a, file: file}}
	for _, s := range p.fill.sources() {
		for _, path := range s.paths {
			p.left = append(p.left, &transfer{fill: p.fill, base: s.base, path: path})
		}
	}
	if err := p.next(); err != nil {
		if ctx.Err() == nil {
			u.resting.failed(k, err, u.Now())
		}
		return nil, err
	}
	return p, nil
}

// passage is one file on its way to one reader. It belongs to one goroutine.
type passage struct {
	ctx      context.Context
	fill     *fill
	left     []*transfer // not tried yet
	failures several
	from     *transfer
	body     *body
}

// next opens the file at the next address that answers.
func (p *passage) next() error {
	for len(p.left) > 0 {
		p.from, p.left = p.left[0], p.left[1:]
		body, err := p.from.open(p.ctx)
		if err == nil {
			p.body = body
			freeSlot(body) // how long this takes is up to the client
			return nil
		}
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		p.failures = append(p.failures, err)
	}
	missing := true
	for _, err := range p.failures {
		missing = missing && errors.Is(err, fs.ErrNotExist)
	}
	return &fillError{p.fill.archive.Name, p.fill.file.Plain, p.failures, missing}
}

// Info describes the file as it is signed.
func (p *passage) Info() blob.Info {
	return blob.Info{Digest: p.fill.file.Digest, Size: p.fill.size, Modified: p.body.modified}
}

// Close ends the request.
func (p *passage) Close() error { return p.body.Close() }

// WriteRange reads the file once; it can be called once. While nothing was
// written, a mirror that fails is followed by the next.
func (p *passage) WriteRange(to io.Writer, off, n int64) (int64, error) {
	if size := p.fill.size; off < 0 || n < 0 || off > size-n {
		return 0, io.ErrUnexpectedEOF
	}
	for {
		out := &section{to: to, from: off, until: off + n}
		err := p.stream(out)
		if err == nil || out.sent > 0 || out.err != nil || p.ctx.Err() != nil {
			return out.sent, err
		}
		p.body.Close()
		p.failures = append(p.failures, err)
		if err := p.next(); err != nil {
			return 0, err
		}
	}
}

// stream gives out all but the last bytes as they come, and those once the
// digest of everything is right.
func (p *passage) stream(out *section) error {
	size, sum := p.fill.size, sha256.New()
	buffer, held := make([]byte, passBuffer), []byte(nil)
	for p.from.got < size && !out.done() {
		got := p.from.got
		n, err := p.body.Read(buffer[:min(passBuffer, size-got)])
		piece := buffer[:n]
		sum.Write(piece)
		free := min(max(size-blob.HoldBack-got, 0), int64(n))
		if _, err := out.Write(piece[:free]); err != nil {
			return err
		}
		held = append(held, piece[free:]...)
		p.from.got += int64(n)
		if err != nil && p.from.got < size {
			if err = p.resume(err); err != nil {
				return err
			}
		}
	}
	if out.done() {
		return nil
	}
	if got := blob.Digest(sum.Sum(nil)); got != p.fill.file.Digest {
		return p.wrong(got)
	}
	_, err := out.Write(held)
	return err
}

// resume goes on after a connection that broke.
func (p *passage) resume(err error) error {
	if !p.from.mayResume(err) || p.ctx.Err() != nil {
		return fmt.Errorf("%s%s: ended after %d of %d bytes: %w", p.from.base, p.from.path, p.from.got, p.fill.size, err)
	}
	p.body.Close()
	body, err := p.from.resume(p.ctx, err)
	if err != nil {
		return err
	}
	p.body = body
	freeSlot(body)
	return nil
}

func freeSlot(b *body) { b.ReadCloser.(*guard).freeSlot() }

func (p *passage) wrong(got blob.Digest) error {
	return p.from.judge(&blob.MismatchError{Want: p.fill.file.Digest, Got: got, WantSize: p.fill.size, GotSize: p.fill.size})
}

// section writes only what lies in a range of all that it is given.
type section struct {
	to          io.Writer
	from, until int64
	at          int64 // offset of what comes next
	sent        int64
	err         error // of to
}

func (s *section) done() bool { return s.at >= s.until }

func (s *section) Write(p []byte) (int, error) {
	first := min(max(s.from-s.at, 0), int64(len(p)))
	last := min(max(s.until-s.at, first), int64(len(p)))
	s.at += int64(len(p))
	if first == last {
		return len(p), nil
	}
	n, err := s.to.Write(p[first:last])
	s.sent += int64(n)
	s.err = err
	return len(p), err
}
