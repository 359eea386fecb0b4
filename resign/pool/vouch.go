package pool

import (
	"errors"
	"io"

	"aptmirror/resign/deb"
	"aptmirror/upstream/pgp"
)

// vouchDeb returns the key that vouches for a binary package.
func (s *set) vouchDeb(f File, d *deb.Deb) (signer string, err error) {
	if s.pool.Uploaders == nil {
		return "", nil
	}
	if s.changes != nil {
		return s.changes.signer, nil // readChanges saw that it lists everything
	}
	sig, covered, err := d.Origin()
	if err != nil {
		return "", &Error{Signature, f.Name, err}
	}
	if sig == nil {
		return "", refuse(Signature, f.Name, "the pool takes packages only with a signature by one of its uploaders' keys: sign the package with debsigs, or add it with its signed .changes")
	}
	return s.pool.verifyBinary(f, covered, sig)
}

func (p *Pool) verifyBinary(f File, covered io.Reader, sig []byte) (signer string, err error) {
	result, err := p.Uploaders.VerifyBinary(covered, sig, p.Now())
	return signerOf(f, result, err)
}

// vouchText returns the text of a .changes or .dsc and the key that signed it; neither is asked for where the pool takes
// everything, or where it was vouched for already.
func (s *set) vouchText(f File, vouched string) (text []byte, signer string, err error) {
	data, err := readText(f)
	if err != nil {
		return nil, "", err
	}
	if s.pool.Uploaders == nil || vouched != "" {
		if text, err = pgp.Unverified(data); err != nil {
			return nil, "", &Error{Malformed, f.Name, err}
		}
		return text, vouched, nil
	}
	result, err := s.pool.Uploaders.VerifyClearsigned(data, s.pool.Now())
	if signer, err = signerOf(f, result, err); err != nil {
		return nil, "", err
	}
	return result.Text, signer, nil
}

// signerOf tells refusals from failures.
func signerOf(f File, result *pgp.Result, err error) (string, error) {
	if refusal := (*pgp.Error)(nil); errors.As(err, &refusal) {
		return "", refuse(Signature, f.Name, "no uploader's key of the pool vouches for it: %w", err)
	}
	if err != nil {
		return "", err
	}
	return result.Signatures[0].Fingerprint, nil
}
