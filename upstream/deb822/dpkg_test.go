package deb822

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// header makes a stanza something that dpkg-deb accepts.
const header = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: d\n"

// TestReadsValuesAsDpkgDoes builds a .deb around each stanza and asks dpkg-deb
// for the fields.
func TestReadsValuesAsDpkgDoes(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	for _, extra := range []string{
		"Tag: one\n",
		"Tag:one\n",
		"tAG: one\n",
		"Tag: \t one two \t \n",
		"Tag: a: b:c\n",
		"Tag:\n one\n two\n",
		"Tag: one\n two\n\tthree\n .\n  four  five\n",
		"Tag: one \n two\n",
		"Tag: \xc3\xa4\n",
		"Tag: #one\n #two\n",
		"Tag: one\nTags: two\nTa: three\n",
		"Tag: one\r\nOther: two\n",
		"x-!$%&'()*+,./;<=>?@[\\]^_`{|}~: one\nTag: two\n",
	} {
		t.Run(strings.TrimSpace(extra), func(t *testing.T) {
			control := header + extra
			s, err := ParseOne([]byte(control), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			deb := buildDeb(t, control)
			for _, name := range []string{"tag", "Package", "DESCRIPTION"} {
				got, _ := s.Get(name)
				// dpkg prints the value as one who reads it wants it: without
				// the blanks at its end.
				want := bytes.TrimRight(dpkgField(t, deb, name), " \t\r\n")
				if got := bytes.TrimRight(got, " \t\r\n"); !bytes.Equal(got, want) {
					t.Errorf("Get(%s) = %q, dpkg-deb says %q", name, got, want)
				}
			}
		})
	}
}

// TestAcceptsNothingThatDpkgRefuses is the other half. The exceptions are what
// apt takes and dpkg does not: a continuation line of blanks, and a last line
// without a newline.
func TestAcceptsNothingThatDpkgRefuses(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	refused := 0
	for _, control := range []string{
		header, header + "\n", "\n" + header, header + "Tag one\n", " one\n" + header, header + "package: y\n",
		header + "Tag: a\nTAG: b\n", header + ": x\n", header + "-Tag: x\n", header + "#Tag\n", header + "#Tag: x\n",
		header + "\r\n", header + "\n \n", header + "\n" + header, header + "Tag : x\n", header + "T\xc3\xa4g: x\n", header + "Tag: a\x00b\n",
	} {
		_, dpkgErr := tryBuildDeb(t, control)
		_, err := ParseOne([]byte(control), Limits{})
		if dpkgErr != nil {
			refused++
		}
		if err == nil && dpkgErr != nil {
			t.Errorf("accepted %q, dpkg-deb did not", control)
		}
	}
	if refused < 5 {
		t.Errorf("dpkg-deb refused only %d of the inputs: the test compares nothing", refused)
	}
}

func buildDeb(t *testing.T, control string) string {
	t.Helper()
	deb, err := tryBuildDeb(t, control)
	if err != nil {
		t.Fatal(err)
	}
	return deb
}

func tryBuildDeb(t *testing.T, control string) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "x")
	if err := os.MkdirAll(filepath.Join(dir, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "DEBIAN", "control"), []byte(control), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir + ".deb", exec.CommandContext(t.Context(), "dpkg-deb", "-Znone", "-b", dir, dir+".deb").Run()
}

func dpkgField(t *testing.T, deb, name string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-f", deb, name).Output()
	if err != nil {
		t.Fatalf("dpkg-deb -f %s: %v", name, err)
	}
	return out
}
