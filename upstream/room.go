package upstream

import (
	"context"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Room decides what the store has room for and what may be removed from it.
type Room interface {
	// Reserve sets room aside until release is called. The error is
	// blob.ErrNoSpace where there is none and, with evict, none can be made.
	Reserve(ctx context.Context, size int64, evict bool) (release func(), err error)
	// Hold keeps files from being removed until release is called.
	Hold(digests ...blob.Digest) (release func())
	// Begin is Hold for a file that counts as used now; End ends it.
	Begin(blob.Digest)
	End(blob.Digest)
}

// endless is a store without limits from which nothing is removed.
type endless struct{}

func (endless) Reserve(context.Context, int64, bool) (func(), error) { return func() {}, nil }
func (endless) Hold(...blob.Digest) func()                           { return func() {} }
func (endless) Begin(blob.Digest)                                    {}
func (endless) End(blob.Digest)                                      {}

// intoRoom brings the file in if there is room for it. It is not removed before
// this returns, and those who follow it have then said themselves that they do.
func (f *fill) intoRoom(ctx context.Context) error {
	f.u.Room.Begin(f.file.Digest)
	defer f.u.Room.End(f.file.Digest)
	if f.file.Size == catalog.UnknownSize {
		return f.fromAny(ctx) // see reserveUnsigned
	}
	release, err := f.u.Room.Reserve(ctx, f.file.Size, f.evict)
	if err != nil {
		return err
	}
	defer release()
	return f.fromAny(ctx)
}

// reserveUnsigned sets room aside for a file of which nothing signed tells the
// size, once a server has said it.
func (f *fill) reserveUnsigned(ctx context.Context) (release func(), err error) {
	if f.file.Size != catalog.UnknownSize {
		return func() {}, nil
	}
	return f.u.Room.Reserve(ctx, f.size, f.evict)
}

// Restore brings a file back that the store has lost.
func (u *Upstream) Restore(ctx context.Context, f catalog.File) error {
	return u.fetchWhole(ctx, f, demand{evict: true})
}

// put stores a part of a generation, which the caller holds.
func (in *intake) put(ctx context.Context, data []byte) (blob.Digest, error) {
	release, err := in.u.Room.Reserve(ctx, int64(len(data)), true)
	if err != nil {
		return blob.Digest{}, err
	}
	defer release()
	return in.u.Blobs.Put(ctx, data, in.release.Date)
}

// hold keeps what the generation will consist of in the store while it is made:
// nothing else names it yet.
func (in *intake) hold(targets []target) (release func()) {
	var digests []blob.Digest
	for _, t := range targets {
		digests = append(digests, t.file.SHA256)
		for _, f := range t.others {
			digests = append(digests, f.SHA256)
		}
	}
	r := in.release
	for _, data := range [][]byte{r.inRelease, r.text, r.gpg} {
		if data != nil {
			digests = append(digests, blob.Sum(data))
		}
	}
	return in.u.Room.Hold(digests...)
}
