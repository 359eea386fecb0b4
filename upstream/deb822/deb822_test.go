package deb822

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// want is a stanza as a test table spells it: "Name=value" per field, values
// with their continuation lines.
type want struct {
	line   int
	fields []string
}

func scanAll(sc *Scanner) (got []want, rebuilt []byte) {
	for sc.Scan() {
		s := sc.Stanza()
		w := want{line: s.Line}
		for _, f := range s.Fields() {
			w.fields = append(w.fields, string(f.Name)+"="+string(f.Value))
		}
		got = append(got, w)
		rebuilt = append(append(rebuilt, sc.Separator()...), s.Raw...)
	}
	return got, append(rebuilt, sc.Separator()...)
}

var scanTests = []struct {
	name, in string
	comments bool
	want     []want
}{
	{name: "nothing", in: ""},
	{name: "only empty lines", in: "\n\n\n"},
	{name: "one field", in: "A: b\n", want: []want{{1, []string{"A=b"}}}},
	{name: "no final newline", in: "A: b", want: []want{{1, []string{"A=b"}}}},
	{name: "no blank after the colon", in: "A:b\n", want: []want{{1, []string{"A=b"}}}},
	{name: "colons in the value", in: "A: b: c:d\n", want: []want{{1, []string{"A=b: c:d"}}}},
	{name: "blanks trimmed", in: "A: \t b c \t\n", want: []want{{1, []string{"A=b c"}}}},
	{name: "empty value", in: "A:\nB: \n", want: []want{{1, []string{"A=", "B="}}}},
	{name: "CRLF within a stanza", in: "A: b\r\nC: d\r\n", want: []want{{1, []string{"A=b", "C=d"}}}},
	{name: "continuation", in: "A: b \n c \n\t.\nD: e\n", want: []want{{1, []string{"A=b \n c \n\t.", "D=e"}}}},
	{name: "value only in continuation", in: "A: \n b\n", want: []want{{1, []string{"A=\n b"}}}},
	{name: "blank continuation line does not end the stanza", in: "A: b\n \nC: d\n", want: []want{{1, []string{"A=b\n ", "C=d"}}}},
	{name: "two stanzas", in: "A: b\n\nA: c\n", want: []want{{1, []string{"A=b"}}, {3, []string{"A=c"}}}},
	{name: "empty lines everywhere", in: "\n\nA: b\n\n\n\nA: c\n\n\n", want: []want{{3, []string{"A=b"}}, {7, []string{"A=c"}}}},
	{name: "bytes above ASCII", in: "A: \xff\xc3\xa4\n", want: []want{{1, []string{"A=\xff\xc3\xa4"}}}},
	{name: "odd but legal names", in: "!x_/=\"#-~: b\n", want: []want{{1, []string{`!x_/="#-~=b`}}}},
	{name: "comments around", in: "# one\nA: b\n# two\n\n#three\n\nC: d\n#four", comments: true,
		want: []want{{2, []string{"A=b"}}, {7, []string{"C=d"}}}},
	{name: "comments within a value", in: "A:\n# x\n b\n#y\n#z\n c\n# w\nD: # e\n", comments: true,
		want: []want{{1, []string{"A=\n b\n c", "D=# e"}}}},
	{name: "first value line is never a comment", in: "A:#x\n#y\n c\n", comments: true, want: []want{{1, []string{"A=#x\n c"}}}},
}

func TestScanReadsFieldsAndKeepsBytes(t *testing.T) {
	readers := map[string]func(string) *Scanner{
		"bytes":        func(s string) *Scanner { return NewBytesScanner([]byte(s), Limits{}) },
		"reader":       func(s string) *Scanner { return NewScanner(strings.NewReader(s), Limits{}) },
		"slow reader":  func(s string) *Scanner { return NewScanner(iotest.OneByteReader(strings.NewReader(s)), Limits{}) },
		"data and EOF": func(s string) *Scanner { return NewScanner(iotest.DataErrReader(strings.NewReader(s)), Limits{}) },
		"tiny buffer": func(s string) *Scanner {
			sc := NewScanner(strings.NewReader(s), Limits{})
			sc.buf = sc.buf[:1:1]
			return sc
		},
	}
	for _, tt := range scanTests {
		for kind, open := range readers {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				sc := open(tt.in)
				if tt.comments {
					sc.AllowComments()
				}
				got, rebuilt := scanAll(sc)
				if sc.Err() != nil {
					t.Fatalf("Err() = %v", sc.Err())
				}
				if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(want{})); diff != "" {
					t.Errorf("stanzas (-want +got):\n%s", diff)
				}
				if in := completed(tt.in); string(rebuilt) != in {
					t.Errorf("separators and Raw = %q, want %q", rebuilt, in)
				}
			})
		}
	}
}

