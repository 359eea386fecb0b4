package blob

import (
	"os"
	"syscall"
	"unsafe"

	"github.com/dgraph-io/badger/v4"
)

// unmapFrom is the size in bytes of a chunk that is worth the call.
const unmapFrom = 64 << 10

// unmapChunk takes the pages of a stored chunk out of this process's memory. They stay in the page cache, from where reading maps them
// again. Writing mapped pages to disk costs an interrupt of every processor for each page, and they count as memory of the process.
func (s *Store) unmapChunk(key []byte, n int64) {
	if n < unmapFrom {
		return
	}
	// What fails here costs time later, and nothing else.
	_ = s.view(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		return item.Value(func(value []byte) error { return syscall.Madvise(wholePages(value), syscall.MADV_DONTNEED) })
	})
}

// wholePages is the part of b that begins and ends where pages do.
func wholePages(b []byte) []byte {
	page := os.Getpagesize()
	before := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (page - 1)
	if before >= len(b) {
		return nil
	}
	return b[before : before+(len(b)-before)&^(page-1)]
}
