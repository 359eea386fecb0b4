package pgp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

// A file of bytes is judged as a text is.
func TestVerdictsOnBinary(t *testing.T) {
	data := "\x00\r\n \xff" + strings.Repeat("binary ", 1000)
	for _, v := range verdicts(t) {
		t.Run(v.name, func(t *testing.T) {
			var packets [][]byte
			for _, s := range v.signers {
				s.binary = true
				packets = append(packets, s.sign(t, data))
			}
			result, err := keyring(t, v.ring...).VerifyBinary(iotest.HalfReader(strings.NewReader(data)), bytes.Join(packets, nil), now)
			if got := reasonOf(t, err); got != v.want {
				t.Fatalf("got %q (%v), want %q", got, err, v.want)
			}
			if err == nil && (len(result.Signatures) != v.good || result.Text != nil) {
				t.Errorf("got %+v, want %d good signatures", result, v.good)
			}
		})
	}
}

func TestBinaryFilesHaveNoTextSignatures(t *testing.T) {
	good := goodKey(t)
	for _, sig := range [][]byte{signer{key: good}.sign(t, releaseText), nil, []byte("nonsense")} {
		if _, err := keyring(t, good).VerifyBinary(strings.NewReader(releaseText), sig, now); err == nil {
			t.Errorf("accepted %q", sig)
		}
	}
}

func TestBinaryFilesThatCannotBeRead(t *testing.T) {
	good, broken := goodKey(t), errors.New("broken disk")
	sig := signer{key: good, binary: true}.sign(t, "x")
	if _, err := keyring(t, good).VerifyBinary(iotest.ErrReader(broken), sig, now); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestUnverified(t *testing.T) {
	good := goodKey(t)
	signed := string(clearsign(t, releaseText, signer{key: good, bad: true}))
	for _, c := range []struct{ name, data, want string }{
		{"signed", signed, releaseText},
		{"plain", releaseText, releaseText},
		{"cut", signed[:len(signed)-10], ""},
		{"text before it", releaseText + signed, releaseText + signed}, // no stanza, as its reader will say
		{"text behind it", signed + releaseText, ""},
		{"another block", "-----BEGIN PGP MESSAGE-----\n\n", ""},
		{"control bytes", "Source: x\r\n", ""},
	} {
		text, err := Unverified([]byte(c.data))
		if (err == nil) != (c.want != "") || err == nil && string(text) != c.want {
			t.Errorf("%s: got %q, %v", c.name, text, err)
		}
	}
}
