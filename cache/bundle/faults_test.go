package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/upstream"
	"aptmirror/upstream/upstreamtest"
)

// wantUntouched imports a bundle that must be refused, and fails the test if
// anything but unreferenced files is there afterwards. What came is removed, so
// that the next bundle is read whole.
func (s *site) wantUntouched(name string, data []byte) error {
	s.t.Helper()
	before := s.state()
	_, err := s.take(inMemory("faulty", data))
	if err == nil {
		s.t.Fatalf("%s: it was taken", name)
	}
	if got := s.state(); got != before {
		s.t.Fatalf("%s: something changed:\n%s\n%s", name, before, got)
	}
	for info := range s.Blobs.All(s.t.Context()) {
		if err := s.Blobs.Delete(s.t.Context(), info.Digest); err != nil {
			s.t.Fatal(err)
		}
	}
	return err
}

// wantRefused is wantUntouched with a message that a person can use.
func (s *site) wantRefused(name string, data []byte, reasons ...Reason) {
	s.t.Helper()
	err := s.wantUntouched(name, data)
	for _, r := range reasons {
		if refusal(err) == r {
			return
		}
	}
	s.t.Errorf("%s: got %v, want a refusal with %v", name, err, reasons)
}

func TestEveryDamageIsRefused(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	data := from.export(from.snapshot("monday", day), nil)
	random := rand.New(rand.NewPCG(1, 2))
	for at := 0; at < len(data); at += 1 + random.IntN(2*len(data)/300) {
		flipped := bytes.Clone(data)
		flipped[at] ^= 1 << random.IntN(8)
		to.wantRefused(fmt.Sprint("bit flipped at ", at), flipped, NotABundle, Damaged, Untrusted, OtherFormat)
	}
	for n := 0; n < len(data); n += 1 + random.IntN(2*len(data)/60) {
		to.wantRefused(fmt.Sprint("cut after ", n), data[:n], NotABundle, Damaged)
	}
	for _, n := range []int{1, tarBlock, tarTrailer} {
		to.wantRefused(fmt.Sprint("last ", n, " bytes cut off"), data[:len(data)-n], Damaged)
	}
	to.wantRefused("something appended", append(bytes.Clone(data), 0), Damaged)
	if _, err := to.take(inMemory("whole", data)); err != nil {
		t.Fatalf("the bundle itself: %v", err)
	}
	to.wantSame(from)
}

// forge makes a bundle by hand, signed as the test wants it.
type forge struct {
	key   *upstreamtest.Key
	files []forged
	list  List
	// metadata is how many of the files are Release files and indexes.
	metadata int
	// change is applied to the finished list and table before they are signed.
	change func(l *List, table []byte) []byte
	head   func(h *head)
	text   func([]byte) []byte // of the list, before it is signed
}

type forged struct {
	name string // of the member; "" for the right one
	data []byte
}

func (f *forge) bytes(t *testing.T) []byte {
	t.Helper()
	var files []File
	var total int64
	for _, m := range f.files {
		files = append(files, File{blob.Sum(m.data), int64(len(m.data))})
		total += int64(len(m.data))
	}
	table := encodeFiles(files)
	l := f.list
	if l.Files == (FileTable{}) {
		l.Files = FileTable{Count: len(files), Bytes: total, Metadata: f.metadata}
	}
	if l.Parts == nil {
		l.Parts = []PartSize{{len(files)}}
	}
	if f.change != nil {
		table = f.change(&l, table)
	}
	l.Files.SHA256, l.Files.Size = SHA256(blob.Sum(table)), int64(len(table))
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	if f.text != nil {
		text = f.text(text)
	}
	h := head{Format: Format, ID: l.ID, Base: l.baseID(), Name: l.Name, Created: l.Created, List: SHA256(blob.Sum(text)), Part: 1, Parts: len(l.Parts)}
	if f.head != nil {
		f.head(&h)
	}
	beginning, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return f.archive(t, beginning, text, table)
}

func (f *forge) archive(t *testing.T, beginning, text, table []byte) []byte {
	t.Helper()
	members := []forged{
		{headName, beginning}, {listName, text},
		{signatureName, upstreamtest.DetachSign(t, text, time.Now().Add(-time.Minute), f.key)}, {filesName, table},
	}
	for _, m := range f.files {
		if m.name == "" {
			m.name = blobFolder + blob.Sum(m.data).String()
		}
		members = append(members, m)
	}
	var out bytes.Buffer
	for _, m := range members {
		if err := writeMember(&out, m.name, m.data); err != nil {
			t.Fatal(err)
		}
	}
	out.Write(zeros[:tarTrailer])
	return out.Bytes()
}