// completed is the input with the newline that a last line may lack.
func completed(in string) string {
	if in != "" && !strings.HasSuffix(in, "\n") {
		in += "\n"
	}
	return in
}

func TestScanSaysWhereTheInputIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name, in     string
		limits       Limits
		comments     bool
		line, column int
		msg          string
	}{
		{name: "no colon", in: "A: b\nfoo\n", line: 2, column: 1, msg: "no colon"},
		{name: "no colon, no newline", in: "foo", line: 1, column: 1, msg: "no colon"},
		{name: "continuation first", in: "\n b\n", line: 2, column: 1, msg: "continuation line without a field"},
		{name: "continuation after an empty line", in: "A: b\n\n c\n", line: 3, column: 1, msg: "continuation line without a field"},
		{name: "blank line after an empty line", in: "A: b\n\n \nC: d\n", line: 3, column: 1, msg: "continuation line without a field"},
		{name: "duplicate", in: "\nA: b\nB: c\na: d\n", line: 4, column: 1, msg: "field a occurs twice"},
		{name: "blank before the colon", in: "Foo : b\n", line: 1, column: 4, msg: "byte 0x20 in a field name"},
		{name: "no name", in: ": b\n", line: 1, column: 1, msg: "field without a name"},
		{name: "byte above ASCII in a name", in: "A: b\n\nF\xc3\xb6\xc3\xb6: b\n", line: 3, column: 2, msg: "byte 0xc3 in a field name"},
		{name: "armour", in: "-----BEGIN PGP: x\n", line: 1, column: 1, msg: `starts with "-"`},
		{name: "comment not allowed", in: "A: b\n# c: d\n", line: 2, column: 1, msg: `starts with "#"`},
		{name: "CRLF separator", in: "A: b\r\n\r\nC: d\r\n", line: 2, column: 1, msg: "carriage return"},
		{name: "NUL in a value", in: "A: b\nC: d\n e\x00f\n", line: 3, column: 3, msg: "NUL byte"},
		{name: "NUL in a name", in: "A\x00: b\n", line: 1, column: 2, msg: "byte 0x00 in a field name"},
		{name: "too many fields", in: "A: b\nB: b\nC: b\n", limits: Limits{Fields: 2}, line: 3, column: 1, msg: "more than 2 fields"},
		{name: "long stanza", in: "A: b\nB: 0123456789\n", limits: Limits{StanzaBytes: 10}, line: 2, column: 1, msg: "longer than 10 bytes"},
		{name: "long separator", in: strings.Repeat("\n", 12) + "A: b\n", limits: Limits{StanzaBytes: 10}, line: 12, column: 1, msg: "more than 10 bytes between"},
		{name: "comment cannot be continued at the top", in: "# x\n y\n", comments: true, line: 2, column: 1, msg: "continuation line without a field"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, sc := range []*Scanner{NewScanner(strings.NewReader(tt.in), tt.limits), NewBytesScanner([]byte(tt.in), tt.limits)} {
				if tt.comments {
					sc.AllowComments()
				}
				for sc.Scan() {
					if sc.Err() != nil {
						t.Errorf("Scan() = true with %v", sc.Err())
					}
				}
				var syntax *SyntaxError
				if !errors.As(sc.Err(), &syntax) {
					t.Fatalf("Err() = %v, want a SyntaxError", sc.Err())
				}
				if syntax.Line != tt.line || syntax.Column != tt.column || !strings.Contains(syntax.Msg, tt.msg) {
					t.Errorf("Err() = %v, want line %d, column %d: ...%s...", syntax, tt.line, tt.column, tt.msg)
				}
				if sc.Scan() {
					t.Error("Scan() after an error = true")
				}
			}
		})
	}
}

