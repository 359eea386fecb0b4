package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	// minRSABits is the weakest RSA key that is accepted (NIST SP 800-131A).
	minRSABits = 2048
	// maxRSABits bounds the work of one signature check; crypto/tls has the same bound.
	maxRSABits = 8192
)

// CheckKey accepts RSA keys of 2048 to 8192 bits, ECDSA keys on P-256, P-384 and P-521,
// and Ed25519 keys.
func CheckKey(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minRSABits || n > maxRSABits {
			return fmt.Errorf("RSA key of %d bits, allowed are %d to %d", n, minRSABits, maxRSABits)
		}
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("ECDSA key on curve %s, allowed are P-256, P-384, P-521", k.Params().Name)
	case ed25519.PublicKey:
		return nil
	}
	return errors.New("key of an unknown kind, allowed are RSA, ECDSA and Ed25519")
}

// Algorithm is the kind of key that is made for a new certificate.
type Algorithm int

const (
	P256    Algorithm = iota // ECDSA on P-256: understood by every TLS library
	Ed25519                  // apt 2.6 and later use it with TLS 1.2 and 1.3
)

// ParseAlgorithm reads "p256" or "ed25519".
func ParseAlgorithm(s string) (Algorithm, error) {
	switch s {
	case "p256":
		return P256, nil
	case "ed25519":
		return Ed25519, nil
	}
	return 0, fmt.Errorf("key algorithm %q: p256 and ed25519 are known", s)
}

// KeyName says what kind of key it is: "P-256", "Ed25519", "RSA 2048".
func KeyName(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", public)
}

func newKey(a Algorithm) (crypto.Signer, error) {
	switch a {
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("unknown key algorithm %d", a)
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ReadKey reads one private key from PEM text: PKCS#8, or the older forms for EC and RSA.
// Other blocks before it, such as certificates, are passed over. Encrypted keys are refused,
// because neither the server nor apt can ask for a passphrase.
func ReadKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY":
			return parseKey(block)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncrypted
		}
	}
	return nil, errNoKey
}

var (
	errNoKey     = errors.New("no private key in it")
	errEncrypted = errors.New("the private key is encrypted: store it without a passphrase")
)

func parseKey(block *pem.Block) (crypto.Signer, error) {
	if block.Headers["DEK-Info"] != "" {
		return nil, errEncrypted
	}
	var key any
	var err error
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("reading private key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("reading private key: a %T cannot sign", key)
	}
	return signer, CheckKey(signer.Public())
}
