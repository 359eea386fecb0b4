package upstream

import (
	"context"
	"time"

	"aptmirror/cache/catalog"
)

// Probed is what a suite turned out to be.
type Probed struct {
	Date, ValidUntil time.Time
	Signers          []catalog.Signer
}

// Probe fetches and verifies the Release of one suite and looks whether it
// lists what the archive asks for. It neither reads nor changes the store, so
// that Config needs neither Blobs nor Catalog for it.
func (u *Upstream) Probe(ctx context.Context, a *Archive, suite string) (Probed, error) {
	r, err := u.fetchRelease(ctx, a, suite, catalog.Check{})
	if err != nil {
		return Probed{}, err
	}
	in := &intake{u: u, archive: a, suite: suite, dir: catalog.SuiteDir(suite), release: r}
	if _, err := in.targets(); err != nil {
		return Probed{}, err
	}
	return Probed{r.Date, r.ValidUntil, signersOf(r)}, nil
}
