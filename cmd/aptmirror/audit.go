package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"aptmirror/cmd/aptmirror/config"
)

// auditName is the record of what was done to clients, one JSON object a line,
// in the folder of their certificates; no client can be called like that.
const auditName = ".audit.log"

// auditLog takes the acts of one command. Acts of the daemon are in its own log.
type auditLog struct {
	file   *os.File // nil: the site has another CA, whose record it is
	caller []slog.Attr
}

// openAudit is called before anything is done, and before root becomes another
// user: what cannot be recorded is not done.
func openAudit(loaded *config.Config) (*auditLog, error) {
	if loaded.Clients.Dir == "" {
		return &auditLog{}, nil
	}
	f, err := openRecord(loaded.Clients.Dir)
	if err != nil {
		return nil, fmt.Errorf("opening the record of what is done to clients: %w", err)
	}
	return &auditLog{f, caller()}, nil
}

const (
	// maxAuditFile is the size in bytes at which the record goes on in a new file.
	// An act takes about 300 bytes.
	maxAuditFile = 8 << 20
	// keptAudits is how many older files stay, .audit.log.1 the newest of them:
	// about 130,000 acts. Whoever needs more moves them away in time.
	keptAudits = 4
)

// openRecord opens the record, a new one where it has grown long enough.
func openRecord(dir string) (*os.File, error) {
	for {
		f, err := openOwned(dir, auditName)
		if err != nil {
			return nil, err
		}
		again, err := startAnew(f, dir)
		if err == nil && !again {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
}

// startAnew gives the opened record another name if it is long enough, and says
// whether the record is another file now. Two commands do not do it at once; the
// other's acts go into whichever file it has open.
func startAnew(f *os.File, dir string) (again bool, err error) {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return false, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	defer syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	opened, err := f.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Lstat(f.Name())
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(opened, named) {
		return true, nil
	}
	if err != nil || opened.Size() < maxAuditFile {
		return false, err
	}
	name := func(n int) string { return fmt.Sprintf("%s.%d", filepath.Join(dir, auditName), n) }
	for n := keptAudits - 1; n > 0; n-- {
		if err := os.Rename(name(n), name(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, os.Rename(f.Name(), name(1))
}

// openOwned opens a file to append to it, and gives it to the owner of its
// folder. That owner may be less than who runs this, and may have put something
// else there: a link to a file that must not become theirs, or a pipe.
func openOwned(dir, name string) (*os.File, error) {
	const flags = os.O_APPEND | os.O_CREATE | os.O_WRONLY | syscall.O_NOFOLLOW | syscall.O_NONBLOCK
	f, err := os.OpenFile(filepath.Join(dir, name), flags, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Sys().(*syscall.Stat_t).Nlink != 1) {
		err = fmt.Errorf("%s is no plain file with one name: look who put it there, and remove it", f.Name())
	}
	if err == nil {
		err = giveToOwner(f, dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// giveToOwner lets the owner of the folder go on with a file that root made.
func giveToOwner(f *os.File, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// caller is who runs the command: the user, and the one who has logged in,
// where the kernel knows that (credentials(7), loginuid).
func caller() []slog.Attr {
	who := []slog.Attr{slog.Int("uid", os.Getuid())}
	text, err := os.ReadFile("/proc/self/loginuid")
	login, convErr := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err == nil && convErr == nil && login != 1<<32-1 {
		who = append(who, slog.Uint64("login_uid", login))
	}
	return who
}

// write records one act, done or failed; client is "" for one on the site itself.
func (a *auditLog) write(act, client string, failed error, attrs ...slog.Attr) error {
	if a.file == nil {
		return nil
	}
	level := slog.LevelInfo
	if failed != nil {
		level, attrs = slog.LevelError, append(attrs, slog.String("error", failed.Error()))
	}
	r := slog.NewRecord(clock(), level, act, 0)
	if client != "" {
		r.AddAttrs(slog.String("client", client))
	}
	r.AddAttrs(append(attrs, a.caller...)...)
	err := slog.NewJSONHandler(a.file, nil).Handle(context.Background(), r)
	if err := errors.Join(err, a.file.Sync()); err != nil {
		return fmt.Errorf("recording what was done: %w", err)
	}
	return nil
}

// close ends the command's part; what was written is synced already.
func (a *auditLog) close() {
	if a.file != nil {
		a.file.Close()
	}
}
