package bundle

import (
	"errors"
	"slices"
	"strings"
	"time"

	"aptmirror/cache/catalog"
)

// Import is the record of a bundle that was taken in.
type Import struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Series   string    `json:"series"`
	Created  time.Time `json:"created"`
	Imported time.Time `json:"imported"`
	Signers  []string  `json:"signers"` // fingerprints
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
}

// maxHistory is how many imports are remembered, beside the newest of each
// series: a bundle can build on any of them.
const maxHistory = 1000

// historyNote is where the catalog keeps what was imported.
const historyNote = "bundles imported"

// Imports gives what was imported so far, newest first.
func Imports(c *catalog.Catalog) (imports []Import, err error) {
	err = c.Note(historyNote, &imports)
	if errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return imports, err
}

// Record remembers that a bundle was imported. It must not run twice at a time.
func (in *Incoming) Record(c *catalog.Catalog, now time.Time) error {
	before, err := Imports(c)
	if err != nil {
		return err
	}
	l := in.List
	record := Import{
		ID: l.ID, Name: l.Name, Series: l.Series, Created: l.Created, Imported: now.UTC(), Signers: in.Signers,
		Files: l.Files.Count, Bytes: l.Files.Bytes,
	}
	after := slices.DeleteFunc(before, func(i Import) bool { return i.ID == l.ID })
	after = slices.Insert(after, 0, record)
	return c.SaveNote(historyNote, forget(after))
}

// forget drops the oldest but keeps the newest of each series, which is what
// replayed bundles are known by.
func forget(imports []Import) []Import {
	seen := map[string]bool{}
	n := 0
	return slices.DeleteFunc(imports, func(i Import) bool {
		n++
		line := i.Series + " " + strings.Join(i.Signers, " ")
		newest := !seen[line]
		seen[line] = true
		return n > maxHistory && !newest
	})
}

// exportsNote is where the catalog keeps what was exported whole, newest first.
const exportsNote = "bundles exported whole"

// RecordExport remembers a bundle that has all that its snapshot names, or builds
// on one that has the rest. It must not run twice at a time.
func RecordExport(c *catalog.Catalog, l *List) error {
	for _, s := range l.Suites {
		if s.Present.Files < s.Wanted.Files {
			return nil
		}
	}
	ids, err := exports(c)
	if err != nil || slices.Contains(ids, l.ID) {
		return err
	}
	ids = slices.Insert(ids, 0, l.ID)
	return c.SaveNote(exportsNote, ids[:min(len(ids), maxHistory)])
}

// Exported says whether a snapshot was exported whole.
func Exported(c *catalog.Catalog, s Snapshot) (bool, error) {
	ids, err := exports(c)
	return slices.Contains(ids, snapshotID(s)), err
}

func exports(c *catalog.Catalog) (ids []string, err error) {
	err = c.Note(exportsNote, &ids)
	if errors.Is(err, catalog.ErrNotFound) {
		err = nil
	}
	return ids, err
}

// checkHistory refuses a bundle that is older than one of its series, or that
// builds on one that was never imported.
func (im *Importer) checkHistory(l *List, signers []string) error {
	for _, i := range im.Before {
		if i.Series == l.Series && sameSigner(i.Signers, signers) && l.Created.Before(i.Created) {
			return refuse(l.Name, Replayed, "it is of %s, but %s of %s was imported on %s: somebody replays an old bundle, or took the wrong one",
				stamp(l.Created), i.Name, stamp(i.Created), stamp(i.Imported))
		}
	}
	if l.Base == nil || slices.ContainsFunc(im.Before, func(i Import) bool { return i.ID == l.Base.ID }) {
		return nil
	}
	return refuse(l.Name, BaseMissing, "it builds on bundle %s of %s (%s), which was not imported here: import that first, or export one that builds on none",
		l.Base.Name, stamp(l.Base.Created), l.Base.ID)
}

func sameSigner(a, b []string) bool {
	return slices.ContainsFunc(a, func(f string) bool { return slices.Contains(b, f) })
}
