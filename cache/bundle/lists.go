package bundle

import (
	"bytes"
	"context"
	"errors"

	"aptmirror/cache/blob"
)

// readLists reads what stands before the blobs.
func (in *Incoming) readLists(ctx context.Context, r *reading) error {
	text, err := r.small(listName, maxList)
	if err != nil {
		return r.refuse(err)
	}
	if got := SHA256(blob.Sum(text)); got != r.head.List {
		return refuse(r.name, Damaged, "its %s is not the one that its beginning names; %s", listName, again)
	}
	signature, err := r.small(signatureName, maxSignature)
	if err != nil {
		return r.refuse(err)
	}
	if in.List == nil {
		return in.begin(ctx, r, text, signature)
	}
	if !bytes.Equal(text, in.text) {
		return refuse(r.name, Mixed, "it is a part of another bundle than %s", in.name)
	}
	_, err = in.readTable(r)
	return err
}

// begin verifies the list, and reads the table of files that it describes.
func (in *Incoming) begin(ctx context.Context, r *reading, text, signature []byte) error {
	signed, err := in.im.Keyring.VerifyDetached(text, signature, in.im.Now())
	if err != nil {
		return refuse(r.name, Untrusted, "its list is not signed by a key whose bundles are taken here (bundles.signed_by): %w", err)
	}
	if !bytes.Equal(signed.Text, text) {
		return refuse(r.name, Damaged, "its list has foreign line ends; %s", again)
	}
	l, err := ReadList(text)
	if version := (*versionError)(nil); errors.As(err, &version) {
		return refuse(r.name, OtherFormat, "%w", err)
	}
	if err != nil {
		return refuse(r.name, Damaged, "%w", err)
	}
	for _, s := range signed.Signatures {
		in.Signers = append(in.Signers, s.Fingerprint)
	}
	if err := in.im.checkHistory(l, in.Signers); err != nil {
		return err
	}
	in.List = l
	if in.files, err = in.readTable(r); err != nil {
		in.List = nil
		return err
	}
	in.name, in.text, in.parts = l.Name, text, make([]bool, len(l.Parts))
	in.progress = meter{tell: in.im.Progress, total: l.Files.Bytes}
	in.hold()
	return in.checkRoom(ctx)
}

func (in *Incoming) readTable(r *reading) ([]File, error) {
	size := in.List.Files.Size
	if err := r.expect(filesName, size); err != nil {
		return nil, r.refuse(err)
	}
	files, err := readFiles(r, in.List)
	if err == nil {
		err = r.padding(size)
	}
	if damage := (*damageError)(nil); err != nil && !errors.As(err, &damage) {
		return nil, refuse(r.name, Damaged, "%w; %s", err, again)
	}
	if err != nil {
		return nil, r.refuse(err)
	}
	return files, nil
}
