package upstream

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"aptmirror/cache/catalog"
)

// Real archives have stanzas that are left from a time before SHA-256, and files
// that were replaced under a name that an old stanza still has. apt takes such
// an index, and only never those files; so does an intake: they are left out of
// what can be served. An index that has too many of them is not sloppy but
// broken, and is refused, so that it takes nothing away from clients.
const (
	// maxLeftOut is how often the indexes of a suite may name files that are left
	// out. The row of the generation lists them.
	maxLeftOut = 1000
	// maxLeftOutBytes bounds the paths in that row; badger takes rows of 1.2 MB,
	// and JSON may need six bytes for one.
	maxLeftOutBytes = 128 << 10
	// leastVerifiable is the least part of the files of a Packages, one in so many,
	// that must not be left out. In Sources all may be: what old tools make has
	// MD5 throughout, beside a Packages that is as it should be.
	leastVerifiable = 10
	// toldLeftOut is how many files the log names.
	toldLeftOut = 5
)

// leftOut are the files that indexes name and that are left out.
type leftOut struct {
	flaws map[string]catalog.Flaw // by path
	bytes int                     // of the paths
	tally
}

// tally counts how often files are named, and how often such that are left out.
type tally struct{ named, left int }

// since gives what was counted after before.
func (t tally) since(before tally) tally { return tally{t.named - before.named, t.left - before.left} }

// checkShare refuses an index that is broken.
func (t tally) checkShare() error {
	if t.left*leastVerifiable > t.named*(leastVerifiable-1) {
		return fmt.Errorf("%d of the %d files that it names are without SHA-256 and SHA-512, and could never be verified", t.left, t.named)
	}
	return nil
}

// add leaves a file out, which was named so often. What is disputed is told as
// such, however else it is named.
func (l *leftOut) add(path string, f catalog.Flaw, times int) {
	if l.flaws == nil {
		l.flaws = map[string]catalog.Flaw{}
	}
	if l.flaws[path] == "" {
		l.bytes += len(path)
	}
	if l.flaws[path] != catalog.Disputed {
		l.flaws[path] = f
	}
	l.left += times
}

// checkLimits refuses more than a generation can list.
func (l *leftOut) checkLimits() error {
	if l.left > maxLeftOut || l.bytes > maxLeftOutBytes {
		return fmt.Errorf("more than %d files, or %d bytes of paths, could never be verified: they are without SHA-256 and SHA-512, or named with different contents", maxLeftOut, maxLeftOutBytes)
	}
	return nil
}

// list orders the files by path, and is nil where there are none.
func (l *leftOut) list() (all []catalog.LeftOut) {
	for _, path := range slices.Sorted(maps.Keys(l.flaws)) {
		all = append(all, catalog.LeftOut{Path: path, Why: l.flaws[path]})
	}
	return all
}

var errNothingLeft = errors.New("no file that they name could ever be verified: they are without SHA-256 and SHA-512, or named with different contents")

// encode writes the manifest, without what is disputed.
func (in *intake) encode(m *catalog.Manifest) (raw []byte, err error) {
	for _, d := range m.DropDisputed() {
		in.leftOut.add(d.Path, catalog.Disputed, d.Added)
	}
	if err = in.leftOut.checkLimits(); err == nil {
		raw, err = m.Encode()
	}
	if in.packages, in.bytes = m.Packages(); err == nil && in.packages == 0 && in.leftOut.left > 0 {
		err = errNothingLeft
	}
	if err != nil {
		return nil, in.refuse("its indexes", Malformed, err)
	}
	return raw, nil
}

// tellLeftOut is for a generation that is new.
func (in *intake) tellLeftOut(g catalog.Generation) {
	if len(g.LeftOut) == 0 {
		return
	}
	var first []string
	for _, l := range g.LeftOut[:min(len(g.LeftOut), toldLeftOut)] {
		first = append(first, l.String())
	}
	in.u.Log.Warn("files that nobody can verify are left out", "archive", g.Archive, "suite", g.Suite, "generation", g.Number,
		"files", len(g.LeftOut), "first", strings.Join(first, "; "))
}
