package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"aptmirror/cmd/aptmirror/config"
)

// What the owner of the folder puts in the place of the record is neither
// written to nor given to that owner.
func TestTheRecordIsAFileOfItsOwn(t *testing.T) {
	for name, place := range map[string]func(precious, record string) error{
		"symbolic link": os.Symlink,
		"hard link":     os.Link,
		"pipe":          func(_, record string) error { return syscall.Mkfifo(record, 0o600) },
	} {
		dir := t.TempDir()
		precious := filepath.Join(dir, "precious")
		if err := os.WriteFile(precious, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := place(precious, filepath.Join(dir, auditName)); err != nil {
			t.Fatal(err)
		}
		c := &config.Config{}
		c.Clients.Dir = dir
		if audit, err := openAudit(c); err == nil {
			audit.close()
			t.Errorf("a %s was opened as the record", name)
		}
	}
}
