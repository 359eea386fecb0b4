package pki

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// maxPEMBytes bounds files of certificates and keys; a bundle of 200 CAs has 300 KiB.
	maxPEMBytes = 2 << 20
	// maxCertificates bounds one bundle. Every one is tried when a chain is built.
	maxCertificates = 500
)

// ReadCertificates reads all certificates of a PEM text. Text between the blocks is
// passed over; any other kind of block, an unfinished block or no certificate at all is an
// error.
func ReadCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	err := eachBlock(text, "CERTIFICATE", func(der []byte) error {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		if certs = append(certs, c); len(certs) > maxCertificates {
			return fmt.Errorf("more than %d certificates", maxCertificates)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	return certs, nil
}

// LoadCertificates is ReadCertificates for a file.
func LoadCertificates(file string) ([]*x509.Certificate, error) {
	text, err := readLimited(file, maxPEMBytes)
	if err != nil {
		return nil, err
	}
	certs, err := ReadCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return certs, nil
}

// LoadKey is ReadKey for a file, see CheckKeyFile.
func LoadKey(file string) (crypto.Signer, error) {
	if err := CheckKeyFile(file); err != nil {
		return nil, err
	}
	text, err := readLimited(file, maxPEMBytes)
	if err != nil {
		return nil, err
	}
	key, err := ReadKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return key, nil
}

// CheckKeyFile refuses a file with a private key that others than owner and group can read
// or write: such a key has to be replaced, not used.
func CheckKeyFile(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if mode := info.Mode().Perm(); mode&0o006 != 0 {
		return fmt.Errorf("%s: everyone can read or write this private key (mode %04o): chmod 600 it, and replace it if others have been on this machine", file, mode)
	}
	return nil
}

// WriteKey writes a private key to a new file of mode 0600. A file that exists is not
// touched, the error then is fs.ErrExist.
func WriteKey(file string, text []byte) error {
	temp, err := writeTemp(file, text, 0o600)
	if err != nil {
		return fmt.Errorf("writing key %s: %w", file, err)
	}
	defer os.Remove(temp)
	// A link fails where the name exists; a rename would replace.
	if err := os.Link(temp, file); err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	return syncDir(filepath.Dir(file))
}

// WritePublic writes a certificate or a CRL, mode 0644. It replaces an older one in one
// step: a reader sees the old or the new bytes, also after a power loss.
func WritePublic(file string, text []byte) error {
	temp, err := writeTemp(file, text, 0o644)
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.Rename(temp, file); err != nil {
		os.Remove(temp)
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return syncDir(filepath.Dir(file))
}

// saveKeyPair writes the key first: a certificate file therefore always has its key, and
// the certificate of someone else's key is never replaced.
func saveKeyPair(certFile string, cert []byte, keyFile string, key crypto.Signer) error {
	text, err := encodeKey(key)
	if err != nil {
		return fmt.Errorf("encoding private key: %w", err)
	}
	if err := WriteKey(keyFile, text); err != nil {
		return err
	}
	return WritePublic(certFile, cert)
}

// writeTemp leaves a complete, synced file beside the one it is meant for.
func writeTemp(file string, text []byte, mode fs.FileMode) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	if _, err := f.Write(text); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

// syncDir makes new names in dir survive a power loss.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readLimited(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: more than %d bytes", file, limit)
	}
	return text, err
}

// eachBlock calls yield for the content of every PEM block, which all have to be of one
// kind. A block that is cut off is an error: the decoder alone would pass over it silently.
func eachBlock(text []byte, kind string, yield func(der []byte) error) error {
	found := 0
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if bytes.Count(text[:len(text)-len(rest)], []byte("-----BEGIN ")) != 1 {
			return fmt.Errorf("malformed PEM block before or in number %d", found+1)
		}
		if block.Type != kind {
			return fmt.Errorf("PEM block %d is a %q, only %q belongs here", found+1, block.Type, kind)
		}
		if err := yield(block.Bytes); err != nil {
			return fmt.Errorf("PEM block %d: %w", found+1, err)
		}
		found++
		text = rest
	}
	if bytes.Contains(text, []byte("-----BEGIN ")) {
		return fmt.Errorf("PEM block %d is malformed or cut off", found+1)
	}
	if found == 0 {
		return fmt.Errorf("no PEM block %q in it", kind)
	}
	return nil
}

func encodeCertificates(certs ...*x509.Certificate) []byte {
	var text bytes.Buffer
	for _, c := range certs {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return text.Bytes()
}