func TestLimitsHoldWithoutNewlines(t *testing.T) {
	for name, start := range map[string]string{"name": "", "value": "A: ", "continuation": "A: b\n "} {
		t.Run(name, func(t *testing.T) {
			endless := io.MultiReader(strings.NewReader(start), forever('x'))
			sc := NewScanner(endless, Limits{StanzaBytes: 1 << 20})
			if sc.Scan() || sc.Err() == nil {
				t.Fatalf("Scan() of an endless line: err %v", sc.Err())
			}
			if len(sc.buf) > 4<<20 {
				t.Errorf("buffer grew to %d bytes for a limit of 1 MiB", len(sc.buf))
			}
		})
	}
}

// forever is a reader of one byte, repeated without end.
type forever byte

func (f forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(f)
	}
	return len(p), nil
}

func TestStanzaJustWithinTheLimit(t *testing.T) {
	in := "A: " + strings.Repeat("x", 300<<10) + "\n"
	for _, d := range []int{0, -1} {
		sc := NewScanner(strings.NewReader("B: c\n\n"+in), Limits{StanzaBytes: len(in) + d})
		n := 0
		for sc.Scan() {
			n++
		}
		if wantErr := d < 0; (sc.Err() != nil) != wantErr || (n == 2) == wantErr {
			t.Errorf("limit %+d bytes: %d stanzas, err %v", d, n, sc.Err())
		}
	}
}

