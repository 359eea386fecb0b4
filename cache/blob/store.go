package blob

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	// blockedPause and blockedPauseMax are the first and the longest pause between tries of a write that
	// Reclaim keeps out; it does so for 10 to 300 ms.
	blockedPause    = time.Millisecond
	blockedPauseMax = 50 * time.Millisecond

	// damagedCloseWait is how long Close waits for a database with unreadable pages. Badger can lose a lock
	// over such a page and then never finishes; all is on disk by then, and a killed process loses nothing.
	damagedCloseWait = 3 * time.Second

	rowLocks = 64
)

// Info describes a blob.
type Info struct {
	Digest   Digest
	Size     int64     // bytes
	Modified time.Time // whole seconds, UTC
}

// Options has a useful zero value. It must not be changed after Open.
type Options struct {
	// Logger takes the database's own messages: errors and warnings at their level, the rest as debug.
	// nil discards them.
	Logger *slog.Logger
	// FileSize is the size in bytes at which a value-log file is full, 0 = 256 MiB. Every file stays mapped and
	// costs a descriptor; a file is the unit in which Reclaim gives space back, and rewriting one needs room.
	// At least 2 MiB and less than 2 GiB.
	FileSize int64
	// FreeFloor is the free space in bytes that storing must leave, 0 = 2 * FileSize + 256 MiB, which is what
	// one rewrite by Reclaim, a new value-log file and the key tree need. Negative = no floor.
	FreeFloor int64

	free func(dir string) (int64, error) // tests put another file system here
}

// Store is an open blob store. Its methods may be called from any goroutine.
type Store struct {
	dir   string
	floor int64
	// rewriteFloor is the free space in bytes without which no value-log file is rewritten.
	rewriteFloor int64
	free         func(dir string) (int64, error)
	spare        *spare // what free answered last

	// gate is held shared for each use of db and exclusively by Close, because badger unmaps its files while
	// they are read. It is never held across a call to a client's Writer or Reader.
	gate   sync.RWMutex
	closed bool // guarded by gate
	db     *badger.DB

	clock   atomic.Uint64 // timestamp of the last commit
	damaged atomic.Bool   // an unreadable page was met: see damagedCloseWait

	// rows, chosen by a digest's first byte, is held from reading a row to replacing it.
	rows [rowLocks]sync.Mutex

	reclaiming sync.Mutex // held by Reclaim: badger allows one at a time

	// commits is held shared from taking a timestamp to its commit, and exclusively while a rewrite begins: see
	// holdCommits. It is taken after gate.
	commits sync.RWMutex

	tally     tally
	writeback writeback

	mu       sync.Mutex // guards the fields below
	lastID   uint64
	writing  map[uint64]struct{} // data ids of writers in progress
	reserved int64               // bytes they have declared and not yet stored
}

// Open opens the store in dir and makes it where there is none. The error is ErrLocked where another process
// has it open, ErrNoSpace where the file system is so full that opening would crash.
func Open(dir string, o Options) (*Store, error) {
	s, err := open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("opening blob store %s: %w", dir, err)
	}
	return s, nil
}

func open(dir string, o Options) (*Store, error) {
	if err := checkFileSize(fileSize(o)); err != nil {
		return nil, err
	}
	s := newStore(dir, o)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.checkOpenSpace(); err != nil {
		return nil, err
	}
	if err := RemoveEmpty(dir); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(databaseOptions(dir, o))
	if err != nil {
		return nil, whyNotOpen(dir, err)
	}
	s.db = db
	s.clock.Store(db.MaxVersion())
	if err := s.startEpoch(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func newStore(dir string, o Options) *Store {
	s := &Store{dir: dir, free: o.free, writing: map[uint64]struct{}{}, writeback: writeback{dir: dir, fileSize: fileSize(o)}}
	if s.free == nil {
		s.free, s.spare = freeSpace, &spare{now: time.Now}
	}
	s.floor = o.FreeFloor
	if s.floor == 0 {
		s.floor = 2*fileSize(o) + 256<<20
	}
	s.rewriteFloor = min(s.floor, fileSize(o)+hardFloor)
	return s
}

// Close closes the store. Readers and followers get ErrClosed from then on, writers in progress are lost.
func (s *Store) Close() error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.writeback.work.Wait()
	if err := s.closeDatabase(); err != nil {
		return fmt.Errorf("closing blob store %s: %w", s.dir, err)
	}
	return nil
}

func (s *Store) closeDatabase() error {
	if !s.damaged.Load() {
		return s.db.Close()
	}
	if err := s.db.Sync(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- s.db.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(damagedCloseWait):
		return errors.New("the database has unreadable pages and does not finish; all blobs are on disk")
	}
}

// Sync returns when everything written so far survives a loss of power.
func (s *Store) Sync() error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.db.Sync(); err != nil {
		return fmt.Errorf("syncing blob store: %w", err)
	}
	// Badger does not sync the directory after it made a file there.
	if err := syncDir(s.dir); err != nil {
		return fmt.Errorf("syncing blob store: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// view runs fn on the newest state. A page that cannot be read is an error, not a crash.
func (s *Store) view(fn func(*badger.Txn) error) (err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return ErrClosed
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			s.damaged.Store(true)
			err = fmt.Errorf("%w: %v", errUnreadable, r)
		}
	}()
	return s.db.View(fn)
}

// write commits what fill puts into a transaction, at most a few MiB. While Reclaim keeps writes out it tries
// again until ctx ends.
func (s *Store) write(ctx context.Context, fill func(*badger.Txn) error) error {
	for pause := blockedPause; ; pause = min(2*pause, blockedPauseMax) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		err := s.writeOnce(fill)
		if !errors.Is(err, badger.ErrBlockedWrites) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (s *Store) writeOnce(fill func(*badger.Txn) error) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.checkFree(min(s.floor, hardFloor), 0); err != nil {
		return err
	}
	txn := s.db.NewTransactionAt(math.MaxUint64, true)
	defer txn.Discard()
	if err := fill(txn); err != nil {
		return shorten(err)
	}
	s.commits.RLock()
	defer s.commits.RUnlock()
	return shorten(txn.CommitAt(s.clock.Add(1), nil))
}

// findRow returns ErrNotFound where there is no row.
func (s *Store) findRow(d Digest) (r row, err error) {
	err = s.view(func(txn *badger.Txn) error {
		item, err := txn.Get(rowKey(d))
		if err != nil {
			return err
		}
		return item.Value(func(b []byte) error {
			if r, err = decodeRow(b); err != nil {
				return &CorruptError{Digest: d, Chunk: -1, Reason: err.Error()}
			}
			return nil
		})
	})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return row{}, ErrNotFound
	}
	return r, err
}

// Stat returns ErrNotFound where no blob of that digest exists.
func (s *Store) Stat(d Digest) (Info, error) {
	r, err := s.findRow(d)
	if err != nil {
		return Info{}, fmt.Errorf("finding blob %v: %w", d, err)
	}
	return r.info(d), nil
}

func (s *Store) lockRow(d Digest) *sync.Mutex {
	l := &s.rows[d[0]%rowLocks]
	l.Lock()
	return l
}
