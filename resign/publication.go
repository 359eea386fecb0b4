package resign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Fields is what a built generation keeps beside its indexes, as JSON in the
// blob that its row calls Fields.
type Fields struct {
	Listing       string   `json:"listing"` // the part of Release that is about contents
	Components    []string `json:"components"`
	Architectures []string `json:"architectures"`
	// Copies are inputs in a form that is quicker to read, by the digest of the
	// original. The store may have lost them, which costs time and nothing else.
	Copies map[string]blob.Digest `json:"copies,omitempty"`
	// Decided is, by the path of a translation or contents index, what decided
	// its bytes: it is made anew only where that changes.
	Decided map[string]blob.Digest `json:"decided,omitempty"`
}

// maxFields bounds the blob in bytes; that of a suite with ten architectures
// has some 100 kB.
const maxFields = 16 << 20

// ReadFields gives what a built generation keeps beside its indexes.
func ReadFields(ctx context.Context, blobs *blob.Store, g catalog.Generation) (Fields, error) {
	var f Fields
	raw, err := blobs.ReadAll(ctx, g.Fields, maxFields)
	if err == nil {
		err = json.Unmarshal(raw, &f)
	}
	if err != nil {
		return Fields{}, fmt.Errorf("reading what %s says in its Release: %w", g.Ref(), err)
	}
	return f, nil
}

// Sign writes and signs the Release files of a publication of a built
// generation, and stores them. They are held until release is called, which is
// when the publication is recorded; it is never nil.
func (b *Builder) Sign(ctx context.Context, g catalog.Generation, h Header, keys []*Key) (s *catalog.Signed, release func(), err error) {
	text, err := b.ReleaseOf(ctx, g, h)
	if err != nil {
		return nil, func() {}, err
	}
	if len(keys) == 0 {
		return nil, func() {}, errors.New("signing: there is no key; name one in sign_with")
	}
	var inRelease, detached bytes.Buffer
	if err := Clearsign(ctx, &inRelease, text, h.Date, keys...); err != nil {
		return nil, func() {}, err
	}
	if err := DetachSign(ctx, &detached, text, h.Date, keys...); err != nil {
		return nil, func() {}, err
	}
	s = &catalog.Signed{Date: h.Date, ValidUntil: h.ValidUntil}
	for _, k := range keys {
		s.Signers = append(s.Signers, catalog.Signer{Fingerprint: k.Fingerprint(), Name: k.UserID()})
	}
	release, err = b.putSigned(ctx, s, inRelease.Bytes(), text, detached.Bytes())
	return s, release, err
}

// ReleaseOf gives the text that Sign would sign.
func (b *Builder) ReleaseOf(ctx context.Context, g catalog.Generation, h Header) ([]byte, error) {
	fields, err := ReadFields(ctx, b.Blobs, g)
	if err != nil {
		return nil, err
	}
	return ReleaseText(h, []byte(fields.Listing))
}

// putSigned holds the files before it stores them.
func (b *Builder) putSigned(ctx context.Context, s *catalog.Signed, inRelease, text, detached []byte) (release func(), err error) {
	s.InRelease, s.Release, s.ReleaseGPG = blob.Sum(inRelease), blob.Sum(text), blob.Sum(detached)
	release = func() {}
	if b.Room != nil {
		release = b.Room.Hold(s.InRelease, s.Release, s.ReleaseGPG)
	}
	for _, data := range [][]byte{inRelease, text, detached} {
		if err := b.putParts(ctx, [][]byte{data}, blob.Sum(data), int64(len(data))); err != nil {
			release()
			return func() {}, fmt.Errorf("storing a signed Release: %w", err)
		}
	}
	return release, nil
}

// ValidUntil gives the end of what is signed at date for a time validFor (0:
// without end), which is never later than that of any live input.
func ValidUntil(date time.Time, validFor time.Duration, inputs ...time.Time) time.Time {
	var end time.Time
	if validFor > 0 {
		end = date.Add(validFor)
	}
	for _, in := range inputs {
		if !in.IsZero() && (end.IsZero() || in.Before(end)) {
			end = in
		}
	}
	return end
}
