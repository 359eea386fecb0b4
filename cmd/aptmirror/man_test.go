package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestManualPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if err := writeManual(newApp(io.Discard, io.Discard), dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"aptmirror.8", "aptmirror-sync.8", "aptmirror-client.8", "aptmirror-client-add.8", "aptmirror.toml.5"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{".TH ", ".SH NAME", ".SH DESCRIPTION", ".SH SEE ALSO"} {
			if name != "aptmirror-client-add.8" && name != "aptmirror-client.8" && !strings.Contains(string(text), want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "aptmirror-man.8")); err == nil {
		t.Error("a hidden command has a page")
	}
}

// The formatter that Debian's man uses has nothing to object to.
func TestManualPagesAreCleanForMan(t *testing.T) {
	if _, err := exec.LookPath("man"); err != nil {
		t.Skip("there is no man (Debian package man-db)")
	}
	dir := t.TempDir()
	if err := writeManual(newApp(io.Discard, io.Discard), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.[58]"))
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, page := range pages {
		cmd := exec.CommandContext(t.Context(), "man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page)
		cmd.Env = append(os.Environ(), "MANROFFSEQ=", "MANWIDTH=80", "LC_ALL=C.UTF-8")
		var complaints strings.Builder
		cmd.Stderr = &complaints
		if err := cmd.Run(); err != nil || complaints.Len() > 0 {
			t.Errorf("%s: %v\n%s", filepath.Base(page), err, complaints.String())
		}
	}
}

func TestRoffText(t *testing.T) {
	for text, want := range map[string]string{
		".hidden": `\&.hidden`, `a\b`: `a\eb`, "--json": `\-\-json`, "it's": `it\(aqs`, "a.b": "a.b",
	} {
		if got := roffText(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestManualPagesAreCleanForMandoc(t *testing.T) {
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("there is no mandoc (Debian package mandoc)")
	}
	dir := t.TempDir()
	if err := writeManual(newApp(io.Discard, io.Discard), dir); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.[58]"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "mandoc", append([]string{"-T", "lint", "-W", "warning"}, pages...)...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "missing date") { // the test binary knows none
			t.Errorf("%v: %s", err, line)
		}
	}
}
