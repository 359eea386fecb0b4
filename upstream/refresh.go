package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// Refreshed is the outcome of Refresh.
type Refreshed struct {
	Generation catalog.Generation
	// New says that this generation did not exist before.
	New bool
	// Fetched is the number of bytes of indexes that had to be fetched.
	Fetched int64
}

// Refresh looks at one suite of an archive and, if upstream has something new
// that verifies, leaves it as a new generation. On any error the newest
// generation stays as it was, and the error is kept with the suite's Check; a
// *RefusedError says that upstream sent something that must not be accepted.
// Refreshes of one suite must not run at the same time.
func (u *Upstream) Refresh(ctx context.Context, a *Archive, suite string) (Refreshed, error) {
	seen, err := u.Catalog.Check(a.Name, suite)
	if err != nil {
		return Refreshed{}, fmt.Errorf("archive %s, suite %s: reading its state: %w", a.Name, suite, err)
	}
	r, out, err := u.refresh(ctx, a, suite, seen)
	if ctx.Err() != nil {
		return Refreshed{}, context.Cause(ctx)
	}
	if errors.Is(err, blob.ErrNoSpace) {
		err = fmt.Errorf("archive %s, suite %s: %w", a.Name, suite, err)
	}
	saved := u.Catalog.SaveCheck(checkOf(seen, r, err, u.Now()))
	return out, errors.Join(err, saved)
}

func (u *Upstream) refresh(ctx context.Context, a *Archive, suite string, seen catalog.Check) (*release, Refreshed, error) {
	r, latest, current, err := u.look(ctx, a, suite, seen)
	if err != nil || current {
		return r, Refreshed{Generation: latest}, err
	}
	out, err := u.takeIn(ctx, a, suite, r, latest)
	if !isMidUpdate(err) {
		return r, out, err
	}
	u.Log.Info("an archive seems to be in the middle of an update, trying once more", "archive", a.Name, "suite", suite, "error", err)
	if err := u.Wait(ctx, updatePause); err != nil {
		return r, out, err
	}
	seen.LastModified, seen.ETag = "", ""
	newer, again := u.fetchRelease(ctx, a, suite, seen)
	if again != nil {
		return r, out, err
	}
	out, err = u.takeIn(ctx, a, suite, newer, latest)
	return newer, out, err
}

// look fetches what the suite's Release is now. It is current if the latest
// generation was made of it and lacks nothing.
func (u *Upstream) look(ctx context.Context, a *Archive, suite string, seen catalog.Check) (r *release, latest catalog.Generation, current bool, err error) {
	latest, err = u.Catalog.Latest(ctx, a.Name, suite)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return nil, latest, false, err
	}
	if corrupt := (*blob.CorruptError)(nil); errors.As(err, &corrupt) {
		u.Log.Error("a stored file of a Release is damaged and is dropped", "archive", a.Name, "suite", suite, "error", err)
	}
	if latest.Number == 0 || latest.Scope != a.scope() || latest.Missing != nil {
		seen.LastModified, seen.ETag = "", ""
	}
	r, err = u.fetchRelease(ctx, a, suite, seen)
	if err != nil {
		return nil, catalog.Generation{}, false, err
	}
	return r, latest, r.unchanged || latest.Missing == nil && latest.Scope == a.scope() && r.sameAs(latest), nil
}

// updatePause gives a mirror time to finish what it is doing, or to go on from
// the state whose Release was read to the next one.
const updatePause = 5 * time.Second

// isMidUpdate says whether an index was not there, or was another one, although
// a server answered.
func isMidUpdate(err error) bool {
	fe := (*fillError)(nil)
	return errors.As(err, &fe) && slices.ContainsFunc(fe.causes, func(cause error) bool {
		_, ok := transient(cause)
		return !ok
	})
}

// sameAs says whether a generation already has these very bytes.
func (r *release) sameAs(g catalog.Generation) bool {
	return g.Release == r.digest() && g.InRelease == sumOrZero(r.inRelease) && (r.gpg == nil || g.ReleaseGPG == sumOrZero(r.gpg))
}

func sumOrZero(data []byte) blob.Digest {
	if data == nil {
		return blob.Digest{}
	}
	return blob.Sum(data)
}

