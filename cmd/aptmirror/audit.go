package main

import (
	"context"
	"errors"
	"fmt"
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
	f, err := openOwned(loaded.Clients.Dir, auditName)
	if err != nil {
		return nil, fmt.Errorf("opening the record of what is done to clients: %w", err)
	}
	return &auditLog{f, caller()}, nil
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

// write records one act, done or failed.
func (a *auditLog) write(act, client string, failed error, attrs ...slog.Attr) error {
	if a.file == nil {
		return nil
	}
	level := slog.LevelInfo
	if failed != nil {
		level, attrs = slog.LevelError, append(attrs, slog.String("error", failed.Error()))
	}
	r := slog.NewRecord(clock(), level, act, 0)
	r.AddAttrs(slog.String("client", client))
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
