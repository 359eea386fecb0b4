package bundle

import "aptmirror/cache/blob"

// SHA256 is a digest as a bundle's list has it: 64 lower-case hexadecimal
// digits, or nothing where there is no file.
type SHA256 blob.Digest

// Digest gives the name of the blob.
func (s SHA256) Digest() blob.Digest { return blob.Digest(s) }

// None says that there is no such file.
func (s SHA256) None() bool { return s == SHA256{} }

// MarshalText writes the digits.
func (s SHA256) MarshalText() ([]byte, error) {
	if s.None() {
		return nil, nil
	}
	return []byte(s.Digest().String()), nil
}

// UnmarshalText reads the digits.
func (s *SHA256) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = SHA256{}
		return nil
	}
	d, err := blob.ParseDigest(string(text))
	*s = SHA256(d)
	return err
}
