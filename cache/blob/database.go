package blob

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

const (
	defaultFileSize = 256 << 20 // bytes

	// valueThreshold keeps rows in the key tree and chunks out of it. In bytes.
	valueThreshold = 1 << 10

	// memTableSize is the memory in bytes for keys not yet in a table; there are up to three of them.
	memTableSize = 8 << 20

	// maxMessage cuts badger's messages and errors, which can hold a dump of the stored value. In bytes.
	maxMessage = 400
)

func fileSize(o Options) int64 {
	if o.FileSize == 0 {
		return defaultFileSize
	}
	return o.FileSize
}

// checkFileSize wants room for a chunk and its key, and what badger can address.
func checkFileSize(n int64) error {
	if n < 2*ChunkSize || n >= 2<<30 {
		return fmt.Errorf("value-log files of %d bytes: at least %d and less than %d are possible", n, 2*ChunkSize, int64(2<<30))
	}
	return nil
}

func databaseOptions(dir string, o Options) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(&databaseLog{o.Logger}).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(fileSize(o)).
		WithMemTableSize(memTableSize).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithCompression(options.None).
		WithBlockCacheSize(0). // allowed only without compression
		WithDetectConflicts(false).
		WithCompactL0OnClose(true).
		WithSyncWrites(false). // Sync does that
		WithChecksumVerificationMode(options.OnBlockRead).
		WithMetricsEnabled(false) // they are process-wide, and two stores would share them
}

// RemoveEmpty removes files of a database that have a name and no bytes: a process that was killed while it opened the
// database, or began a new file, leaves them, and badger fails on each of them once. It takes badger's own lock for it,
// so that nobody is just about to fill them; where another has that, nothing is done.
func RemoveEmpty(dir string) error {
	lock, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil // opening tells who has it
	}
	return errors.Join(removeEmpty(dir, "*.mem"), removeEmpty(dir, "*.vlog"))
}

func removeEmpty(dir, pattern string) error {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return err
	}
	for _, file := range files {
		if info, err := os.Lstat(file); err != nil || info.Size() > 0 {
			continue
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// whyNotOpen tells a locked directory from other faults: badger's error has lost its cause.
func whyNotOpen(dir string, err error) error {
	if !isLocked(dir) {
		return err
	}
	pid, readErr := os.ReadFile(filepath.Join(dir, "LOCK"))
	if readErr != nil {
		return ErrLocked
	}
	return fmt.Errorf("%w (process %s)", ErrLocked, strings.TrimSpace(string(pid)))
}

func isLocked(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// DatabaseLog hands the messages of a badger database to a slog.Logger: errors and warnings at their level, the rest
// as debug. A nil logger discards them.
func DatabaseLog(to *slog.Logger) badger.Logger { return &databaseLog{to} }

// databaseLog hands badger's messages to a slog.Logger, which may be nil.
type databaseLog struct{ to *slog.Logger }

func (l *databaseLog) Errorf(format string, args ...any)   { l.log(slog.LevelError, format, args) }
func (l *databaseLog) Warningf(format string, args ...any) { l.log(slog.LevelWarn, format, args) }
func (l *databaseLog) Infof(format string, args ...any)    { l.log(slog.LevelDebug, format, args) }
func (l *databaseLog) Debugf(format string, args ...any)   { l.log(slog.LevelDebug, format, args) }

func (l *databaseLog) log(level slog.Level, format string, args []any) {
	// Badger gives no context to take.
	ctx := context.Background()
	if l.to == nil || !l.to.Enabled(ctx, level) {
		return
	}
	l.to.Log(ctx, level, "blob database", slog.String("message", cut(fmt.Sprintf(format, args...))))
}

func cut(msg string) string {
	msg = strings.TrimSpace(msg)
	if len(msg) > maxMessage {
		return msg[:maxMessage] + " ..."
	}
	return msg
}

// shorten keeps errors of ordinary length as they are.
func shorten(err error) error {
	if err == nil || len(err.Error()) <= maxMessage {
		return err
	}
	return errors.New(cut(err.Error()))
}
