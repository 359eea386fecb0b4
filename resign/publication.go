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
// generation. They are stored, and the caller sees to it that nobody collects
// them before the publication is recorded.
func Sign(ctx context.Context, blobs *blob.Store, g catalog.Generation, h Header, keys []*Key) (*catalog.Signed, error) {
	fields, err := ReadFields(ctx, blobs, g)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("signing: there is no key; name one in sign_with")
	}
	text, err := ReleaseText(h, []byte(fields.Listing))
	if err != nil {
		return nil, err
	}
	return storeSigned(ctx, blobs, text, h, keys)
}

func storeSigned(ctx context.Context, blobs *blob.Store, text []byte, h Header, keys []*Key) (*catalog.Signed, error) {
	var inRelease, detached bytes.Buffer
	if err := Clearsign(ctx, &inRelease, text, h.Date, keys...); err != nil {
		return nil, err
	}
	if err := DetachSign(ctx, &detached, text, h.Date, keys...); err != nil {
		return nil, err
	}
	s := &catalog.Signed{Date: h.Date, ValidUntil: h.ValidUntil}
	for _, k := range keys {
		s.Signers = append(s.Signers, catalog.Signer{Fingerprint: k.Fingerprint(), Name: k.UserID()})
	}
	for _, f := range []struct {
		to   *blob.Digest
		data []byte
	}{{&s.InRelease, inRelease.Bytes()}, {&s.Release, text}, {&s.ReleaseGPG, detached.Bytes()}} {
		var err error
		if *f.to, err = blobs.Put(ctx, f.data, h.Date); err != nil {
			return nil, fmt.Errorf("storing a signed Release: %w", err)
		}
	}
	return s, nil
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
