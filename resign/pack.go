package resign

import (
	"context"
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"runtime"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
)

// A piece of an index, which becomes one member, ends before a package whose
// name hashes to a multiple of pieceEvery, unless it is shorter than
// minPiece bytes; and before it is longer than maxPiece bytes, or one stanza.
const (
	pieceEvery = 256 // stanzas of some 800 bytes
	minPiece   = 32 << 10
	maxPiece   = 1 << 20
)

// packed is an index as it is published: plain in the Release alone, compressed
// in the store.
type packed struct {
	size    int64 // bytes, plain
	sum     blob.Digest
	members [][]byte
	gzSize  int64
	gzSum   blob.Digest
	reused  int // members that were copied
}

// ending is that of the form that is in the store.
func (p packed) ending() string {
	if p.size == 0 {
		return ""
	}
	return ".gz"
}

// packer compresses an index while it is written, on all processors, holding a
// few pieces of plain text at a time. Its methods belong to one goroutine.
type packer struct {
	old   members
	group *errgroup.Group
	ctx   context.Context
	plain hash.Hash
	size  int64
	piece []byte
	free  chan []byte // buffers of pieces that are done with
	out   []*member
}

type member struct {
	gz     []byte
	reused bool
}

func newPacker(ctx context.Context, old members) *packer {
	p := &packer{old: old, plain: sha256.New()}
	p.group, p.ctx = errgroup.WithContext(ctx)
	workers := runtime.GOMAXPROCS(0) + 1
	p.group.SetLimit(workers)
	p.free = make(chan []byte, workers+1)
	p.piece = p.buffer()
	return p
}

func (p *packer) buffer() []byte {
	select {
	case b := <-p.free:
		return b[:0]
	default:
		return make([]byte, 0, maxPiece)
	}
}

// add appends what belongs to one name: a stanza or a line, in parts.
func (p *packer) add(name string, parts ...[]byte) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	if len(p.piece) > 0 && (len(p.piece)+size > maxPiece || len(p.piece) >= minPiece && crc32.ChecksumIEEE(bytesOf(name))%pieceEvery == 0) {
		p.cut()
	}
	for _, part := range parts {
		p.piece = append(p.piece, part...)
	}
}

// cut hands the piece to whoever is free to compress it.
func (p *packer) cut() {
	piece, m := p.piece, &member{}
	p.plain.Write(piece)
	p.size += int64(len(piece))
	p.out = append(p.out, m)
	p.group.Go(func() (err error) {
		if p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		sum := sha256.Sum256(piece)
		if m.gz, m.reused = p.old[sum]; !m.reused {
			m.gz, err = makeMember(piece, sum)
		}
		select {
		case p.free <- piece:
		default:
		}
		return err
	})
	p.piece = p.buffer()
}

// finish ends the index. An empty one has no member and no compressed form.
func (p *packer) finish() (packed, error) {
	if len(p.piece) > 0 {
		p.cut()
	}
	if err := p.group.Wait(); err != nil {
		return packed{}, err
	}
	done := packed{size: p.size, sum: blob.Digest(p.plain.Sum(nil))}
	sum := sha256.New()
	for _, m := range p.out {
		sum.Write(m.gz)
		done.members = append(done.members, m.gz)
		done.gzSize += int64(len(m.gz))
		if m.reused {
			done.reused++
		}
	}
	done.gzSum = blob.Digest(sum.Sum(nil))
	return done, nil
}
