package debian

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// diffIndex has the fields of Debian's archive software.
var diffIndex = fmt.Sprintf(`SHA256-Current: %[1]s 1000
SHA256-History:
 %[1]s 900 T-2026-10-22-2004.53-F-2025-08-09-2057.10
 %[2]s 901 T-2026-10-22-2004.53-F-2025-08-10-0257.11
SHA256-Patches:
 %[1]s 90 T-2026-10-22-2004.53-F-2025-08-09-2057.10
 %[2]s 91 T-2026-10-22-2004.53-F-2025-08-10-0257.11
SHA256-Download:
 %[3]s 30 T-2026-10-22-2004.53-F-2025-08-09-2057.10.gz
 %[4]s 31 T-2026-10-22-2004.53-F-2025-08-10-0257.11.gz
X-Unmerged-SHA256-Download:
 %[3]s 32 2026-10-22-2004.53.gz
X-Patch-Precedence: merged
`, sum(1, 32), sum(2, 32), sum(3, 32), sum(4, 32))

func TestParseDiffIndex(t *testing.T) {
	first := IndexFile{Path: "T-2026-10-22-2004.53-F-2025-08-09-2057.10.gz", Size: 30, SHA256: sum256(3), HasSHA256: true}
	second := IndexFile{Path: "T-2026-10-22-2004.53-F-2025-08-10-0257.11.gz", Size: 31, SHA256: sum256(4), HasSHA256: true}
	both := first
	both.SHA512 = bytes.Repeat([]byte{5}, 64)
	for _, tt := range []struct {
		name, text string
		want       []IndexFile
	}{
		{"as Debian has it", diffIndex, []IndexFile{first, second}},
		{"two hashes", "SHA256-Download:\n " + sum(3, 32) + " 30 " + first.Path + "\nSHA512-Download:\n " + sum(5, 64) + " 30 " + first.Path + "\n", []IndexFile{both}},
		{"no strong download", "SHA1-Download:\n " + sum(3, 20) + " 30 a.gz\nSHA256-Patches:\n " + sum(3, 32) + " 30 a\n", nil},
		{"empty list", "SHA256-Download:\n", nil},
	} {
		got, err := ParseDiffIndex([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestParseDiffIndexRefuses(t *testing.T) {
	line := func(s string) string { return "SHA256-Download:\n " + s + "\n" }
	for text, want := range map[string]string{
		"":                              "",
		"no field\n":                    "line 1",
		line(sum(1, 32) + " 1 ../x.gz"): "line 2: field SHA256-Download: file name with a directory",
		line(sum(1, 32)+" 1 ..") + " ":  `".." segment`,
		line(sum(1, 32) + " 1 /etc/x"):  "directory",
		line(sum(1, 32) + ` 1 a\b`):     "0x5c",
		line(sum(1, 32) + " 1"):         "2 words instead of",
		line(sum(1, 31) + " 1 x.gz"):    "digits",
		line(sum(1, 32) + " -1 x.gz"):   "size",
		line(sum(1, 32) + " 1 x.gz\n " + sum(2, 32) + " 1 x.gz"): "listed with two hashes",
		strings.Repeat("#", MaxDiffIndexBytes+1):                 "longer than",
	} {
		got, err := ParseDiffIndex([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: got %v, error %v, want ...%s...", text, got, err, want)
		}
	}
}

func FuzzParseDiffIndex(f *testing.F) {
	f.Add([]byte(diffIndex))
	f.Add([]byte("SHA256-Download:\n " + sum(1, 32) + " 1 ./x.gz\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		files, err := ParseDiffIndex(text)
		if err != nil {
			return
		}
		for _, file := range files {
			if clean, err := CleanPath(file.Path); err != nil || clean != file.Path || strings.Contains(clean, "/") || !file.strong() || file.Size < 0 {
				t.Errorf("%+v: %v", file, err)
			}
		}
	})
}