// takeIn fetches what the package table needs and records the generation,
// unless it would be the latest once more.
func (u *Upstream) takeIn(ctx context.Context, a *Archive, suite string, r *release, latest catalog.Generation) (Refreshed, error) {
	in := &intake{u: u, archive: a, suite: suite, dir: catalog.SuiteDir(suite), release: r}
	targets, release, err := in.present(ctx)
	defer release()
	if err != nil {
		return Refreshed{}, err
	}
	if in.would(latest) {
		return Refreshed{Generation: latest}, nil
	}
	manifest, err := in.manifest(ctx, targets)
	if err != nil {
		return Refreshed{}, err
	}
	if in.would(latest) {
		return Refreshed{Generation: latest}, nil
	}
	defer u.Room.Hold(blob.Sum(manifest))()
	g, err := in.store(ctx, manifest)
	return Refreshed{Generation: g, New: true, Fetched: in.fetched.Load()}, err
}

// present brings the indexes that name files into the store, those that are not
// there yet, and holds them and Release until release is called.
func (in *intake) present(ctx context.Context) (targets []target, release func(), err error) {
	release = func() {}
	if err = in.nameIndexes(ctx); err == nil {
		targets, err = in.targets()
	}
	if err == nil {
		release = in.hold(targets)
		targets, err = in.fetchAll(ctx, targets)
	}
	return targets, release, err
}

// would says whether the generation would be the latest once more.
func (in *intake) would(be catalog.Generation) bool {
	return be.Scope == in.archive.scope() && in.release.sameAs(be) && slices.Equal(in.missing, be.Missing)
}

// intake is one Release on its way to becoming a generation.
type intake struct {
	u        *Upstream
	archive  *Archive
	suite    string
	dir      string
	release  *release
	fetched  atomic.Int64 // bytes of indexes that were not in the store
	named    bool         // all files that Release lists have a SHA-256 that is known, or are left out
	unnamed  []unnamed    // files that indexes name by SHA-512 alone
	indexes  []string     // those that were read, in the form that is in the store
	missing  []string     // optional indexes that no mirror has
	leftOut  leftOut
	packages int      // files that the indexes name
	bytes    int64    // and their sizes
	brought  *Brought // nil: what is not in the store is fetched
	sums     sums
}

// sums are SHA-512 that were computed of files that came along.
type sums struct {
	sync.Mutex // guards of
	of         map[blob.Digest][]byte
}

func (in *intake) refuse(file string, reason Reason, err error) error {
	return in.u.tell(&RefusedError{Archive: in.archive.Name, Suite: in.suite, File: file, URI: in.release.uri, Reason: reason, Err: err})
}

// store writes Release, its signatures and the manifest as blobs and then the
// row that makes them a generation.
func (in *intake) store(ctx context.Context, manifest []byte) (catalog.Generation, error) {
	r := in.release
	g := catalog.Generation{
		Archive: in.archive.Name, Suite: in.suite, Scope: in.archive.scope(), Indexes: in.indexes, Missing: in.missing, LeftOut: in.leftOut.list(),
		Date: r.Date, ValidUntil: r.ValidUntil, Origin: r.Origin, Label: r.Label,
		ByHash: r.AcquireByHash, Packages: in.packages, Bytes: in.bytes, Created: in.u.Now().UTC(), Signers: signersOf(r),
	}
	for _, part := range []struct {
		data []byte
		at   *blob.Digest
	}{{r.inRelease, &g.InRelease}, {r.text, &g.Release}, {r.gpg, &g.ReleaseGPG}, {manifest, &g.Manifest}} {
		if part.data == nil {
			continue
		}
		d, err := in.put(ctx, part.data)
		if err != nil {
			return g, fmt.Errorf("archive %s, suite %s: storing its Release: %w", in.archive.Name, in.suite, err)
		}
		*part.at = d
	}
	var err error
	if g.Number, err = in.u.Catalog.AddGeneration(g); err == nil {
		in.tellLeftOut(g)
	}
	return g, err
}

func signersOf(r *release) (signers []catalog.Signer) {
	for _, s := range r.signers {
		signers = append(signers, catalog.Signer{Fingerprint: s.Fingerprint, Name: s.UserID})
	}
	return signers
}
