package builds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
)

// Move publishes: it signs a built generation for the repository and suite,
// which may be those of a ring or of a snapshot, and makes it current there.
func (w *Workshop) Move(ctx context.Context, m catalog.Move) (catalog.Publication, error) {
	if _, built := m.Next.Builder(); !built {
		return w.Catalog.Publish(ctx, m, w.Now())
	}
	g, err := w.Catalog.Generation(m.Next.Archive, m.Next.Suite, m.Next.Number)
	if err != nil {
		return catalog.Publication{}, fmt.Errorf("publishing %s in repository %s: %w", m.Next, m.Repository, err)
	}
	free, err := wait.Slot(ctx, w.moving)
	if err != nil {
		return catalog.Publication{}, err
	}
	defer free()
	signed, release, err := w.signed(ctx, m.Repository, m.Suite, g)
	if err != nil {
		return catalog.Publication{}, err
	}
	defer release()
	m.Signed = signed
	return w.Catalog.Publish(ctx, m, w.Now())
}

// signed makes what is signed of a publication of a built generation. It is held
// until release is called, once the publication is recorded.
func (w *Workshop) signed(ctx context.Context, repository, suite string, g catalog.Generation) (s *catalog.Signed, release func(), err error) {
	m := w.InForce()
	h, err := w.header(m, repository, suite)
	if err == nil {
		err = w.awaitDate(ctx, h.Date)
	}
	if err == nil {
		s, release, err = w.Builder.Sign(ctx, g, h, m.Keys[base(repository)])
	}
	if err != nil {
		return nil, nil, fmt.Errorf("signing repository %s, suite %s: %w", repository, suite, err)
	}
	return s, release, nil
}

// LongestWait is how far ahead of the clock a Date may be to be waited for.
// One that is further ahead is left over from a clock that was wrong: clients
// would not take it, and waiting would stop everything else.
const LongestWait = 10 * time.Second

// awaitDate waits until a Date has come, which is the next second where a suite
// is published twice in one: clients refuse what comes from the future.
func (w *Workshop) awaitDate(ctx context.Context, date time.Time) error {
	if ahead := date.Sub(w.Now()); ahead > 0 && ahead < LongestWait {
		wait.For(ctx, ahead)
	}
	return context.Cause(ctx)
}

// base gives the configured repository behind the name of a snapshot's.
func base(repository string) string {
	if name, _, ok := catalog.CutSnapshotRepository(repository); ok {
		return name
	}
	return repository
}

// header is what Release would say of a suite if it was signed now.
func (w *Workshop) header(m *inforce.Parts, repository, suite string) (resign.Header, error) {
	r, s, ok := m.Suite(base(repository), suite)
	if !ok {
		return resign.Header{}, errors.New("it is not configured")
	}
	if err := errors.Join(m.Faults["repository "+r.Name], keyFaults(m.Keys[r.Name], w.Now())); err != nil {
		return resign.Header{}, err
	}
	h := resign.Header{
		Origin: r.Origin, Label: r.Label, Description: r.Description, Suite: s.Name, Codename: s.Codename,
		NotAutomatic: s.NotAutomatic, ButAutomaticUpgrades: s.ButAutomaticUpgrades,
	}
	if url := m.Config.Serve.PublicURL; url != "" {
		url = strings.TrimSuffix(url, "/") + "/"
		h.Snapshots = url + catalog.SnapshotRepository(r.Name, "@SNAPSHOTID@") + "/"
		h.Changelogs = url + repository + "/changelogs/@CHANGEPATH@_changelog"
	}
	before, err := w.Catalog.PublicationOrNone(repository, suite)
	if err != nil {
		return h, err
	}
	var last time.Time
	if before.Signed != nil {
		last = before.Signed.Date
	}
	h.Date = resign.NextDate(last, w.Now())
	var ends []time.Time
	if base(repository) == repository {
		ends = w.ends(m, inforce.BuiltSuite{Repository: r.Name, Suite: s.Name}, s)
	}
	h.ValidUntil = resign.ValidUntil(h.Date, r.ValidFor, ends...)
	if !h.ValidUntil.IsZero() && !h.ValidUntil.After(h.Date) {
		return h, fmt.Errorf("one of its inputs is past its Valid-Until, %s: what was signed before stays", admin.Second(h.ValidUntil))
	}
	return h, nil
}

