package bundle

import (
	"context"
	"io"
)

// progressStep is after how many bytes somebody is told.
const progressStep = 4 << 20

// meter tells how far something is.
type meter struct {
	tell              func(done, total int64) // nil: nobody
	done, total, told int64                   // bytes
}

func (m *meter) add(n int64) {
	m.done += n
	if m.tell != nil && (m.done-m.told >= progressStep || m.done == m.total) {
		m.told = m.done
		m.tell(m.done, m.total)
	}
}

// metered counts what is written, and ends with ctx.
type metered struct {
	ctx context.Context
	to  io.Writer
	m   *meter
}

func (w *metered) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	n, err := w.to.Write(p)
	w.m.add(int64(n))
	return n, err
}

// meteredReader counts what is read.
type meteredReader struct {
	from io.Reader
	m    *meter
}

func (r *meteredReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.m.add(int64(n))
	return n, err
}
