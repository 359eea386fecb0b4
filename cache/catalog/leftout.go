package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// LeftOut is a file that an index names and that is not part of the generation,
// because nobody could tell whether its bytes are the right ones. apt takes such
// an index, and only cannot fetch that file.
type LeftOut struct {
	Path string `json:"path"` // in the repository
	Why  Flaw   `json:"why"`
}

// Flaw is what is wrong with how an index names a file.
type Flaw string

const (
	// NoDigest: without a SHA-256 or SHA-512 that is one.
	NoDigest Flaw = "no-digest"
	// Disputed: with different contents under one path, of which at most one can
	// be what the archive has. None of them is served: which one it is would have
	// to be asked of a mirror, and a mirror that has the other one is no liar.
	Disputed Flaw = "disputed"
)

// String is for people.
func (f Flaw) String() string {
	if f == Disputed {
		return "named with different contents"
	}
	return "named without SHA-256 and SHA-512"
}

// String is for people.
func (l LeftOut) String() string { return l.Path + " (" + l.Why.String() + ")" }

// LeftOutAs tells what is wrong with a path that the generation leaves out.
func (g Generation) LeftOutAs(path string) (Flaw, bool) {
	i, ok := slices.BinarySearchFunc(g.LeftOut, path, func(l LeftOut, path string) int { return strings.Compare(l.Path, path) })
	if !ok {
		return "", false
	}
	return g.LeftOut[i].Why, true
}

// LeftOutError says that the current generation of a suite leaves the path out.
// It is an ErrNoPath.
type LeftOutError struct {
	Suite string
	Why   Flaw
}

func (e *LeftOutError) Error() string {
	return fmt.Sprintf("in suite %s of its archive it is %v", e.Suite, e.Why)
}

// Is makes it an ErrNoPath.
func (e *LeftOutError) Is(target error) bool { return target == ErrNoPath }

// leftOut is nil for a path that the current generation does not leave out.
func (s *suiteView) leftOut(path string) *LeftOutError {
	if s.current == nil {
		return nil
	}
	why, ok := s.current.generation.LeftOutAs(path)
	if !ok {
		return nil
	}
	return &LeftOutError{s.suite, why}
}

// DisputedPath is a path that was added with different contents.
type DisputedPath struct {
	Path  string
	Added int // how often, in all
}

// DropDisputed takes out the packages that were added with different contents,
// and gives them in the order of their paths. What else is there under such a
// path stays, and Encode refuses it.
func (m *Manifest) DropDisputed() (dropped []DisputedPath) {
	m.sort()
	kept := m.entries[:0]
	for rest := m.entries; len(rest) > 0; {
		same := samePath(rest)
		rest = rest[len(same):]
		if disputed(same) {
			dropped = append(dropped, DisputedPath{same[0].Path, len(same)})
			continue
		}
		kept = append(kept, same...)
	}
	m.entries = kept
	return dropped
}

// samePath gives the first entries, which are of one path.
func samePath(entries []Entry) []Entry {
	n := 1
	for n < len(entries) && entries[n].Path == entries[0].Path {
		n++
	}
	return entries[:n]
}

func disputed(same []Entry) bool {
	differ := false
	for _, e := range same {
		if e.Kind != KindPackage {
			return false
		}
		differ = differ || !e.sameBytes(same[0])
	}
	return differ
}

func (e Entry) sameBytes(o Entry) bool { return e.Digest == o.Digest && e.Size == o.Size }
