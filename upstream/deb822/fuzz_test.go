package deb822

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzScan(f *testing.F) {
	for _, tt := range scanTests {
		f.Add([]byte(tt.in), tt.comments)
	}
	f.Add(index(3), false)
	f.Add([]byte("A: b\n# c\n d\n\nE: f\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, in []byte, comments bool) {
		open := []*Scanner{NewBytesScanner(in, Limits{}), NewScanner(bytes.NewReader(in), Limits{})}
		open[1].buf = open[1].buf[:7:7]
		var got [2][]want
		for i, sc := range open {
			if comments {
				sc.AllowComments()
			}
			var rebuilt []byte
			got[i], rebuilt = scanAll(sc)
			checkEnd(t, sc, in, rebuilt)
		}
		checkSame(t, got)
	})
}

// checkEnd wants either the whole input back or an error that lies within it.
func checkEnd(t *testing.T, sc *Scanner, in, rebuilt []byte) {
	t.Helper()
	err := sc.Err()
	if err == nil {
		if want := completed(string(in)); string(rebuilt) != want {
			t.Errorf("rebuilt %q, want %q", rebuilt, want)
		}
		return
	}
	var syntax *SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("error %v is no SyntaxError", err)
	}
	lines := bytes.SplitAfter(in, []byte{'\n'})
	if syntax.Line < 1 || syntax.Line > len(lines) || syntax.Column < 1 || syntax.Column > len(lines[syntax.Line-1])+1 {
		t.Errorf("%v does not lie within %q", syntax, in)
	}
}

func checkSame(t *testing.T, got [2][]want) {
	t.Helper()
	if len(got[0]) != len(got[1]) {
		t.Fatalf("%d stanzas from bytes, %d from a reader", len(got[0]), len(got[1]))
	}
	for i := range got[0] {
		if a, b := got[0][i], got[1][i]; a.line != b.line || len(a.fields) != len(b.fields) {
			t.Errorf("stanza %d: %v from bytes, %v from a reader", i, a, b)
		}
	}
}
