package pgp

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// framing is a change to a good InRelease file.
type framing struct {
	name   string
	change func(string) string
	want   Reason // "" means accepted
	text   string // where accepted, default releaseText
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

func prefix(p string) func(string) string { return func(s string) string { return p + s } }
func suffix(p string) func(string) string { return func(s string) string { return s + p } }

func framings() []framing {
	return []framing{
		{"as it is", prefix(""), "", ""},
		{"no final line end", func(s string) string { return strings.TrimSuffix(s, "\n") }, "", ""},
		{"blanks at line ends are not signed and not returned", replace("stable\n", "stable \t\n"), "", ""},
		{"escaped dash", replace("\nSuite", "\n- Suite"), Malformed, ""},
		{"text before", prefix("Origin: Marvin\n"), Malformed, ""},
		{"empty line before", prefix("\n"), Malformed, ""},
		{"byte order mark", prefix("\ufeff"), Malformed, ""},
		{"text after", suffix("Origin: Marvin\n"), Malformed, ""},
		{"empty line after", suffix("\n"), Malformed, ""},
		{"second message after", func(s string) string { return s + s }, Malformed, ""},
		{"text between text and signature blocks", func(s string) string {
			b := s[strings.Index(s, beginSignature):]
			return s + "\n" + b
		}, Malformed, ""},
		{"unescaped dash line", replace("\nSuite", "\n-Suite"), Malformed, ""},
		{"blank after the first marker", replace(beginMessage, beginMessage+" "), Malformed, ""},
		{"blank after the end marker", replace(endSignature, endSignature+" "), Malformed, ""},
		{"two spaces for the empty header line", replace("\n\nOrigin", "\n  \nOrigin"), Malformed, ""},
		{"no empty header line", replace("\n\nOrigin", "\nOrigin"), Malformed, ""},
		{"another message header", replace("Hash:", "Comment: x\nHash:"), Malformed, ""},
		{"message header with a dash", replace("Hash:", "-Hash:"), Malformed, ""},
		{"no Hash header", replace("Hash: SHA512\n", ""), WeakDigest, ""},
		{"wrong Hash header", replace("SHA512\n", "SHA256\n"), WeakDigest, ""},
		{"lower-case Hash header", replace("SHA512\n", "sha512\n"), WeakDigest, ""},
		{"several digests announced", replace("Hash: SHA512\n", "Hash: SHA256, SHA512\n"), "", ""},
		{"two Hash headers", replace("Hash: SHA512\n", "Hash: SHA256\nHash: SHA512\n"), "", ""},
		{"CRLF", func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }, Malformed, ""},
		{"NUL", replace("stable", "sta\x00ble"), Malformed, ""},
		{"escape sequence", replace("stable", "\x1b[2Kstable"), Malformed, ""},
		{"armour header", replace(beginSignature+"\n", beginSignature+"\nVersion: GnuPG v2\nComment: x\n"), "", ""},
		{"armour header without colon", replace(beginSignature+"\n", beginSignature+"\nComment\n"), Malformed, ""},
		{"no empty line in the armour", replace(beginSignature+"\n\n", beginSignature+"\n"), Malformed, ""},
		{"two spaces for the empty armour line", replace(beginSignature+"\n\n", beginSignature+"\n  \n"), Malformed, ""},
		{"armour of another kind", func(s string) string { return strings.ReplaceAll(s, "PGP SIGNATURE-", "PGP MESSAGE-") }, Malformed, ""},
		{"wrong checksum", func(s string) string { i := strings.LastIndex(s, "\n="); return s[:i+2] + "AAAA" + s[i+6:] }, Malformed, ""},
		{"not base64", replace(beginSignature+"\n\n", beginSignature+"\n\n!"), Malformed, ""},
		{"text after the checksum", replace(endSignature, "AAAA\n"+endSignature), Malformed, ""},
		{"no end of the armour", replace(endSignature+"\n", ""), Malformed, ""},
		{"no signature", func(s string) string { return s[:strings.Index(s, beginSignature)] }, Malformed, ""},
		{"only the marker", func(string) string { return beginMessage + "\n" }, Malformed, ""},
		{"no text", func(s string) string { return strings.Replace(s, releaseText, "", 1) }, Malformed, ""},
		{"empty", func(string) string { return "" }, Unsigned, ""},
		{"only the text", func(string) string { return releaseText }, Unsigned, ""},
		{"web page", func(string) string { return "\n<!DOCTYPE html><p>log in" }, Unsigned, ""},
		{"too long", func(s string) string { return s + strings.Repeat(" ", MaxMessageBytes) }, Malformed, ""},
		{"17 blocks", func(s string) string {
			i := strings.Index(s, beginSignature)
			return s[:i] + strings.Repeat(s[i:], 17)
		}, Malformed, ""},
		{"two blocks", func(s string) string { return s + s[strings.Index(s, beginSignature):] }, "", ""},
	}
}

