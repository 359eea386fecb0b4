package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The commands that FORMAT.md gives read a bundle.
func TestABundleIsReadByHand(t *testing.T) {
	for _, tool := range []string{"tar", "gpgv", "sha256sum", "sed", "sh"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	a := newArchive(t)
	from := connected(t, a)
	dir := t.TempDir()
	if _, err := from.write(from.exporter(), from.snapshot("nightly-1", day), dir); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "hq.gpg", from.key.Public())
	out, err := runIn(t, dir, byHand(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	list, err := os.ReadFile(filepath.Join(dir, "list.json"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := ReadList(list)
	if err != nil || !strings.Contains(out, l.Files.SHA256.Digest().String()) {
		t.Errorf("%v\n%s", err, out)
	}
	blob := filepath.Join(dir, "blobs", filesIn(t, filepath.Join(dir, "blobs"))[0])
	if err := os.WriteFile(blob, []byte("other bytes"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := runIn(t, dir, strings.ReplaceAll(byHand(t), "tar -xf", ": ")); err == nil {
		t.Errorf("a changed file passes\n%s", out)
	}
}

func byHand(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## By hand")
	commands := regexp.MustCompile("(?s)```sh bundle\n(.*?)```").FindStringSubmatch(section)
	if commands == nil {
		t.Fatal("FORMAT.md has no commands")
	}
	return "set -e\n" + commands[1]
}

func runIn(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", script)
	c.Dir = dir
	c.Env = append(os.Environ(), "GNUPGHOME="+dir)
	out, err := c.CombinedOutput()
	return string(out), err
}
