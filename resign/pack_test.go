package resign

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"aptmirror/cache/blob"
)

// stanzas makes an index of n packages with names in order.
func stanzas(n int) (names []string, text [][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		name := fmt.Sprintf("package-%06d", i)
		names = append(names, name)
		text = append(text, fmt.Appendf(nil, "Package: %s\nVersion: 1.%d\nSHA256: %064x\nDescription: %s\n\n", name, i%7, random.Uint64(), strings.Repeat("word ", random.IntN(100))))
	}
	return names, text
}

func packAll(t testing.TB, old members, names []string, text [][]byte) packed {
	t.Helper()
	p := newPacker(t.Context(), old)
	for i := range names {
		p.add(names[i], text[i])
	}
	done, err := p.finish()
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestPackedIsGzipOfTheText(t *testing.T) {
	names, text := stanzas(5000)
	done := packAll(t, nil, names, text)
	gz := slices.Concat(done.members...)
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := slices.Concat(text...); !bytes.Equal(plain, want) {
		t.Errorf("unpacked %d bytes that are not the %d packed", len(plain), len(want))
	}
	if done.size != int64(len(plain)) || done.sum != blob.Sum(plain) || done.gzSize != int64(len(gz)) || done.gzSum != blob.Sum(gz) {
		t.Errorf("sizes and digests do not fit: %d %v %d %v", done.size, done.sum, done.gzSize, done.gzSum)
	}
	if len(done.members) < 4 {
		t.Errorf("%d members: nothing to reuse", len(done.members))
	}
}

func TestPackedIsReadByGunzip(t *testing.T) {
	names, text := stanzas(3000)
	for _, tool := range [][]string{{"gzip", "-dc"}, {"busybox", "gunzip", "-c"}, {"python3", "-c", "import gzip,sys; sys.stdout.buffer.write(gzip.decompress(sys.stdin.buffer.read()))"}} {
		t.Run(tool[0], func(t *testing.T) {
			if _, err := exec.LookPath(tool[0]); err != nil {
				t.Skipf("%s is not installed", tool[0])
			}
			cmd := exec.Command(tool[0], tool[1:]...)
			cmd.Stdin = bytes.NewReader(slices.Concat(packAll(t, nil, names, text).members...))
			got, err := cmd.Output()
			if err != nil || !bytes.Equal(got, slices.Concat(text...)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
}

func TestOneMorePackageIsOneMoreMember(t *testing.T) {
	names, text := stanzas(20000)
	before := packAll(t, nil, names, text)
	old := readMembers(slices.Concat(before.members...))
	if len(old) != len(before.members) {
		t.Fatalf("%d of %d members found", len(old), len(before.members))
	}
	names, text = slices.Insert(names, 11111, "package-011110a"), slices.Insert(text, 11111, []byte("Package: package-011110a\n\n"))
	after := packAll(t, old, names, text)
	if made := len(after.members) - after.reused; made > 2 {
		t.Errorf("%d of %d members were made anew", made, len(after.members))
	}
	if again := packAll(t, nil, names, text); again.gzSum != after.gzSum {
		t.Error("a file with copied members differs from one made at once")
	}
}

func TestPackNothing(t *testing.T) {
	if done := packAll(t, nil, nil, nil); done.size != 0 || done.gzSize != 0 || done.sum != blob.Sum(nil) {
		t.Errorf("%+v", done)
	}
}

func TestReadMembersStopsAtWhatIsNone(t *testing.T) {
	names, text := stanzas(2000)
	file := slices.Concat(packAll(t, nil, names, text).members...)
	whole := len(readMembers(file))
	for _, c := range []struct {
		name string
		file []byte
		want int
	}{
		{"empty", nil, 0},
		{"other gzip", []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3}, 0},
		{"cut", file[:len(file)-1], whole - 1},
		{"more", append(slices.Clone(file), "more"...), whole},
	} {
		if got := len(readMembers(c.file)); got != c.want {
			t.Errorf("%s: %d members, want %d", c.name, got, c.want)
		}
	}
}

func FuzzReadMembers(f *testing.F) {
	member, err := makeMember([]byte("Package: a\n"), memberSum{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(member)
	f.Fuzz(func(t *testing.T, file []byte) {
		total := 0
		for _, m := range readMembers(file) {
			total += len(m)
		}
		if total > len(file) {
			t.Errorf("%d bytes of members in %d bytes", total, len(file))
		}
	})
}

func BenchmarkPack(b *testing.B) {
	names, text := stanzas(60000)
	size := 0
	for _, s := range text {
		size += len(s)
	}
	file := slices.Concat(packAll(b, nil, names, text).members...)
	for _, c := range []struct {
		name string
		old  members
	}{{"anew", nil}, {"reused", readMembers(file)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				packAll(b, c.old, names, text)
			}
		})
	}
}