func TestReaderErrorEndsTheScan(t *testing.T) {
	boom := errors.New("boom")
	sc := NewScanner(io.MultiReader(strings.NewReader("A: b\n\nC: d\n"), iotest.ErrReader(boom)), Limits{})
	got, _ := scanAll(sc)
	if len(got) != 1 || !errors.Is(sc.Err(), boom) {
		t.Errorf("got %d stanzas and %v, want the complete one and %v", len(got), sc.Err(), boom)
	}
	sc = NewScanner(stuck{}, Limits{})
	if sc.Scan() || !errors.Is(sc.Err(), io.ErrNoProgress) {
		t.Errorf("a reader without progress: %v", sc.Err())
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestGetIgnoresCase(t *testing.T) {
	s, err := ParseOne([]byte("\nPackage: x\nMD5sum: y\nno-support-for: z\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"package": "x", "PACKAGE": "x", "Md5Sum": "y", "No-Support-For": "z"} {
		if got, ok := s.Get(name); !ok || string(got) != want {
			t.Errorf("Get(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "Pack", "Packages", "Package:", "Pack\x00ge"} {
		if got, ok := s.Get(name); ok {
			t.Errorf("Get(%q) = %q, want none", name, got)
		}
	}
	if f, ok := s.Lookup("md5SUM"); !ok || f.Line != 3 || string(f.Name) != "MD5sum" {
		t.Errorf("Lookup(md5SUM) = %q line %d, %v", f.Name, f.Line, ok)
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	s, err := ParseOne(index(1), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { s.Get("FILENAME"); s.Get("absent") }); n != 0 {
		t.Errorf("Get allocates %v times", n)
	}
}

// sameHash finds two names that have one hash.
func sameHash(t *testing.T, sameLength bool) (string, string) {
	t.Helper()
	seen := map[uint32]string{}
	for i := range uint32(1 << 20) {
		name := fmt.Sprintf("x%x", i*2654435761>>(i%16))
		other, ok := seen[hashName(name)]
		if ok && other != name && (len(other) == len(name)) == sameLength {
			return other, name
		}
		seen[hashName(name)] = name
	}
	t.Fatal("no two names have the same hash")
	return "", ""
}

func TestNamesWithTheSameHashAreToldApart(t *testing.T) {
	for _, sameLength := range []bool{true, false} {
		a, b := sameHash(t, sameLength)
		checkToldApart(t, a, b)
	}
}

func checkToldApart(t *testing.T, a, b string) {
	t.Helper()
	s, err := ParseOne([]byte(a+": one\n"+b+": two\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{a: "one", b: "two"} {
		if f, ok := s.Lookup(name); !ok || string(f.Value) != want || string(f.Name) != name {
			t.Errorf("Lookup(%s) = %s: %s, %v, want %s", name, f.Name, f.Value, ok, want)
		}
	}
	only, err := ParseOne([]byte(a+": one\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if f, ok := only.Lookup(b); ok {
		t.Errorf("Lookup(%s) = %s", b, f.Name)
	}
}

func TestParseOneBoundsWhatFollows(t *testing.T) {
	if _, err := ParseOne([]byte("A: b\n"+strings.Repeat("\n", 20)), Limits{StanzaBytes: 10}); err == nil {
		t.Error("20 empty lines were accepted where 10 bytes are allowed")
	}
}

func TestParseOneWantsOneStanza(t *testing.T) {
	for in, wantErr := range map[string]string{
		"A: b\n":           "",
		"\n\nA: b\n\n\n":   "",
		"A: b":             "",
		"":                 "line 1, column 1: no stanza, only empty lines",
		"\n\n":             "line 1, column 1: no stanza, only empty lines",
		"A: b\n\nC: d\n":   "line 3, column 1: a second stanza where only one is allowed",
		"A: b\n\n\n x\n":   "line 4, column 1: a second stanza where only one is allowed",
		"A: b\nA: c\n":     "line 2, column 1: field A occurs twice",
		"# x\nA: b\n":      `line 1, column 1: field name starts with "#"`,
		"A: b\n\n\n# x\n":  "line 4, column 1: a second stanza where only one is allowed",
		"A: b\n\n\r\n\r\n": "line 3, column 1: a second stanza where only one is allowed",
	} {
		s, err := ParseOne([]byte(in), Limits{})
		if got := errString(err); got != wantErr {
			t.Errorf("ParseOne(%q) error = %q, want %q", in, got, wantErr)
			continue
		}
		if wantErr == "" {
			if v, ok := s.Get("a"); !ok || string(v) != "b" {
				t.Errorf("ParseOne(%q): A = %q, %v", in, v, ok)
			}
		}
	}
}

func errString(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestValuesCannotBeAppendedInto(t *testing.T) {
	text := []byte("A: b\nC: d\n")
	s, err := ParseOne(text, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	v, _ := s.Get("A")
	_ = append(v, "overwrite"...)
	_ = append(s.Raw, "overwrite"...)
	if want := "A: b\nC: d\n"; string(text) != want {
		t.Errorf("text = %q, want %q", text, want)
	}
}

func TestOffsetFindsTheStanza(t *testing.T) {
	in := append([]byte("\n\n"), index(2000)...)
	sc := NewScanner(bytes.NewReader(in), Limits{})
	n := 0
	for ; sc.Scan(); n++ {
		raw := sc.Stanza().Raw
		if at := sc.Offset(); !bytes.Equal(in[at:at+int64(len(raw))], raw) {
			t.Fatalf("stanza %d is not at offset %d", n, at)
		}
	}
	if sc.Err() != nil || n != 2000 || sc.Offset() != int64(len(in)) {
		t.Errorf("%d stanzas, offset %d of %d, err %v", n, sc.Offset(), len(in), sc.Err())
	}
}

func TestDuplicateFoundAmongManyFields(t *testing.T) {
	var b strings.Builder
	for i := range 600 {
		b.WriteString(strings.Repeat("f", i%7+1))
		b.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26)) + ": x\n")
	}
	unique := b.String()
	if _, err := ParseOne([]byte(unique), Limits{}); err != nil {
		t.Fatalf("600 names, all different: %v", err)
	}
	for _, line := range strings.Split(strings.TrimSpace(unique), "\n") {
		if _, err := ParseOne([]byte(unique+strings.ToUpper(line)+"\n"), Limits{}); err == nil {
			t.Errorf("a second %q was not found", line)
		}
	}
}