// forgery is a good bundle of the archive's present state, to be spoilt.
func forgery(t *testing.T, a *upstreamtest.Archive, key *upstreamtest.Key) *forge {
	t.Helper()
	f := &forge{key: key}
	s := ListedSuite{Source: "test", Suite: "stable", Generation: 1, Date: day}
	for _, p := range []struct {
		path string
		to   *SHA256
	}{{"dists/stable/Release.gpg", &s.ReleaseGPG}, {"dists/stable/Release", &s.Release}, {"dists/stable/InRelease", &s.InRelease}} {
		data := a.Get(p.path)
		*p.to = SHA256(blob.Sum(data))
		f.files = append(f.files, forged{data: data})
	}
	seen := map[blob.Digest]bool{}
	for _, p := range a.Paths() {
		data := a.Get(p)
		if (strings.HasSuffix(p, ".deb") || strings.HasSuffix(p, "Packages.xz")) && !seen[blob.Sum(data)] {
			seen[blob.Sum(data)] = true
			if !strings.HasSuffix(p, ".deb") {
				f.metadata = len(f.files) + 1
			}
			f.files = append(f.files, forged{data: data})
		}
	}
	f.list = List{Format: Format, ID: strings.Repeat("ab", 16), Name: "monday", Series: "nightly", Created: day, Suites: []ListedSuite{s}}
	return f
}

func TestForgeriesAreRefused(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	for name, c := range map[string]struct {
		spoil func(f *forge)
		want  Reason
	}{
		"another key":         {func(f *forge) { f.key = upstreamtest.NewKey(t) }, Untrusted},
		"another format":      {func(f *forge) { f.list.Format = 2 }, OtherFormat},
		"a format to come":    {func(f *forge) { f.head = func(h *head) { h.Format = 7 } }, OtherFormat},
		"swapped members":     {func(f *forge) { f.files[3].name = blobFolder + blob.Sum(f.files[4].data).String() }, Damaged},
		"a name with dots":    {func(f *forge) { f.files[3].name = "../../../etc/passwd" }, Damaged},
		"an absolute name":    {func(f *forge) { f.files[3].name = "/etc/passwd" }, Damaged},
		"a snapshot's name":   {func(f *forge) { f.list.Name = "../evil" }, Damaged},
		"a source's name":     {func(f *forge) { f.list.Suites[0].Source = "../evil" }, Damaged},
		"a member twice":      {func(f *forge) { f.files = append(f.files, f.files[3]) }, Damaged},
		"more files than may": {func(f *forge) { f.list.Files = FileTable{Count: MaxFiles + 1} }, Damaged},
		"huge counts":         {func(f *forge) { f.list.Files = FileTable{Count: 1 << 62, Bytes: 1 << 62, Metadata: 1} }, Damaged},
		"negative counts":     {func(f *forge) { f.list.Files = FileTable{Count: -1, Bytes: -1} }, Damaged},
		"too many parts":      {func(f *forge) { f.list.Parts = make([]PartSize, MaxParts+1) }, Damaged},
		"files in no part":    {func(f *forge) { f.list.Parts = []PartSize{{1}} }, Damaged},
		"no such part":        {func(f *forge) { f.head = func(h *head) { h.Part = 2 } }, Damaged},
		"no suites":           {func(f *forge) { f.list.Suites = nil }, Damaged},
		"no signature":        {func(f *forge) { f.list.Suites[0].InRelease, f.list.Suites[0].ReleaseGPG = SHA256{}, SHA256{} }, Damaged},
		"a suite twice":       {func(f *forge) { f.list.Suites = append(f.list.Suites, f.list.Suites[0]) }, Damaged},
		"too many suites":     {func(f *forge) { f.list.Suites = make([]ListedSuite, MaxSuites+1) }, Damaged},
		"a field to come":     {func(f *forge) { f.text = func(b []byte) []byte { return append([]byte(`{"new":1,`), b[1:]...) } }, Damaged},
		"two lists":           {func(f *forge) { f.text = func(b []byte) []byte { return append(b, b...) } }, Damaged},
		"a huge file": {func(f *forge) {
			f.change = func(l *List, table []byte) []byte {
				return bytes.Replace(table, []byte("\n"), []byte("00000000\n"), 1)
			}
		}, Damaged},
		"a line too long": {func(f *forge) {
			f.change = func(l *List, table []byte) []byte { return append([]byte("0"), table...) }
		}, Damaged},
		"a negative size": {func(f *forge) {
			f.change = func(l *List, table []byte) []byte { return bytes.Replace(table, []byte(" "), []byte(" -"), 1) }
		}, Damaged},
		"another total":   {func(f *forge) { f.change = func(l *List, t []byte) []byte { l.Files.Bytes++; return t } }, Damaged},
		"another base":    {func(f *forge) { f.list.Base = &Base{ID: strings.Repeat("cd", 16), Name: "sunday", Created: day} }, BaseMissing},
		"an unknown base": {func(f *forge) { f.list.Base = &Base{ID: "../x", Name: "sunday"} }, Damaged},
	} {
		f := forgery(t, a, from.key)
		c.spoil(f)
		to.wantRefused(name, f.bytes(t), c.want)
	}
	if _, err := to.take(inMemory("unspoilt", forgery(t, a, from.key).bytes(t))); err != nil {
		t.Errorf("what was spoilt is no good bundle: %v", err)
	}
}

