package upstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
	"aptmirror/upstream/pgp"
)

// maxRelease bounds InRelease, Release and Release.gpg; apt's
// Acquire::MaxReleaseFileSize.
const maxRelease = 10 << 20

// release is a suite's Release as one mirror gave it, verified.
type release struct {
	*debian.Release
	signers   []pgp.Signature
	text      []byte // the signed text: the bytes of Release
	inRelease []byte // nil where the archive has Release and Release.gpg alone
	gpg       []byte // nil where there is none that belongs to text
	uri       string // the mirror
	validator conditions
	unchanged bool // the mirror said that what it sent before still stands
}

func (r *release) digest() blob.Digest { return blob.Sum(r.text) }

// fetchRelease tries the mirrors in order and gives the first Release that
// verifies and is fresh. A refusal goes before a failure to reach: it is what
// somebody must look at. A mirror that is only behind is one, too, but not as
// long as another may still have what is newer.
func (u *Upstream) fetchRelease(ctx context.Context, a *Archive, suite string, seen catalog.Check) (*release, error) {
	if len(a.URIs) == 0 {
		return nil, fmt.Errorf("archive %s has no uris", a.Name)
	}
	var r *release
	failures := inTurn(ctx, u, u.healthOf(a).order(a.URIs, "", u.Now()), func(uri string) (err error) {
		r, err = u.releaseFrom(ctx, a, suite, uri, seen)
		return err
	})
	if failures != nil {
		return nil, worst(failures, a.Name, suite)
	}
	return r, nil
}

// worst puts the failures of all mirrors in the order of what they mean.
func worst(failures several, archive, suite string) error {
	var refused, failed, behind several
	for _, err := range failures {
		switch re := (*RefusedError)(nil); {
		case !errors.As(err, &re):
			failed = append(failed, fmt.Errorf("archive %s, suite %s: %w", archive, suite, err))
		case re.Reason == RolledBack:
			behind = append(behind, re)
		default:
			refused = append(refused, re)
		}
	}
	if failed == nil {
		return append(refused, behind...)
	}
	for _, err := range behind {
		failed = append(failed, &behindError{err.(*RefusedError)})
	}
	return append(refused, failed...)
}

// behindError is a mirror that is older than what was accepted while others
// could not be asked. It is no *RefusedError: most likely nobody lies.
type behindError struct{ refused *RefusedError }

func (e *behindError) Error() string { return e.refused.Error() }

func (u *Upstream) releaseFrom(ctx context.Context, a *Archive, suite, uri string, seen catalog.Check) (*release, error) {
	r, file, err := u.signedFrom(ctx, a, suite, uri, seen)
	if err == nil {
		r.Release, err = debian.ParseRelease(r.text)
	}
	if isTransport(err) {
		if after, ok := transient(err); ok && ctx.Err() == nil {
			u.healthOf(a).down(uri, err, after, u.Now())
		}
		return nil, err
	}
	refused := &RefusedError{Archive: a.Name, Suite: suite, File: file, URI: uri, Err: err}
	if err == nil {
		refused.Err = a.checkFresh(r.Release, r.digest(), suite, seen, u.Now())
	}
	if refused.Err == nil {
		u.healthOf(a).good(uri, u.Now())
		return r, nil
	}
	refused.Reason = reasonOf(refused.Err)
	if err == nil {
		refused.held = heldFor(r, refused.Reason, refused.Err, u.Now())
	}
	if refused.isLie() {
		u.healthOf(a).lied(uri, fmt.Errorf("%s: %w", file, refused.Err), u.Now())
	}
	return nil, u.tell(refused)
}

// isTransport tells a file that could not be had from one that is not as it should be.
func isTransport(err error) bool {
	te := (*transportError)(nil)
	if !errors.As(err, &te) {
		return false
	}
	private, long := (*PrivateAddressError)(nil), (*tooLongError)(nil)
	return !errors.As(err, &private) && !errors.As(err, &long)
}

type transportError struct{ err error }

func (e *transportError) Error() string { return e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// signedFrom gets the signed text: from InRelease, or, only where the mirror
// says that it has no InRelease, from Release and Release.gpg.
func (u *Upstream) signedFrom(ctx context.Context, a *Archive, suite, uri string, seen catalog.Check) (*release, string, error) {
	if err := u.healthOf(a).leftAlone(uri, u.Now()); err != nil {
		return nil, "InRelease", &transportError{err}
	}
	dir := catalog.SuiteDir(suite)
	var c conditions
	var stored []byte
	if seen.URI == uri {
		if stored = u.storedInRelease(ctx, a.Name, suite); stored != nil {
			c = conditions{seen.LastModified, seen.ETag}
		}
	}
	data, validator, err := u.fetcherOf(a).small(ctx, uri, dir+"InRelease", maxRelease, c)
	if errors.Is(err, fs.ErrNotExist) {
		return u.detachedFrom(ctx, a, dir, uri)
	}
	if err != nil {
		return nil, "InRelease", &transportError{err}
	}
	r := &release{uri: uri, validator: validator, inRelease: data}
	if data == nil {
		r.unchanged, r.inRelease = true, stored
	}
	signed, err := a.Keyring.VerifyClearsigned(r.inRelease, u.Now())
	if err != nil {
		return nil, "InRelease", err
	}
	r.text, r.signers = signed.Text, signed.Signatures
	if !r.unchanged {
		r.gpg = u.detachedFor(ctx, a, dir, uri, r.text)
	}
	return r, "InRelease", nil
}

// storedInRelease reads what the newest generation has: an answer of "not
// changed" is judged by those bytes as if they had just come. Where they cannot
// be read, there is nothing to compare with.
func (u *Upstream) storedInRelease(ctx context.Context, archive, suite string) []byte {
	g, err := u.Catalog.Latest(ctx, archive, suite)
	if err != nil {
		return nil
	}
	data, err := u.Blobs.ReadAll(ctx, g.InRelease, maxRelease)
	if err != nil {
		return nil
	}
	return data
}

// detachedFor gets Release.gpg beside an InRelease. One that does not belong to
// the same text (the mirror is in the middle of an update) is left out: clients
// of InRelease do not need it, and a mixture must not be served.
func (u *Upstream) detachedFor(ctx context.Context, a *Archive, dir, uri string, text []byte) []byte {
	gpg, _, err := u.fetcherOf(a).small(ctx, uri, dir+"Release.gpg", maxRelease, conditions{})
	if err != nil {
		return nil
	}
	if _, err := a.Keyring.VerifyDetached(text, gpg, u.Now()); err != nil {
		return nil
	}
	return gpg
}

func (u *Upstream) detachedFrom(ctx context.Context, a *Archive, dir, uri string) (*release, string, error) {
	text, _, err := u.fetcherOf(a).small(ctx, uri, dir+"Release", maxRelease, conditions{})
	if err != nil {
		return nil, "Release", &transportError{err}
	}
	gpg, _, err := u.fetcherOf(a).small(ctx, uri, dir+"Release.gpg", maxRelease, conditions{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "Release", &pgp.Error{Reason: pgp.Unsigned, Detail: "the archive has neither InRelease nor Release.gpg"}
	}
	if err != nil {
		return nil, "Release.gpg", &transportError{err}
	}
	signed, err := a.Keyring.VerifyDetached(text, gpg, u.Now())
	if err != nil {
		return nil, "Release.gpg", err
	}
	return &release{uri: uri, text: signed.Text, gpg: gpg, signers: signed.Signatures}, "Release", nil
}