// keyFaults says why clients would refuse every signature; one good key is
// enough, as while another is being replaced.
func keyFaults(keys []*resign.Key, now time.Time) error {
	var faults []error
	for _, k := range keys {
		err := k.Check(now)
		if err == nil {
			return nil
		}
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// ends are when what a live suite was made from is no longer good. Where it
// cannot be built from what the archives have now, or was not yet, it still has
// what they had before, and ends with that. A ring and what is made from it stand
// still on purpose.
func (w *Workshop) ends(m *inforce.Parts, b inforce.BuiltSuite, s config.Suite) []time.Time {
	if s.Ring() {
		return nil
	}
	return append(w.inputEnds(m, s), w.last(b).Ends)
}

// inputEnds are when archives say that what they have now is no longer good.
func (w *Workshop) inputEnds(m *inforce.Parts, s config.Suite) (all []time.Time) {
	for _, from := range s.From {
		switch from.Kind {
		case config.FromArchive:
			if g, err := w.Catalog.Latest(w.Life, from.Name, from.Suite); err == nil {
				all = append(all, g.ValidUntil)
			}
		case config.FromRepository:
			if _, other, ok := m.Suite(from.Name, from.Suite); ok {
				all = append(all, w.ends(m, inforce.BuiltSuite{Repository: from.Name, Suite: from.Suite}, other)...)
			}
		}
	}
	return all
}

// renewalOf says why a publication has to be signed again now, "" if it has not.
func (w *Workshop) renewalOf(ctx context.Context, m *inforce.Parts, p catalog.Publication) (why string) {
	if p.Signed == nil {
		return ""
	}
	if _, _, ok := m.Suite(base(p.Repository), p.Suite); !ok {
		return ""
	}
	h, err := w.header(m, p.Repository, p.Suite)
	if err != nil {
		return "" // signing would fail; the build tells so
	}
	now, end := w.Now(), p.Signed.ValidUntil
	switch {
	case !sameSigners(p.Signed.Signers, m.Keys[base(p.Repository)]):
		return "other keys sign"
	case !h.ValidUntil.IsZero() && (end.IsZero() || h.ValidUntil.Before(end)):
		return "an input's Valid-Until comes earlier"
	case !end.IsZero() && (h.ValidUntil.IsZero() || h.ValidUntil.After(end)) && now.Sub(p.Signed.Date) >= end.Sub(p.Signed.Date)/2:
		return "half of its time is over"
	case !w.saysTheSame(ctx, p, h):
		return "Release says something else"
	}
	return ""
}

func sameSigners(signers []catalog.Signer, keys []*resign.Key) bool {
	return slices.EqualFunc(signers, keys, func(s catalog.Signer, k *resign.Key) bool { return s.Fingerprint == k.Fingerprint() })
}

// saysTheSame reports whether what was signed would be signed today, but for
// its dates. What cannot be read is for others to find.
func (w *Workshop) saysTheSame(ctx context.Context, p catalog.Publication, h resign.Header) bool {
	g, err := w.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
	if err != nil {
		return true
	}
	h.Date, h.ValidUntil = p.Signed.Date, p.Signed.ValidUntil
	text, err := w.Builder.ReleaseOf(ctx, g, h)
	return err != nil || blob.Sum(text) == p.Signed.Release
}

// faultOfRing says why a ring could not be signed again. Suites that are built
// tell that themselves, and snapshots share the keys of one or the other.
func (w *Workshop) faultOfRing(m *inforce.Parts, p catalog.Publication) error {
	if _, s, ok := m.Suite(p.Repository, p.Suite); !ok || !s.Ring() {
		return nil
	}
	if _, err := w.header(m, p.Repository, p.Suite); err != nil {
		return fmt.Errorf("signing repository %s, suite %s: %w", p.Repository, p.Suite, err)
	}
	return nil
}

// renewAll signs again what is due, of all repositories, rings and snapshots.
func (w *Workshop) renewAll(ctx context.Context, by string) (renewed int, err error) {
	publications, err := w.Catalog.Publications(ctx)
	if row := (*catalog.RowError)(nil); err != nil && !errors.As(err, &row) {
		return 0, err
	}
	m := w.InForce()
	var faults []error
	for _, p := range publications {
		why := w.renewalOf(ctx, m, p)
		if why == "" {
			faults = append(faults, w.faultOfRing(m, p))
			continue
		}
		_, err := w.Move(ctx, catalog.Move{Repository: p.Repository, Suite: p.Suite, Expect: p.Current, Next: p.Current, By: by, Why: why})
		if errors.Is(err, catalog.ErrConflict) {
			continue // it was signed just now
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		renewed++
		w.Log.Info("signed again", "repository", p.Repository, "suite", p.Suite, "why", why)
	}
	return renewed, errors.Join(faults...)
}
