package proxy

import (
	"context"
	"io/fs"
	"sync"
	"sync/atomic"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// filler brings files from a map, the way that a test wants.
type filler struct {
	site  *site
	calls atomic.Int64

	mu       sync.Mutex // guards upstream
	upstream map[blob.Digest]source
}

// source is what upstream does when asked for a file.
type source struct {
	err  error                                     // Fill returns it
	send func(ctx context.Context, w *blob.Writer) // writes, and commits or aborts
	size int64                                     // where the catalog does not know it
}

func (f *filler) set(body []byte, s source) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upstream[blob.Sum(body)] = s
}

// give makes upstream have a file.
func (f *filler) give(body []byte) {
	f.set(body, source{size: int64(len(body)), send: func(_ context.Context, w *blob.Writer) {
		w.Write(body)
		w.Commit()
	}})
}

func (f *filler) Fill(ctx context.Context, file catalog.File) (blob.Stream, error) {
	f.calls.Add(1)
	f.mu.Lock()
	s, ok := f.upstream[file.Digest]
	f.mu.Unlock()
	if !ok {
		return nil, fs.ErrNotExist
	}
	if s.err != nil {
		return nil, s.err
	}
	if file.Size == catalog.UnknownSize {
		file.Size = s.size
	}
	w, err := f.site.cache.Blobs.Create(context.WithoutCancel(ctx), file.Digest, file.Size, now.AddDate(0, -1, 0))
	if err != nil {
		return nil, err
	}
	go s.send(ctx, w)
	return w.Follow(ctx), nil
}