// A bundle with a good list can still bring what upstream never signed.
func TestWhatTheArchiveDidNotSignIsRefused(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	f := forgery(t, a, from.key)
	for i, spoilt := range []int{1, 2} {
		f.files[spoilt].data = bytes.Replace(f.files[spoilt].data, []byte("main"), []byte("evil"), 1)
		sums := []*SHA256{&f.list.Suites[0].Release, &f.list.Suites[0].InRelease}
		*sums[i] = SHA256(blob.Sum(f.files[spoilt].data))
	}
	err := to.wantUntouched("changed Release", f.bytes(t))
	if refused := (*upstream.RefusedError)(nil); !errors.As(err, &refused) || refused.Reason != "bad-signature" {
		t.Errorf("got %v", err)
	}
}

func TestAStateThatIsOlderThanTheLastIsRefused(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	old := from.export(from.snapshot("monday", day.AddDate(0, 0, 2)), nil)
	a.Publish()
	from.refresh()
	to := isolated(t, a, from)
	if _, err := to.take(inMemory("newer", from.export(from.snapshot("tuesday", day.AddDate(0, 0, 1)), nil))); err != nil {
		t.Fatal(err)
	}
	before := to.state()
	_, err := to.take(inMemory("older", old))
	if refused := (*upstream.RefusedError)(nil); !errors.As(err, &refused) || refused.Reason != upstream.RolledBack {
		t.Errorf("got %v", err)
	}
	if to.state() != before {
		t.Error("something changed")
	}
}

// Judging comes before the packages are read.
func TestAWrongStateIsRefusedBeforeThePackagesAreRead(t *testing.T) {
	a := newArchive(t)
	from := connected(t, a)
	to := isolated(t, a, from)
	data := from.export(from.snapshot("monday", day), nil)
	refused := errors.New("refused")
	im := &Importer{Blobs: to.Blobs, Keyring: to.takes, Now: now, Judge: func(context.Context, *Incoming) error { return refused }}
	if _, err := im.Receive(t.Context(), inMemory("monday", data)); !errors.Is(err, refused) {
		t.Fatalf("got %v", err)
	}
	n, _, err := to.Blobs.Usage(t.Context())
	if err != nil || n >= 8 {
		t.Errorf("%d files were read, %v", n, err)
	}
}

func FuzzList(f *testing.F) {
	good := List{
		Format: Format, ID: strings.Repeat("ab", 16), Name: "monday", Series: "nightly", Created: day,
		Suites: []ListedSuite{{Source: "debian", Suite: "stable", Date: day, Release: SHA256{1}, InRelease: SHA256{2}}},
		Parts:  []PartSize{{0}},
	}
	text, err := good.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ReadList(data)
		if err != nil {
			return
		}
		again, err := l.encode()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := ReadList(again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
	})
}

func FuzzPart(f *testing.F) {
	var good bytes.Buffer
	for _, m := range []forged{{headName, []byte(`{"format":1,"name":"x","part":1,"parts":1}`)}, {listName, []byte("{}")}} {
		if err := writeMember(&good, m.name, m.data); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(good.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := &tarReader{r: bytes.NewReader(data)}
		if _, err := readHead(r, "fuzzed"); err != nil {
			return
		}
		if text, err := r.small(listName, maxList); err == nil && int64(len(text)) > r.at {
			t.Errorf("%d bytes from %d", len(text), r.at)
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add(encodeFiles([]File{{blob.Sum(nil), 0}, {blob.Sum([]byte("x")), 1}}), 2)
	f.Fuzz(func(t *testing.T, data []byte, count int) {
		l := &List{Files: FileTable{Size: int64(len(data)), Count: min(max(count, 0), 1000), SHA256: SHA256(blob.Sum(data)), Bytes: 1}}
		files, err := readFiles(bytes.NewReader(data), l)
		if err == nil && (len(files) != l.Files.Count || !bytes.Equal(encodeFiles(files), data)) {
			t.Errorf("%d files, which are written otherwise", len(files))
		}
	})
}
