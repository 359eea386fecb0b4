package upstream

import (
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
)

// Brought is what a suite's Release is and was not fetched from a mirror, but
// came some other way. The indexes that it names, in some form, must be in the
// store already; nothing is fetched.
type Brought struct {
	From string // where it came from, for messages: "bundle nightly"
	// InRelease, Release and ReleaseGPG are the files; nil for those that there
	// are none of.
	InRelease, Release, ReleaseGPG []byte
	// OfSize gives the files in the store that came along and have that size; it
	// is asked for files of which Release or an index tells the SHA-512 alone.
	// nil gives none.
	OfSize func(size int64) []blob.Digest
}

// Examined is a suite that was brought, as Examine found it.
type Examined struct {
	u       *Upstream
	in      *intake
	seen    catalog.Check
	latest  catalog.Generation // the newest before it
	raw     []byte             // the manifest; nil where latest is the same once more
	table   *catalog.Table
	release []func()
}

// RefreshFrom is Examine and Record in one.
func (u *Upstream) RefreshFrom(ctx context.Context, a *Archive, suite string, b Brought) (Refreshed, error) {
	e, err := u.Examine(ctx, a, suite, b)
	if err != nil {
		return Refreshed{}, err
	}
	defer e.Close()
	return e.Record(ctx)
}

// Examine judges a suite that was brought exactly as Refresh judges what a
// mirror sends: signature, freshness, what was accepted before, and the indexes.
// It makes no generation: Record does, when everything that came along has been
// examined. A refusal is kept with the suite's Check, so that a person can see
// it and, where that helps, Accept it. No refresh of the suite must run between
// Examine and Record.
func (u *Upstream) Examine(ctx context.Context, a *Archive, suite string, b Brought) (*Examined, error) {
	seen, err := u.Catalog.Check(a.Name, suite)
	if err != nil {
		return nil, fmt.Errorf("archive %s, suite %s: reading its state: %w", a.Name, suite, err)
	}
	e := &Examined{u: u, seen: seen}
	err = e.examine(ctx, a, suite, b)
	if err == nil {
		return e, nil
	}
	e.Close()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, errors.Join(err, u.Catalog.SaveCheck(checkOf(seen, nil, err, u.Now())))
}

func (e *Examined) examine(ctx context.Context, a *Archive, suite string, b Brought) (err error) {
	e.latest, err = e.u.Catalog.Latest(ctx, a.Name, suite)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	r, err := e.u.releaseBrought(a, suite, b, e.seen)
	if err != nil {
		return err
	}
	e.in = &intake{u: e.u, archive: a, suite: suite, dir: catalog.SuiteDir(suite), release: r, brought: &b}
	targets, release, err := e.in.present(ctx)
	e.release = append(e.release, release)
	if err != nil {
		return err
	}
	if e.in.would(e.latest) {
		e.table, err = e.u.Catalog.Table(ctx, e.latest)
		return err
	}
	e.raw, err = e.in.manifest(ctx, targets)
	if err != nil {
		return err
	}
	e.release = append(e.release, e.u.Room.Hold(blob.Sum(e.raw)))
	e.table, err = catalog.OpenTable(e.raw)
	return err
}

// Table gives all that the suite would consist of.
func (e *Examined) Table() *catalog.Table { return e.table }

// New says whether Record will make a generation.
func (e *Examined) New() bool { return e.raw != nil }

// Record makes what was examined the suite's newest generation, and what is
// compared with from now on.
func (e *Examined) Record(ctx context.Context) (Refreshed, error) {
	out := Refreshed{Generation: e.latest}
	if e.raw != nil {
		g, err := e.in.store(ctx, e.raw)
		if err != nil {
			return Refreshed{}, err
		}
		out = Refreshed{Generation: g, New: true}
	}
	return out, e.u.Catalog.SaveCheck(checkOf(e.seen, e.in.release, nil, e.u.Now()))
}

// Close lets go of the files that the suite consists of.
func (e *Examined) Close() {
	for _, release := range e.release {
		release()
	}
	e.release = nil
}

