package blob

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/dgraph-io/badger/v4"
)

const (
	// ChunkSize is the number of bytes in every chunk but a blob's last (1 MiB). A writer holds one chunk.
	ChunkSize = 1 << 20

	// pieceSize is the number of bytes under one checksum (64 KiB): what must be read to trust one byte,
	// and the buffer of one stream to a client. It stays in the processor's cache from check to encryption.
	pieceSize = 64 << 10

	checksumSize = 4 // bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errUnreadable means that the database returned a chunk whose length or checksum is wrong. It does so, with
// no error of its own, also where the chunk was moved by Reclaim between finding and reading it.
var errUnreadable = errors.New("unreadable")

// sealChunk appends the checksums of data, which is chunk key's, and returns the value to store.
func sealChunk(key, data []byte) []byte {
	value := data
	for i := 0; i*pieceSize < len(data); i++ {
		piece := data[i*pieceSize : min((i+1)*pieceSize, len(data))]
		value = binary.LittleEndian.AppendUint32(value, pieceSum(key, i, piece))
	}
	return value
}

// sealedSize is the size of the value that holds a chunk of n bytes.
func sealedSize(n int64) int64 {
	return n + (n+pieceSize-1)/pieceSize*checksumSize
}

func pieceSum(key []byte, i int, piece []byte) uint32 {
	seed := crc32.Checksum(append(key[:chunkKeySize], byte(i)), castagnoli)
	return crc32.Update(seed, castagnoli, piece)
}

// copyChecked copies from a sealed chunk of n bytes, starting at off, into p, piece by piece and each only
// after its checksum matched.
func copyChecked(p, value, key []byte, n, off int64) error {
	if int64(len(value)) != sealedSize(n) {
		return fmt.Errorf("%w: %d bytes, want %d", errUnreadable, len(value), sealedSize(n))
	}
	data, sums := value[:n], value[n:]
	for len(p) > 0 {
		i := off / pieceSize
		piece := data[i*pieceSize : min((i+1)*pieceSize, n)]
		if pieceSum(key, int(i), piece) != binary.LittleEndian.Uint32(sums[i*checksumSize:]) {
			return fmt.Errorf("%w: checksum of piece %d does not match", errUnreadable, i)
		}
		c := copy(p, piece[off-i*pieceSize:])
		p, off = p[c:], off+int64(c)
	}
	return nil
}

// loadChunk fills p from offset off of chunk i, which must reach that far.
func (s *Store) loadChunk(r row, i int64, p []byte, off int64) error {
	key := chunkKey(r.id, i)
	return s.view(func(txn *badger.Txn) error {
		item, err := txn.Get(key)
		if err != nil {
			return err
		}
		reached("chunk found")
		// Inside the callback badger holds a lock that writers need, so it only copies.
		return item.Value(func(value []byte) error {
			return copyChecked(p, value, key, r.chunkLen(i), off)
		})
	})
}

// loadTwice is loadChunk, tried again where the chunk may have been moved meanwhile.
func (s *Store) loadTwice(r row, i int64, p []byte, off int64) error {
	err := s.loadChunk(r, i, p, off)
	if errors.Is(err, errUnreadable) {
		err = s.loadChunk(r, i, p, off)
	}
	if errors.Is(err, errUnreadable) {
		s.damaged.Store(true)
	}
	return err
}

// readStored fills p from offset off of the blob that r describes. off+len(p) must not exceed its size.
func (s *Store) readStored(d Digest, r row, p []byte, off int64) error {
	for len(p) > 0 {
		i := off / r.chunkSize
		within := off - i*r.chunkSize
		n := min(int64(len(p)), r.chunkLen(i)-within)
		if err := s.loadTwice(r, i, p[:n], within); err != nil {
			return chunkError(d, i, err)
		}
		p, off = p[n:], off+n
	}
	return nil
}

func chunkError(d Digest, i int64, err error) error {
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return &CorruptError{Digest: d, Chunk: i, Reason: "the chunk is missing"}
	case errors.Is(err, errUnreadable):
		return &CorruptError{Digest: d, Chunk: i, Reason: err.Error()}
	}
	return fmt.Errorf("reading blob %v: %w", d, err)
}
