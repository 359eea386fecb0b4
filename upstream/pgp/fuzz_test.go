package pgp

import (
	"bytes"
	"testing"
)

// seeds are good files, broken ones, and what this machine's apt has.
func seeds(f *testing.F) [][]byte {
	good, other := goodKey(f), otherKey(f)
	fine := clearsign(f, releaseText, signer{key: good}, signer{key: other})
	all := [][]byte{fine}
	for _, frame := range framings() {
		if data := frame.change(string(fine)); len(data) < 1<<16 {
			all = append(all, []byte(data))
		}
	}
	return all
}

// Whatever is accepted carries the text that was signed, and nothing panics.
func FuzzVerifyClearsigned(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	k := keyring(f, goodKey(f), otherKey(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		result, err := k.VerifyClearsigned(data, now)
		if err == nil && string(result.Text) != releaseText {
			t.Errorf("accepted %q", result.Text)
		}
		reasonOf(t, err)
	})
}

func FuzzVerifyDetached(f *testing.F) {
	good := goodKey(f)
	packets := signer{key: good, binary: true}.sign(f, releaseText)
	f.Add(packets)
	f.Add([]byte(block(packets)))
	f.Add([]byte(block(packets, packets)))
	f.Add(signer{key: rsaKey(f, "rsa2048", 2048), binary: true}.sign(f, releaseText))
	k := keyring(f, good, rsaKey(f, "rsa2048", 2048))
	f.Fuzz(func(t *testing.T, sig []byte) {
		_, err := k.VerifyDetached([]byte(releaseText), sig, now)
		reasonOf(t, err)
		_, err = k.VerifyDetached([]byte("another text\n"), sig, now)
		if err == nil {
			t.Error("accepted a text that was never signed")
		}
	})
}

// The splitter loses nothing and invents nothing: what it took apart, put together again, is the file but for blanks at
// line ends.
func FuzzSplitClearsigned(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := splitClearsigned(data)
		if err != nil {
			return
		}
		start := bytes.Index(data, []byte("\n\n")) + 2
		end := bytes.Index(data, []byte("\n"+beginSignature)) + 1
		var want []byte
		for line := range bytes.Lines(data[start:max(start, end)]) {
			line = bytes.TrimPrefix(bytes.TrimRight(line, " \t\n"), []byte("- "))
			want = append(append(want, line...), '\n')
		}
		if !bytes.Equal(parts.text, want) {
			t.Errorf("text %q, want %q", parts.text, want)
		}
		if len(parts.blocks) == 0 {
			t.Error("no signature block")
		}
	})
}

func FuzzReadKeyring(f *testing.F) {
	f.Add(public(f, goodKey(f), otherKey(f)))
	f.Add(keyring(f, goodKey(f)).Armored())
	f.Add(public(f, rsaKey(f, "rsa2048", 2048)))
	message := clearsign(f, releaseText, signer{key: goodKey(f)})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := ReadKeyring(bytes.NewReader(data))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := k.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := ReadKeyring(&out)
		if err != nil || len(again.Primaries()) != len(k.Primaries()) {
			t.Errorf("written keyring: %v", err)
		}
		_, err = k.VerifyClearsigned(message, now)
		reasonOf(t, err)
	})
}