func TestFraming(t *testing.T) {
	good := goodKey(t)
	k, fine := keyring(t, good), string(clearsign(t, releaseText, signer{key: good}))
	for _, f := range framings() {
		t.Run(f.name, func(t *testing.T) {
			data := []byte(f.change(fine))
			result, err := k.VerifyClearsigned(data, now)
			if got := reasonOf(t, err); got != f.want {
				t.Fatalf("got %q (%v), want %q", got, err, f.want)
			}
			if err == nil && string(result.Text) != releaseText {
				t.Errorf("text %q", result.Text)
			}
			needGpgv(t)
			gpgvToo(t, err == nil, []*openpgp.Entity{good}, data)
		})
	}
}

func TestDashEscapes(t *testing.T) {
	good := goodKey(t)
	k := keyring(t, good)
	text := "Origin: x\n-----BEGIN PGP SIGNATURE-----\n- y\nFrom here\n"
	body := "Origin: x\n- -----BEGIN PGP SIGNATURE-----\n- - y\n- From here\n"
	data := []byte(beginMessage + "\nHash: SHA512\n\n" + body + block(signer{key: good}.sign(t, canonical(text))))
	result, err := k.VerifyClearsigned(data, now)
	if err != nil || string(result.Text) != text {
		t.Fatalf("got %v, %v", result, err)
	}
	needGpgv(t)
	gpgvToo(t, true, []*openpgp.Entity{good}, data)
}

func TestDetachedFraming(t *testing.T) {
	good := goodKey(t)
	k := keyring(t, good)
	fine := block(signer{key: good, binary: true}.sign(t, releaseText))
	for name, test := range map[string]struct {
		sig  string
		want Reason
	}{
		"two blocks":          {fine + fine, ""},
		"text before":         {"x\n" + fine, Unsigned},
		"text between":        {fine + "x\n" + fine, Malformed},
		"empty line between":  {fine + "\n" + fine, Malformed},
		"text after":          {fine + "x\n", Malformed},
		"CRLF":                {strings.ReplaceAll(fine, "\n", "\r\n"), Malformed},
		"a clearsigned file":  {string(clearsign(t, releaseText, signer{key: good})), Unsigned},
		"too long":            {strings.Repeat("x", MaxMessageBytes+1), Malformed},
		"binary with garbage": {string(signer{key: good, binary: true}.sign(t, releaseText)) + "x", Malformed},
	} {
		_, err := k.VerifyDetached([]byte(releaseText), []byte(test.sig), now)
		if got := reasonOf(t, err); got != test.want {
			t.Errorf("%s: got %q (%v), want %q", name, got, err, test.want)
		}
	}
	for name, text := range map[string]string{"another text": releaseText + "x", "control bytes": "\x00" + releaseText,
		"too long": strings.Repeat("x", MaxMessageBytes+1)} {
		if _, err := k.VerifyDetached([]byte(text), []byte(fine), now); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestRefusalNamesLine(t *testing.T) {
	good := goodKey(t)
	data := bytes.Replace(clearsign(t, releaseText, signer{key: good}), []byte("stable"), []byte("sta\x01ble"), 1)
	_, err := keyring(t, good).VerifyClearsigned(data, now)
	if err == nil || !strings.Contains(err.Error(), "line 5: control byte 0x01 in column 11") {
		t.Errorf("got %v", err)
	}
}

func TestPacketLengths(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 300)
	for name, test := range map[string]struct {
		head []byte
		ok   bool
	}{
		"new, two bytes":   {[]byte{0xc2, 192, 300 - 192}, true},
		"new, five bytes":  {[]byte{0xc2, 255, 0, 0, 1, 44}, true},
		"old, two bytes":   {[]byte{0x89, 1, 44}, true},
		"old, four bytes":  {[]byte{0x8a, 0, 0, 1, 44}, true},
		"new, partial":     {[]byte{0xc2, 0xe8}, false},
		"old, unspecified": {[]byte{0x8b}, false},
		"too long":         {[]byte{0xc2, 255, 0xff, 0xff, 0xff, 0xff}, false},
		"not a packet":     {[]byte{0x42, 1}, false},
	} {
		p, rest, err := nextPacket(slices.Concat(test.head, body))
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if test.ok && (p.tag != tagSignature || !bytes.Equal(p.body, body) || len(rest) != 0 || len(p.raw) != len(test.head)+len(body)) {
			t.Errorf("%s: tag %d, %d bytes of body, %d left", name, p.tag, len(p.body), len(rest))
		}
	}
	for n := range 6 {
		if _, _, err := nextPacket([]byte{0xc2, 255, 0, 0, 0, 1}[:n]); err == nil {
			t.Errorf("a header cut to %d bytes was read", n)
		}
	}
}
