package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

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

// The record is bounded: it goes on in a new file, the older ones move up, and
// the oldest goes. A command that has it open does not lose what it writes.
func TestTheRecordIsBounded(t *testing.T) {
	c := &config.Config{}
	c.Clients.Dir = t.TempDir()
	record := filepath.Join(c.Clients.Dir, auditName)
	open := func() *auditLog {
		audit, err := openAudit(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(audit.close)
		return audit
	}
	for n := range keptAudits + 2 {
		slow := open()
		if err := os.Truncate(record, maxAuditFile); err != nil {
			t.Fatal(err)
		}
		if err := open().write("client add", fmt.Sprintf("host%d", n), nil); err != nil {
			t.Fatal(err)
		}
		if err := slow.write("client add", "slow", nil); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(record)
		if err != nil || bytes.Count(text, []byte("\n")) != 1 || !bytes.Contains(text, fmt.Appendf(nil, "host%d", n)) {
			t.Errorf("the record is %.100q, %v", text, err)
		}
		if older, err := os.ReadFile(record + ".1"); err != nil || len(older) <= maxAuditFile || !bytes.HasSuffix(bytes.TrimSpace(older), []byte("}")) {
			t.Errorf("the one before has %d bytes, %v", len(older), err)
		}
	}
	files, err := os.ReadDir(c.Clients.Dir)
	if err != nil || len(files) != keptAudits+1 {
		t.Errorf("%v, %v", files, err)
	}
}

// Commands that run at the same time make one new file, not one each.
func TestTheRecordStartsAnewOnce(t *testing.T) {
	c := &config.Config{}
	c.Clients.Dir = t.TempDir()
	record := filepath.Join(c.Clients.Dir, auditName)
	if err := os.WriteFile(record, make([]byte, maxAuditFile), 0o600); err != nil {
		t.Fatal(err)
	}
	var group errgroup.Group
	for range 20 {
		group.Go(func() error {
			audit, err := openAudit(c)
			if err != nil {
				return err
			}
			defer audit.close()
			return audit.write("client add", "host", nil)
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(record)
	if err != nil || bytes.Count(text, []byte("\n")) != 20 {
		t.Errorf("%d acts, %v", bytes.Count(text, []byte("\n")), err)
	}
	if _, err := os.Lstat(record + ".2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a third file: %v", err)
	}
}
