package deb822

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// index makes a Packages file of n stanzas with the fields, order and size of
// Debian's: about 790 bytes each. The same n gives the same bytes.
func index(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	word := func(length int) []byte {
		w := make([]byte, length)
		for i := range w {
			w[i] = 'a' + byte(rnd.IntN(26))
		}
		return w
	}
	for i := range n {
		name := word(4 + rnd.IntN(16))
		fmt.Fprintf(&b, "Package: %s%d\nVersion: %d.%d-%d+b1\nInstalled-Size: %d\nMaintainer: %s %s <%s@example.org>\nArchitecture: amd64\n",
			name, i, rnd.IntN(9), rnd.IntN(99), rnd.IntN(9), rnd.IntN(1<<20), word(6), word(8), word(9))
		fmt.Fprintf(&b, "Depends: %s (>= %d.%d), %s | %s, libc6 (>= 2.36), %s\n", word(9), rnd.IntN(9), rnd.IntN(9), word(8), word(12), word(14))
		fmt.Fprintf(&b, "Description: %s %s %s\nMulti-Arch: same\nHomepage: https://example.org/%s/\nDescription-md5: %032x\n",
			word(9), word(5), word(11), name, rnd.Uint64())
		fmt.Fprintf(&b, "Tag: devel::%s, implemented-in::%s, interface::%s,\n role::%s, scope::%s,\n use::%s, works-with::%s\n",
			word(7), word(9), word(11), word(8), word(9), word(9), word(9))
		fmt.Fprintf(&b, "Section: %s\nPriority: optional\nFilename: pool/main/%c/%s/%s%d_amd64.deb\nSize: %d\nMD5sum: %032x\nSHA256: %064x\n\n",
			word(5), name[0], name, name, i, rnd.IntN(1<<24), rnd.Uint64(), rnd.Uint64())
	}
	return b.Bytes()
}

func BenchmarkScan(b *testing.B) {
	text := index(60_000)
	for _, bench := range []struct {
		name  string
		names []string
	}{
		{"split", nil},
		{"five fields", []string{"Package", "Version", "Architecture", "Filename", "SHA256"}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				sc := NewScanner(bytes.NewReader(text), Limits{})
				for sc.Scan() {
					for _, name := range bench.names {
						if _, ok := sc.Stanza().Get(name); !ok {
							b.Fatalf("no %s", name)
						}
					}
				}
				if sc.Err() != nil {
					b.Fatal(sc.Err())
				}
			}
		})
	}
}
