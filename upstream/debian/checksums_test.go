package debian

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseChecksums(t *testing.T) {
	text := sum(1, 32) + "  ./MANIFEST\n" + sum(2, 32) + " *netboot/gtk/mini.iso\n" + strings.ToUpper(sum(10, 32)) + "  ./with blank"
	want := []Checksum{{"MANIFEST", sum256(1)}, {"netboot/gtk/mini.iso", sum256(2)}, {"with blank", sum256(10)}}
	got, err := ParseChecksums([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseChecksumsRefuses(t *testing.T) {
	good := sum(1, 32) + "  ./a\n"
	for text, want := range map[string]string{
		good + "\n":                          "line 2: no hash",
		sum(1, 32) + "  \n":                  "line 1: no hash",
		sum(1, 32) + " a b\n":                "no hash",
		"\\" + sum(1, 32) + "  ./a\\nb\n":    "no hash",
		sum(1, 31) + "zz  ./a\n":             "not hexadecimal",
		good + good:                          "line 2: path a is listed twice",
		good + sum(2, 32) + "  a\n":          "line 2: path a is listed twice",
		sum(1, 32) + "  ../a\n":              `".." segment`,
		sum(1, 32) + "  /a\n":                "absolute",
		sum(1, 32) + "  a\x00\n":             "0x00",
		sum(1, 32) + "  ./\n":                "empty segment",
		good + strings.Repeat("\n", 8<<20+1): "longer than",
	} {
		if got, err := ParseChecksums([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: got %v, error %v, want ...%s...", text, got, err, want)
		}
	}
	var many strings.Builder
	for i := range maxChecksums + 1 {
		fmt.Fprintf(&many, "%s  %d\n", sum(1, 32), i)
	}
	if _, err := ParseChecksums([]byte(many.String())); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("%d lines: %v", maxChecksums+1, err)
	}
}

func TestChecksumsOfSha256sum(t *testing.T) {
	if _, err := exec.LookPath("sha256sum"); err != nil {
		t.Skip("sha256sum is not installed")
	}
	dir := t.TempDir()
	for _, name := range []string{"a", "b c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, option := range []string{"--text", "--binary"} {
		cmd := exec.CommandContext(t.Context(), "sha256sum", option, "./a", "b c")
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ParseChecksums(out); err != nil || len(got) != 2 || got[0].Path != "a" || got[1].Path != "b c" {
			t.Errorf("%s: got %v, %v from\n%s", option, got, err, out)
		}
	}
}

func FuzzParseChecksums(f *testing.F) {
	f.Add([]byte(sum(1, 32) + "  ./MANIFEST\n" + sum(2, 32) + " *netboot/mini.iso\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		sums, err := ParseChecksums(text)
		if err != nil {
			return
		}
		for _, c := range sums {
			if clean, err := CleanPath(c.Path); err != nil || clean != c.Path {
				t.Errorf("%+v: %v", c, err)
			}
		}
	})
}
