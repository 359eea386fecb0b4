package config

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFindSocketNeedsNoValidFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.toml")
	for text, want := range map[string]string{
		"state = \"s\"\n[serve\nx":                              dir + "/s/admin.sock",
		"state = \"/s\"\nnonsense = 1\n [[archive]]\nname = \"": "/s/admin.sock",
		"[serve]\nstate = \"s\"":                                DefaultState + "/admin.sock",
		"# nothing":                                             DefaultState + "/admin.sock",
		"state = 1":                                             "",
		"state = \"":                                            "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := FindSocket(path)
		if (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
	if _, err := FindSocket(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
