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

// Writer writes a bundle that was prepared, perhaps in another process than that
// of the store.
type Writer struct {
	List     *List
	Prepared Prepared
	From     Files
	// Progress is told now and then how many bytes of how many are written; nil is nobody.
	Progress func(done, total int64)

	files []File
	meter meter
}

// NewWriter reads what was prepared.
func NewWriter(p Prepared, from Files) (*Writer, error) {
	l, err := ReadList(p.List)
	if err != nil {
		return nil, err
	}
	files, err := readFiles(bytes.NewReader(p.Files), l)
	if err != nil {
		return nil, err
	}
	return &Writer{List: l, Prepared: p, From: from, files: files}, nil
}

// Written is what was written of a bundle.
type Written struct {
	Files []string // that were made, in order; none for a stream
	Bytes int64
}

// WriteStream writes a bundle that has one part.
func (b *Writer) WriteStream(ctx context.Context, w io.Writer) (Written, error) {
	if len(b.List.Parts) > 1 {
		return Written{}, fmt.Errorf("writing bundle %s: one in parts needs a folder", b.List.Name)
	}
	b.start()
	var counted counter
	err := b.writePart(ctx, io.MultiWriter(w, &counted), 0)
	if err != nil {
		err = fmt.Errorf("writing bundle %s: %w", b.List.Name, err)
	}
	return Written{Bytes: int64(counted)}, err
}

func (b *Writer) start() { b.meter = meter{tell: b.Progress, total: b.List.Files.Bytes} }

// writePart writes the n-th part, counted from 0.
func (b *Writer) writePart(ctx context.Context, w io.Writer, n int) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	err := b.writeLists(buffered, n)
	for _, f := range b.List.filesOf(b.files, n) {
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

func (b *Writer) writeLists(w io.Writer, n int) error {
	h, err := json.Marshal(head{
		Format: Format, ID: b.List.ID, Name: b.List.Name, Base: b.List.baseID(), Created: b.List.Created, List: SHA256(blob.Sum(b.Prepared.List)), Part: n + 1, Parts: len(b.List.Parts),
	})
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		data []byte
	}{{headName, append(h, '\n')}, {listName, b.Prepared.List}, {signatureName, b.Prepared.Signature}, {filesName, b.Prepared.Files}} {
		if err := writeMember(w, m.name, m.data); err != nil {
			return err
		}
	}
	return nil
}

// filesOf gives the files of the n-th part, counted from 0.
func (l *List) filesOf(files []File, n int) []File {
	for _, p := range l.Parts[:n] {
		files = files[p.Files:]
	}
	return files[:l.Parts[n].Files]
}

func (b *Writer) writeBlob(ctx context.Context, w io.Writer, f File) error {
	if err := writeHeader(w, blobFolder+f.Digest.String(), f.Size); err != nil {
		return err
	}
	if err := copyFile(ctx, &metered{ctx, w, &b.meter}, b.From, f); err != nil {
		return err
	}
	reached("blob written")
	return writePadding(w, f.Size)
}

// copyFile copies all of a file and nothing else.
func copyFile(ctx context.Context, w io.Writer, from Files, f File) error {
	r, err := from.Open(ctx, f.Digest)
	if err != nil {
		return err
	}
	defer r.Close()
	n, err := io.Copy(w, r)
	if err == nil && n != f.Size {
		err = fmt.Errorf("reading file %v: it has %d bytes, not %d", f.Digest, n, f.Size)
	}
	return err
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