// releaseBrought verifies and judges the Release.
func (u *Upstream) releaseBrought(a *Archive, suite string, b Brought, seen catalog.Check) (*release, error) {
	refused := &RefusedError{Archive: a.Name, Suite: suite, URI: b.From}
	r, file, err := u.signedBrought(a, b)
	refused.File = file
	if err == nil {
		r.Release, err = debian.ParseRelease(r.text)
	}
	if err != nil {
		refused.Err, refused.Reason = err, reasonOf(err)
		return nil, u.tell(refused)
	}
	if err := a.checkFresh(r.Release, r.digest(), suite, seen, u.Now()); err != nil {
		refused.Err, refused.Reason = err, reasonOf(err)
		refused.held = heldFor(r, refused.Reason, err, u.Now())
		return nil, u.tell(refused)
	}
	return r, nil
}

// signedBrought gets the signed text. Files that do not belong together were put
// together by somebody else than the archive.
func (u *Upstream) signedBrought(a *Archive, b Brought) (*release, string, error) {
	r := &release{uri: b.From, inRelease: b.InRelease}
	if b.InRelease == nil {
		if b.ReleaseGPG == nil {
			return nil, "Release", &pgp.Error{Reason: pgp.Unsigned, Detail: "there is neither InRelease nor Release.gpg"}
		}
		signed, err := a.Keyring.VerifyDetached(b.Release, b.ReleaseGPG, u.Now())
		if err != nil {
			return nil, "Release.gpg", err
		}
		r.text, r.gpg, r.signers = signed.Text, b.ReleaseGPG, signed.Signatures
		return r, "Release", nil
	}
	signed, err := a.Keyring.VerifyClearsigned(b.InRelease, u.Now())
	if err != nil {
		return nil, "InRelease", err
	}
	r.text, r.signers = signed.Text, signed.Signatures
	if b.Release != nil && !bytes.Equal(b.Release, r.text) {
		return nil, "Release", errors.New("InRelease and Release say different things")
	}
	if b.ReleaseGPG == nil {
		return r, "InRelease", nil
	}
	// Another key's signature, which the keyring does not have, is left out as
	// it is where a mirror sends it.
	if _, err := a.Keyring.VerifyDetached(r.text, b.ReleaseGPG, u.Now()); err == nil {
		r.gpg = b.ReleaseGPG
	}
	return r, "InRelease", nil
}

// errNotBrought says that a file neither came nor was in the store.
type errNotBrought struct{ from, file string }

func (e *errNotBrought) Error() string {
	return fmt.Sprintf("%s is not in the store and did not come with %s", e.file, e.from)
}

func (e *errNotBrought) Is(target error) bool { return target == fs.ErrNotExist }

// nameBrought finds the file of a SHA-512 among those that came along.
func (in *intake) nameBrought(n unnamed) (blob.Digest, error) {
	if in.brought.OfSize == nil {
		return blob.Digest{}, &errNotBrought{in.brought.From, n.path}
	}
	for _, d := range in.brought.OfSize(n.size) {
		sum, err := in.sha512Of(d)
		if errors.Is(err, blob.ErrNotFound) {
			continue
		}
		if err != nil {
			return blob.Digest{}, err
		}
		if bytes.Equal(sum, n.sha512) {
			return d, in.u.Catalog.SaveNote(noteOf(n.sha512), d.String())
		}
	}
	return blob.Digest{}, &errNotBrought{in.brought.From, n.path}
}

// sha512Of reads a stored file, once for each that came along.
func (in *intake) sha512Of(d blob.Digest) ([]byte, error) {
	in.sums.Lock()
	known, ok := in.sums.of[d]
	in.sums.Unlock()
	if ok {
		return known, nil
	}
	stored, err := in.u.Blobs.Open(d)
	if err != nil {
		return nil, err
	}
	defer stored.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, stored); err != nil {
		return nil, err
	}
	in.sums.Lock()
	defer in.sums.Unlock()
	if in.sums.of == nil {
		in.sums.of = map[blob.Digest][]byte{}
	}
	in.sums.of[d] = sum.Sum(nil)
	return in.sums.of[d], nil
}
