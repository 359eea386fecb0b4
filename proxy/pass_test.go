package proxy

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// passing is a file that is streamed past the store.
type passing struct {
	body   []byte
	sends  int // bytes that come before it fails; -1: all
	closed atomic.Bool
}

func (p *passing) Info() blob.Info { return blob.Info{Modified: now} }

func (p *passing) WriteRange(w io.Writer, off, n int64) (int64, error) {
	end := off + n
	if p.sends >= 0 {
		end = int64(p.sends)
	}
	sent, err := w.Write(p.body[off:end])
	if err == nil && int64(sent) < n {
		err = errors.New("mirror hung up")
	}
	return int64(sent), err
}

func (p *passing) Close() error {
	p.closed.Store(true)
	return nil
}

// usage counts what is being sent.
type usage struct{ begun, ended atomic.Int64 }

func (u *usage) Begin(blob.Digest) { u.begun.Add(1) }
func (u *usage) End(blob.Digest)   { u.ended.Add(1) }

func TestFilesThatTheStoreCannotTakeArePassedOn(t *testing.T) {
	s, body := awaited(t)
	s.filler.set(body, source{err: blob.ErrNoSpace})
	passed, used := &passing{body: body, sends: -1}, &usage{}
	s.server.Usage = used
	s.server.Pass = func(_ context.Context, f catalog.File) (blob.Stream, error) {
		if f.Path != deb {
			return nil, errors.New("asked for " + f.Path)
		}
		return passed, nil
	}
	a := s.get("a.example.org", "/debian/"+deb, "Range: bytes=1000-")
	if a.code != 206 || a.body != string(body[1000:]) || a.header.Get("Last-Modified") != published {
		t.Errorf("got %s, %d bytes, %v", a.status, len(a.body), a.header)
	}
	s.log.await(t, "fill=true", 1)
	passed.closed.Store(false)
	passed.sends = 100_000
	if a := s.get("a.example.org", "/debian/"+deb); !errors.Is(a.bodyErr, io.ErrUnexpectedEOF) {
		t.Errorf("a mirror that hung up: %s, %v", a.status, a.bodyErr)
	}
	s.log.await(t, "mirror hung up", 1)
	if !passed.closed.Load() || used.begun.Load() != 2 || used.ended.Load() != 2 {
		t.Errorf("closed: %v, %d began, %d ended", passed.closed.Load(), used.begun.Load(), used.ended.Load())
	}
	s.server.Pass = nil
	if a := s.get("a.example.org", "/debian/"+deb); a.code != 503 {
		t.Errorf("without a way past the store: %s", a.status)
	}
}
