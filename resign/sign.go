package resign

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Clearsign writes text as an InRelease file signed by every key, dated at. The text must survive clearsigning as it
// is, so that InRelease and Release have the same content: LF line ends, the last line ended, and no blanks at line
// ends, which a clear signature does not cover.
func Clearsign(ctx context.Context, w io.Writer, text []byte, at time.Time, keys ...*Key) error {
	if err := checkText(text); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	packets, err := signatures(ctx, bytes.TrimSuffix(text, []byte("\n")), packet.SigTypeText, at, keys)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	framed, err := frame(text, packets)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	if _, err := w.Write(framed); err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	return nil
}

// frame makes an InRelease file of a text and signatures of it without its last line end.
func frame(text, packets []byte) ([]byte, error) {
	digests, err := digestNames(packets)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "-----BEGIN PGP SIGNED MESSAGE-----\nHash: %s\n\n", strings.Join(digests, ", "))
	for line := range bytes.Lines(text) {
		if line[0] == '-' {
			out.WriteString("- ")
		}
		out.Write(line)
	}
	if err := writeArmour(&out, openpgp.SignatureType, packets); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// digestNames lists the digests of signatures as a Hash header has them: GnuPG computes no others.
func digestNames(packets []byte) (names []string, err error) {
	for r := packet.NewReader(bytes.NewReader(packets)); ; {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return nil, errors.New("not only signatures")
		}
		if name := strings.ReplaceAll(sig.Hash.String(), "-", ""); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
}

// DetachSign writes an armoured Release.gpg with a signature of text by every key, dated at. All are of one type,
// because gpgv passes over those that are not of the first one's.
func DetachSign(ctx context.Context, w io.Writer, text []byte, at time.Time, keys ...*Key) error {
	kind := packet.SigTypeBinary
	if slices.ContainsFunc(keys, (*Key).Command) {
		kind = packet.SigTypeText
	}
	packets, err := signatures(ctx, text, kind, at, keys)
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

// signatures returns the signature packets of all keys.
func signatures(ctx context.Context, text []byte, kind packet.SignatureType, at time.Time, keys []*Key) ([]byte, error) {
	if len(keys) == 0 {
		return nil, errors.New("no key is given")
	}
	var out bytes.Buffer
	for _, key := range keys {
		packets, err := key.sign(ctx, text, kind, at)
		if err != nil {
			return nil, fmt.Errorf("with key %s: %w", key.Fingerprint(), err)
		}
		out.Write(packets)
	}
	return out.Bytes(), nil
}

// sign returns packets that verify: a fault of a token, a command or this machine's memory is met here and not by
// every client.
func (k *Key) sign(ctx context.Context, text []byte, kind packet.SignatureType, at time.Time) (packets []byte, err error) {
	if k.Command() {
		at = time.Now() // the other program's clock is the system's
		packets, err = k.runCommand(ctx, text)
	} else {
		packets, err = k.signHere(text, kind, at)
	}
	if err == nil {
		_, err = k.ring.VerifyDetached(text, packets, at)
	}
	return packets, err
}

func (k *Key) signHere(text []byte, kind packet.SignatureType, at time.Time) ([]byte, error) {
	if kind == packet.SigTypeText {
		text = bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))
	}
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
	state.Write(text)
	if err := sig.Sign(state, key.PrivateKey, config); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = sig.Serialize(&out)
	return out.Bytes(), err
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
