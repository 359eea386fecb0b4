package blob

import (
	"os"
	"path/filepath"
	"testing"
)

// Who is killed while the database is opened leaves files that have a name and no bytes.
func TestAnOpeningThatWasKilled(t *testing.T) {
	for _, name := range []string{"00001.mem", "000001.vlog", "000002.vlog"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, before := range []bool{true, false} { // in a new store, and in one that was closed
				if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
				s, err := Open(dir, Options{})
				if err != nil {
					t.Fatalf("new %v: %v", before, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
