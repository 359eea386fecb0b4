package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"aptmirror/upstream/compress"
)

const (
	// maxChangelog is the size in bytes of an unpacked changelog above which it is not given; Debian's longest has 2 MB.
	maxChangelog = 16 << 20
	// maxPackedChangelog is the size in bytes of a changelog as the package has it above which it is left out.
	maxPackedChangelog = 4 << 20
	// maxSearched is the size in bytes of an unpacked data.tar above which no changelog is found behind them.
	maxSearched = 4 << 30
)

// ErrNoChangelog says that a package has no changelog that Debian Policy 12.7 foresees.
var ErrNoChangelog = errors.New("the package has no changelog")

// changelogNames are the names of a changelog, that of Debian's own first; a native package has one of the last two.
var changelogNames = []string{"changelog.Debian.gz", "changelog.Debian", "changelog.gz", "changelog"}

// found is a changelog that a package has, so far the best.
type found struct {
	file     string // in changelogNames
	rank     int    // smaller is better
	packed   []byte
	modified time.Time
}

// ReadChangelog gives the changelog of a binary package, that of its own folder first: the folder may be a link, into the
// same package or out of it. Only what finding it takes is read.
func ReadChangelog(ctx context.Context, r io.ReaderAt, size int64, name string) (text []byte, modified time.Time, err error) {
	members, err := readMembers(r, size)
	if err != nil {
		return nil, modified, err
	}
	d := &Deb{members: members, from: r}
	if err := d.checkMembers(); err != nil {
		return nil, modified, err
	}
	u := d.open(ctx, d.find("data.tar"), maxSearched)
	best := found{rank: 2 * len(changelogNames)}
	if err := best.search(u, name); err != nil {
		return nil, modified, fmt.Errorf("looking for a changelog: %w", err)
	}
	text, err = best.text()
	return text, best.modified, err
}

var errEnough = errors.New("nothing better can come")

// search reads until it has the best that there can be.
func (f *found) search(u unpacked, name string) error {
	err := u.walk(func(h *tar.Header, body io.Reader) error {
		file, rank := rankChangelog(h, name)
		if rank >= f.rank || h.Size > maxPackedChangelog {
			return nil
		}
		packed, err := io.ReadAll(io.LimitReader(body, maxPackedChangelog))
		if err != nil {
			return err
		}
		*f = found{file, rank, packed, h.ModTime}
		if rank == 0 {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// rankChangelog tells how good a file is as the changelog; those of other folders come after all of the package's own.
func rankChangelog(h *tar.Header, name string) (file string, rank int) {
	none := 2 * len(changelogNames)
	rest, ok := strings.CutPrefix(strings.TrimPrefix(h.Name, "./"), "usr/share/doc/")
	folder, file, inFolder := strings.Cut(rest, "/")
	rank = slices.Index(changelogNames, file)
	switch {
	case h.Typeflag != tar.TypeReg || !ok || !inFolder || rank < 0:
		return "", none
	case folder != name:
		rank += len(changelogNames)
	}
	return file, rank
}

func (f *found) text() ([]byte, error) {
	if f.file == "" {
		return nil, ErrNoChangelog
	}
	_, format := compress.FormatOf(f.file)
	plain, err := compress.NewReader(format, bytes.NewReader(f.packed), maxChangelog)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	defer plain.Close()
	text, err := io.ReadAll(plain)
	if errors.Is(err, compress.ErrTooLong) {
		err = fmt.Errorf("unpacks to more than %d bytes", maxChangelog)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return text, nil
}
