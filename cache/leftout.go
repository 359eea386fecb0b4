package cache

import (
	"maps"
	"slices"

	"aptmirror/cache/catalog"
)

// Files that an archive's indexes name and nobody could verify are no part of a
// generation, and its row says which those are. Both are found out again here.

// mention is what an index says of a file: its size and its signed digest.
type mention struct {
	size   int64
	digest string // of either kind: one file that is named by both is in the manifest
}

// noteAbsent takes up a file that an index names and the manifest does not have.
func (p *prover) noteAbsent(name string, n mention) {
	before, again := p.absent[name]
	switch {
	case p.absent == nil:
		p.absent = map[string]mention{name: n}
	case !again:
		p.absent[name] = n
	case before != n:
		p.noteFlaw(name, catalog.Disputed)
	}
}

// noteFlaw notes what is wrong with how a file is named; disputed goes first.
func (p *prover) noteFlaw(name string, f catalog.Flaw) {
	if p.flaws == nil {
		p.flaws = map[string]catalog.Flaw{}
	}
	if p.flaws[name] != catalog.Disputed {
		p.flaws[name] = f
	}
}

// proveAbsent reports files that the manifest should have, and a row that says
// something else than the indexes about what was left out.
func (p *prover) proveAbsent() {
	for _, name := range slices.Sorted(maps.Keys(p.absent)) {
		if p.flaws[name] != catalog.Disputed {
			p.problem(name, "an index names it, the manifest does not")
		}
	}
	var left []catalog.LeftOut
	for _, name := range slices.Sorted(maps.Keys(p.flaws)) {
		left = append(left, catalog.LeftOut{Path: name, Why: p.flaws[name]})
	}
	if !slices.Equal(left, p.generation.LeftOut) {
		p.problem("row", "of the files that nobody could verify it lists %d, the indexes have %d, or others", len(p.generation.LeftOut), len(left))
	}
}
