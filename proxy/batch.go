package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// batch is the connection under TLS. TLS encrypts records of 16 KiB and makes
// a system call of each; batch sends all records of one piece of a body in
// one, which takes a tenth to a fifth off the processor time of an answer.
type batch struct {
	net.Conn
	begun bool // Read has had something; only the one who reads looks at it

	all   *connections // nil: nobody counts this one
	waits atomic.Int64 // the turn since which it waits for a request, or a value beside

	mu      sync.Mutex // guards the fields below; not held while sending
	held    bool       // Write only adds to records
	records []byte
}

// batchBytes holds a piece of 64 KiB with a response's header, encrypted.
const batchBytes = 72 << 10

var batchBuffers = sync.Pool{New: func() any { return new([batchBytes]byte) }}

// maxBatches bounds how many buffers slow clients hold: where that many are in
// use, others send as it comes, which costs time of the processor and no memory.
const maxBatches = 256

var batchesInUse atomic.Int64

// together sends what is written to the connection during write in one piece,
// before it returns. A nil batch sends it as it comes.
func (b *batch) together(write func() error) (err error) {
	defer batchesInUse.Add(-1)
	if batchesInUse.Add(1) > maxBatches || b == nil {
		return write()
	}
	buffer := batchBuffers.Get().(*[batchBytes]byte)
	b.mu.Lock()
	b.held, b.records = true, buffer[:0]
	b.mu.Unlock()
	defer func() { // also where write panics: nobody may add to a buffer given back
		if sendErr := b.send(); err == nil {
			err = sendErr
		}
		batchBuffers.Put(buffer)
	}()
	return write()
}

// send sends until nothing is held: TLS may have an alert to add meanwhile,
// and must not wait for a client that does not read.
func (b *batch) send() error {
	var err error
	for {
		b.mu.Lock()
		records := b.records
		b.records = nil
		if b.held = len(records) > 0 && err == nil; !b.held {
			b.mu.Unlock()
			return err
		}
		b.mu.Unlock()
		_, err = b.Conn.Write(records)
	}
}

// Write implements net.Conn.
func (b *batch) Write(p []byte) (int, error) {
	b.mu.Lock()
	if !b.held {
		b.mu.Unlock()
		return b.Conn.Write(p)
	}
	defer b.mu.Unlock()
	b.records = append(b.records, p...)
	return len(p), nil
}

// Read implements net.Conn. Where the client speaks HTTP without TLS, as apt does
// when its sources or its proxy say http, one constant answer tells it so.
func (b *batch) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if n > 0 && !b.begun {
		b.begun = true
		if 'A' <= p[0] && p[0] <= 'Z' { // a method; TLS begins with 22
			b.refusePlain()
			return 0, errPlain
		}
	}
	return n, err
}

var errPlain = errors.New("the client speaks HTTP without TLS, it was told to write https://")

// plainReason is for whoever wrote the address.
const plainReason = "this server speaks HTTPS alone: write https:// for http:// before its name"

func (b *batch) refusePlain() {
	b.SetDeadline(time.Now().Add(lingerTimeout))
	io.WriteString(b.Conn, refusal(http.MethodGet, ClassNone, http.StatusBadRequest, plainReason, true))
	if tcp, ok := b.Conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
	io.CopyN(io.Discard, b.Conn, lingerBytes)
}

type batchKey struct{}

// withBatch lets batchOf find the batch of a request's connection.
func withBatch(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		return context.WithValue(ctx, batchKey{}, t.NetConn())
	}
	return ctx
}

func batchOf(ctx context.Context) *batch {
	b, _ := ctx.Value(batchKey{}).(*batch)
	return b
}
