package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"aptmirror/cache/blob"
)

// Exporter writes a snapshot into a bundle.
type Exporter struct {
	Blobs  *blob.Store
	Tables Tables
	// Sign gives a detached signature of the list, armoured.
	Sign func(ctx context.Context, text []byte) ([]byte, error)
	// Since is a snapshot that the other side has; its files are left out. nil
	// leaves out nothing.
	Since *Snapshot
	// PartSize is the most bytes that a part of the bundle may have; 0 makes one part.
	PartSize int64
	// Partial takes what is there of a snapshot that is not complete.
	Partial bool
}

// Prepared is a bundle that is decided and signed, but not yet written: all that
// whoever writes it needs to know beside the files themselves.
type Prepared struct {
	List      []byte `json:"list"`      // list.json
	Signature []byte `json:"signature"` // of it
	Files     []byte `json:"files"`     // the table
}

// Files gives the bytes of files by their digests.
type Files interface {
	Open(ctx context.Context, d blob.Digest) (io.ReadCloser, error)
}

// Stored are the files of a store.
type Stored struct{ *blob.Store }

// Open reads one.
func (s Stored) Open(_ context.Context, d blob.Digest) (io.ReadCloser, error) { return s.Store.Open(d) }

// Prepare decides what goes into the bundle, and signs the list of it.
func (x *Exporter) Prepare(ctx context.Context, s Snapshot) (Prepared, error) {
	if err := CheckName(s.Name); err != nil {
		return Prepared{}, err
	}
	p, err := x.newPlan(ctx, s)
	if err != nil {
		return Prepared{}, err
	}
	if err := p.complete(s.Name); err != nil && !x.Partial {
		return Prepared{}, err
	}
	return x.describe(ctx, s, p)
}

// describe makes the list and its signature.
func (x *Exporter) describe(ctx context.Context, s Snapshot, p *plan) (b Prepared, err error) {
	b.Files = encodeFiles(p.files)
	l := &List{
		Format: Format, ID: snapshotID(s), Name: s.Name, Series: s.series(), Created: s.Created.UTC().Truncate(time.Second), Suites: p.suites,
		Files: FileTable{SHA256: SHA256(blob.Sum(b.Files)), Size: int64(len(b.Files)), Count: len(p.files), Bytes: p.bytes, Metadata: p.meta},
	}
	if since := x.Since; since != nil {
		l.Base = &Base{ID: snapshotID(*since), Name: since.Name, Created: since.Created.UTC().Truncate(time.Second)}
	}
	if l.Parts, err = p.split(x.PartSize, fixedSize(l)); err != nil {
		return b, err
	}
	if b.List, err = l.encode(); err != nil {
		return b, fmt.Errorf("making the list of bundle %s: %w", l.Name, err)
	}
	if b.Signature, err = x.Sign(ctx, b.List); err != nil {
		return b, fmt.Errorf("signing the list of bundle %s: %w", l.Name, err)
	}
	if len(b.Signature) > signatureRoom {
		return b, fmt.Errorf("signing the list of bundle %s: the signature has %d bytes, more than %d", l.Name, len(b.Signature), signatureRoom)
	}
	return b, nil
}

func (s Snapshot) series() string {
	if s.Series == "" {
		return s.Name
	}
	return s.Series
}

const (
	// signatureRoom is what parts keep free for the signature, which is made
	// after they are planned.
	signatureRoom = 16 << 10 // bytes
	// partLine is more than a part takes up in the list.
	partLine = 64 // bytes
)

// fixedSize tells what each part has besides its blobs.
func fixedSize(l *List) func(parts int) int64 {
	bare, err := json.MarshalIndent(l, "", "  ")
	return func(parts int) int64 {
		if err != nil {
			return 0 // encode fails with the same error
		}
		list := int64(len(bare) + parts*partLine)
		return memberSize(maxHead) + memberSize(list) + memberSize(signatureRoom) + memberSize(l.Files.Size) + tarTrailer
	}
}
