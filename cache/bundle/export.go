package bundle

import (
	"bufio"
	"bytes"
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
	Room   Room // keeps the files while they are written; nil where nobody removes any
	// Sign gives a detached signature of the list, armoured.
	Sign func(ctx context.Context, text []byte) ([]byte, error)
	// Since is a snapshot that the other side has; its files are left out. nil
	// leaves out nothing.
	Since *Snapshot
	// PartSize is the most bytes that a part of the bundle may have; 0 makes one part.
	PartSize int64
	// Partial takes what is there of a snapshot that is not complete.
	Partial bool
	// Progress is told now and then how many bytes of how many are written; nil is nobody.
	Progress func(done, total int64)
}

// Exported is what an export wrote.
type Exported struct {
	List  *List
	Files []string // that were made, in order; none for a stream
	Bytes int64
}

// bundle is one on its way out.
type bundle struct {
	*Exporter
	plan      *plan
	list      *List
	text      []byte // list.json
	signature []byte
	table     []byte // files
	progress  meter
}

// prepare decides what goes into the bundle and signs the list of it. What the
// bundle is made of is held until release is called.
func (x *Exporter) prepare(ctx context.Context, s Snapshot) (b *bundle, release func(), err error) {
	if err := CheckName(s.Name); err != nil {
		return nil, nil, err
	}
	p, err := x.newPlan(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	release = x.hold(p.files)
	b = &bundle{Exporter: x, plan: p, table: encodeFiles(p.files)}
	if err = p.complete(s.Name); x.Partial {
		err = nil
	}
	if err == nil {
		err = b.describe(ctx, s)
	}
	if err != nil {
		release()
		return nil, nil, err
	}
	b.progress = meter{tell: x.Progress, total: p.bytes}
	return b, release, nil
}

func (x *Exporter) hold(files []File) (release func()) {
	if x.Room == nil {
		return func() {}
	}
	digests := make([]blob.Digest, len(files))
	for i, f := range files {
		digests[i] = f.Digest
	}
	return x.Room.Hold(digests...)
}

// describe makes the list and its signature.
func (b *bundle) describe(ctx context.Context, s Snapshot) (err error) {
	l := &List{
		Format: Format, ID: snapshotID(s), Name: s.Name, Series: s.series(), Created: s.Created.UTC().Truncate(time.Second), Suites: b.plan.suites,
		Files: FileTable{
			SHA256: SHA256(blob.Sum(b.table)), Size: int64(len(b.table)),
			Count: len(b.plan.files), Bytes: b.plan.bytes, Metadata: b.plan.meta,
		},
	}
	if since := b.Since; since != nil {
		l.Base = &Base{ID: snapshotID(*since), Name: since.Name, Created: since.Created.UTC().Truncate(time.Second)}
	}
	if l.Parts, err = b.plan.split(b.PartSize, b.fixedSize(l)); err != nil {
		return err
	}
	b.list = l
	if b.text, err = l.encode(); err != nil {
		return fmt.Errorf("making the list of bundle %s: %w", l.Name, err)
	}
	if b.signature, err = b.Sign(ctx, b.text); err != nil {
		return fmt.Errorf("signing the list of bundle %s: %w", l.Name, err)
	}
	if len(b.signature) > signatureRoom {
		return fmt.Errorf("signing the list of bundle %s: the signature has %d bytes, more than %d", l.Name, len(b.signature), signatureRoom)
	}
	return nil
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
func (b *bundle) fixedSize(l *List) func(parts int) int64 {
	bare, err := json.MarshalIndent(l, "", "  ")
	return func(parts int) int64 {
		if err != nil {
			return 0 // encode fails with the same error
		}
		list := int64(len(bare) + parts*partLine)
		return memberSize(maxHead) + memberSize(list) + memberSize(signatureRoom) + memberSize(int64(len(b.table))) + tarTrailer
	}
}

// writePart writes the n-th part, counted from 0.
func (b *bundle) writePart(ctx context.Context, w io.Writer, n int) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	err := b.writeLists(buffered, n)
	for _, f := range b.filesOf(n) {
		if err != nil {
			break
		}
		err = b.writeBlob(ctx, buffered, f)
	}
	if err == nil {
		_, err = buffered.Write(zeros[:tarTrailer])
	}
	if err == nil {
		err = buffered.Flush()
	}
	return err
}

func (b *bundle) writeLists(w io.Writer, n int) error {
	h, err := json.Marshal(head{
		Format: Format, Name: b.list.Name, Created: b.list.Created, List: SHA256(blob.Sum(b.text)), Part: n + 1, Parts: len(b.list.Parts),
	})
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		data []byte
	}{{headName, append(h, '\n')}, {listName, b.text}, {signatureName, b.signature}, {filesName, b.table}} {
		if err := writeMember(w, m.name, m.data); err != nil {
			return err
		}
	}
	return nil
}

// filesOf gives the files of the n-th part, counted from 0.
func (b *bundle) filesOf(n int) []File { return b.list.filesOf(b.plan.files, n) }

func (l *List) filesOf(files []File, n int) []File {
	for _, p := range l.Parts[:n] {
		files = files[p.Files:]
	}
	return files[:l.Parts[n].Files]
}

func (b *bundle) writeBlob(ctx context.Context, w io.Writer, f File) error {
	stored, err := b.Blobs.Open(f.Digest)
	if err != nil {
		return err
	}
	defer stored.Close()
	if err := writeHeader(w, blobFolder+f.Digest.String(), f.Size); err != nil {
		return err
	}
	n, err := stored.WriteTo(&metered{ctx, w, &b.progress})
	if err == nil && n != f.Size {
		err = fmt.Errorf("reading blob %v: it has %d bytes, not %d", f.Digest, n, f.Size)
	}
	if err != nil {
		return err
	}
	reached("blob written")
	return writePadding(w, f.Size)
}

// WriteTo writes the bundle, in one part, to a stream.
func (x *Exporter) WriteTo(ctx context.Context, s Snapshot, w io.Writer) (Exported, error) {
	if x.PartSize != 0 {
		return Exported{}, fmt.Errorf("a bundle in parts needs a folder")
	}
	b, release, err := x.prepare(ctx, s)
	if err != nil {
		return Exported{}, err
	}
	defer release()
	var counted counter
	if err := b.writePart(ctx, io.MultiWriter(w, &counted), 0); err != nil {
		return Exported{}, fmt.Errorf("writing bundle %s: %w", s.Name, err)
	}
	return Exported{List: b.list, Bytes: int64(counted)}, nil
}

// counter counts bytes.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// names gives the files of a bundle in a folder.
func (l *List) names() (names []string) {
	base := l.Name
	if l.Base != nil {
		base += "-since-" + l.Base.Name
	}
	if len(l.Parts) == 1 {
		return []string{base + ".tar"}
	}
	digits := len(fmt.Sprint(len(l.Parts)))
	for i := range l.Parts {
		names = append(names, fmt.Sprintf("%s.%0*dof%d.tar", base, digits, i+1, len(l.Parts)))
	}
	return names
}

// String names the bundle for the log and for people.
func (l *List) String() string {
	var b bytes.Buffer
	fmt.Fprintf(&b, "bundle %s of %s", l.Name, stamp(l.Created))
	if l.Base != nil {
		fmt.Fprintf(&b, ", building on %s", l.Base.Name)
	}
	return b.String()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
