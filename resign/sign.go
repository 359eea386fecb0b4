package resign

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Clearsign writes text as an InRelease file signed by every key, dated at. The text must survive clearsigning as it
// is, so that InRelease and Release have the same content: LF line ends, the last line ended, and no blanks at line
// ends, which a clear signature does not cover.
func Clearsign(w io.Writer, text []byte, at time.Time, keys ...*Key) error {
	if err := checkText(text); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	canonical := bytes.ReplaceAll(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"), []byte("\r\n"))
	packets, err := signatures(canonical, packet.SigTypeText, at, keys)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	var out bytes.Buffer
	out.WriteString("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n")
	for line := range bytes.Lines(text) {
		if line[0] == '-' {
			out.WriteString("- ")
		}
		out.Write(line)
	}
	if err := writeArmour(&out, openpgp.SignatureType, packets); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return nil
}

// DetachSign writes an armoured Release.gpg with a signature of text by every key, dated at.
func DetachSign(w io.Writer, text []byte, at time.Time, keys ...*Key) error {
	packets, err := signatures(text, packet.SigTypeBinary, at, keys)
	if err == nil {
		err = writeArmour(w, openpgp.SignatureType, packets)
	}
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return nil
}

func checkText(text []byte) error {
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return errors.New("the last line of the text has no line end")
	}
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if body := line[:len(line)-1]; len(body) > 0 && bytes.IndexByte([]byte(" \t\r"), body[len(body)-1]) >= 0 {
			return fmt.Errorf("line %d ends in a blank, which a clear signature does not cover", n)
		}
	}
	return nil
}

// signatures returns one signature packet for each key.
func signatures(data []byte, kind packet.SignatureType, at time.Time, keys []*Key) ([]byte, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key is given")
	}
	var out bytes.Buffer
	for _, key := range keys {
		sig, err := key.sign(data, kind, at)
		if err == nil {
			err = sig.Serialize(&out)
		}
		if err != nil {
			return nil, fmt.Errorf("with key %s: %w", key.Fingerprint(), err)
		}
	}
	return out.Bytes(), nil
}

func (k *Key) sign(data []byte, kind packet.SignatureType, at time.Time) (*packet.Signature, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	config := signingConfig(at)
	key, ok := k.entity.SigningKey(at, config)
	if !ok || key.PrivateKey == nil || key.PrivateKey.Dummy() {
		return nil, fmt.Errorf("no key or subkey that may sign on %s", at.UTC().Format(time.DateTime))
	}
	sig := &packet.Signature{
		Version:      4,
		SigType:      kind,
		PubKeyAlgo:   key.PublicKey.PubKeyAlgo,
		Hash:         config.Hash(),
		CreationTime: at,
		IssuerKeyId:  &key.PublicKey.KeyId,
	}
	state, err := sig.PrepareSign(config)
	if err != nil {
		return nil, err
	}
	state.Write(data)
	return sig, sig.Sign(state, key.PrivateKey, config)
}

// signingConfig fixes everything that would make two signatures of one text at one time differ, or old readers fail.
func signingConfig(at time.Time) *packet.Config {
	return &packet.Config{
		DefaultHash:                           crypto.SHA512,
		Time:                                  func() time.Time { return at },
		NonDeterministicSignaturesViaNotation: packet.BoolPointer(false),
	}
}

// writeArmour encodes packets with the checksum that GnuPG 2.2 needs where the base64 ends without padding
// (dev.gnupg.org T7071); go-crypto's own clearsigner leaves it out.
func writeArmour(w io.Writer, kind string, packets []byte) error {
	enc, err := armor.Encode(w, kind, nil)
	if err != nil {
		return err
	}
	if _, err := enc.Write(packets); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}
