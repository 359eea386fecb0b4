package resign

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"aptmirror/cache/blob"
)

// Listing is what a Release says of the contents of a suite. It belongs to a
// generation, and whoever publishes that adds a Header.
type Listing struct {
	Components    []string
	Architectures []string // without "all" and "source"
	Files         []ListedFile
}

// ListedFile is an index, with the path below the folder of Release.
type ListedFile struct {
	Path   string
	Size   int64 // bytes
	Digest blob.Digest
}

// Text writes the fields, in one way for one content. Packages of architecture
// all are part of every architecture's index, and Release has to say so where
// it names "all".
func (l Listing) Text() []byte {
	var b bytes.Buffer
	architectures := append(slices.Clone(l.Architectures), "all")
	slices.Sort(architectures)
	fmt.Fprintf(&b, "Architectures: %s\n", strings.Join(architectures, " "))
	fmt.Fprintf(&b, "Components: %s\n", strings.Join(l.Components, " "))
	b.WriteString("No-Support-for-Architecture-all: Packages\nAcquire-By-Hash: yes\nSHA256:\n")
	files := slices.SortedFunc(slices.Values(l.Files), func(a, b ListedFile) int { return strings.Compare(a.Path, b.Path) })
	for _, f := range files {
		fmt.Fprintf(&b, " %s %8d %s\n", f.Digest, f.Size, f.Path)
	}
	return b.Bytes()
}

// Header is what a Release says besides its contents.
type Header struct {
	Origin, Label, Suite, Codename string
	Description                    string
	// Snapshots is a template with @SNAPSHOTID@; "" for none.
	Snapshots string
	// Changelogs is a template with @CHANGEPATH@; "" says that there are none.
	Changelogs                         string
	NotAutomatic, ButAutomaticUpgrades bool
	Date                               time.Time
	ValidUntil                         time.Time // zero: without end
}

// releaseDate is the form in which every apt reads a date.
const releaseDate = "Mon, 02 Jan 2006 15:04:05 UTC"

// ReleaseText writes a whole Release over the listing of a generation.
func ReleaseText(h Header, listing []byte) ([]byte, error) {
	var b bytes.Buffer
	fields := h.fields()
	for _, f := range fields {
		if f[1] == "" {
			continue
		}
		if err := checkFieldValue(f[1]); err != nil {
			return nil, fmt.Errorf("writing Release: field %s: %w", f[0], err)
		}
		fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
	}
	b.Write(listing)
	return b.Bytes(), nil
}

func (h Header) fields() [][2]string {
	fields := [][2]string{
		{"Origin", h.Origin}, {"Label", h.Label}, {"Suite", h.Suite}, {"Codename", h.Codename},
		{"Date", h.Date.UTC().Format(releaseDate)},
	}
	if !h.ValidUntil.IsZero() {
		fields = append(fields, [2]string{"Valid-Until", h.ValidUntil.UTC().Format(releaseDate)})
	}
	if h.NotAutomatic {
		fields = append(fields, [2]string{"NotAutomatic", "yes"})
	}
	if h.ButAutomaticUpgrades {
		fields = append(fields, [2]string{"ButAutomaticUpgrades", "yes"})
	}
	changelogs := h.Changelogs
	if changelogs == "" {
		changelogs = "no"
	}
	return append(fields, [2]string{"Changelogs", changelogs}, [2]string{"Snapshots", h.Snapshots}, [2]string{"Description", h.Description})
}

// checkFieldValue refuses what would begin another field, or what a clear
// signature does not cover.
func checkFieldValue(v string) error {
	switch {
	case !utf8.ValidString(v):
		return errors.New("not UTF-8")
	case strings.ContainsFunc(v, unicode.IsControl):
		return fmt.Errorf("%q has a line end or another control character; write it on one line", v)
	case strings.TrimSpace(v) != v:
		return fmt.Errorf("%q begins or ends with a blank; take it out", v)
	}
	return nil
}

// NextDate gives the Date of a Release that follows one of previous: clients
// keep what they have where it is not later.
func NextDate(previous, now time.Time) time.Time {
	next := now.UTC().Truncate(time.Second)
	if !next.After(previous) {
		next = previous.UTC().Truncate(time.Second).Add(time.Second)
	}
	return next
}
