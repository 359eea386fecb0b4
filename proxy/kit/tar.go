package kit

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// WriteTar writes the files for a real machine as a tar archive (POSIX ustar) to be unpacked
// in its root by root, owners included: tar -xpf KIT -C /. The key belongs to _apt by name,
// so that the number of that user is the machine's own. Where names are passed over, as when
// an image is built, the key has to be given to _apt afterwards. now becomes the date of the
// files.
func (k *Kit) WriteTar(w io.Writer, now time.Time) error {
	host, err := k.check()
	if err != nil {
		return fmt.Errorf("making client kit: %w", err)
	}
	t := newTarball(w, now)
	// Directories that every machine has are left as they are.
	t.dir(tlsDir)
	for _, f := range k.machine(host) {
		t.file(f)
	}
	if err := t.close(); err != nil {
		return fmt.Errorf("writing client kit: %w", err)
	}
	return nil
}

// tarball writes a tar archive whose entries are all of one date. The first error ends it.
type tarball struct {
	tar *tar.Writer
	now time.Time
	err error
}

func newTarball(w io.Writer, now time.Time) *tarball {
	return &tarball{tar: tar.NewWriter(w), now: now.UTC().Truncate(time.Second)}
}

func (t *tarball) dir(name string) {
	t.add(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, Uname: "root", Gname: "root"}, nil)
}

// file adds a file, which belongs to root unless only its owner may read it and has no
// right to write it: that is the key of the user _apt.
func (t *tarball) file(f File) {
	owner := "root"
	if f.Mode == 0o400 {
		owner = "_apt"
	}
	t.add(tar.Header{Typeflag: tar.TypeReg, Name: f.Path, Mode: int64(f.Mode & fs.ModePerm), Uname: owner, Gname: "root"}, f.Data)
}

func (t *tarball) add(h tar.Header, data []byte) {
	if t.err != nil {
		return
	}
	h.Size, h.ModTime, h.Format = int64(len(data)), t.now, tar.FormatUSTAR
	if t.err = t.tar.WriteHeader(&h); t.err == nil {
		_, t.err = t.tar.Write(data)
	}
}

func (t *tarball) close() error {
	if t.err != nil {
		return t.err
	}
	return t.tar.Close()
}
