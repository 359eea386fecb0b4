package blob

import (
	"encoding/binary"
	"fmt"
	"time"
)

const (
	// formatVersion is what this code reads and writes. Any other is refused at Open.
	formatVersion = 1

	// MaxSize is the largest blob in bytes (1 TiB). A larger declared size is refused before anything is stored.
	MaxSize = 1 << 40

	// maxChunkSize bounds the chunk size that a row may name, in bytes.
	maxChunkSize = 16 << 20

	prefixRow   = 'b'
	prefixChunk = 'c'
	prefixUse   = 'u'

	formatSize   = 4 + 4
	rowSize      = 8 + 8 + 4 + 8
	rowKeySize   = 1 + len(Digest{})
	chunkKeySize = 1 + 8 + 4
)

var (
	formatKey = []byte{'m'}
	markerKey = []byte{'x'}
)

// row says where the bytes of a blob are: its value in the key table of the package comment.
type row struct {
	id        uint64 // data id, never 0
	size      int64  // bytes
	chunkSize int64  // bytes in every chunk but the last; a whole number of pieces
	modified  int64  // Unix seconds
}

func (r row) info(d Digest) Info {
	return Info{Digest: d, Size: r.size, Modified: time.Unix(r.modified, 0).UTC()}
}

// chunks is the number of chunks: none for an empty blob.
func (r row) chunks() int64 { return (r.size + r.chunkSize - 1) / r.chunkSize }

// chunkLen is the number of the blob's bytes in chunk i.
func (r row) chunkLen(i int64) int64 { return min(r.chunkSize, r.size-i*r.chunkSize) }

func (r row) encode() []byte {
	b := make([]byte, 0, rowSize)
	b = binary.LittleEndian.AppendUint64(b, r.id)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.size))
	b = binary.LittleEndian.AppendUint32(b, uint32(r.chunkSize))
	return binary.LittleEndian.AppendUint64(b, uint64(r.modified))
}

func decodeRow(b []byte) (row, error) {
	if len(b) != rowSize {
		return row{}, fmt.Errorf("row of %d bytes, want %d", len(b), rowSize)
	}
	r := row{
		id:        binary.LittleEndian.Uint64(b),
		size:      int64(binary.LittleEndian.Uint64(b[8:])),
		chunkSize: int64(binary.LittleEndian.Uint32(b[16:])),
		modified:  int64(binary.LittleEndian.Uint64(b[20:])),
	}
	return r, r.check()
}

func (r row) check() error {
	switch {
	case r.id == 0:
		return fmt.Errorf("row with data id 0")
	case r.size < 0 || r.size > MaxSize:
		return fmt.Errorf("row with size %d", r.size)
	case r.chunkSize <= 0 || r.chunkSize > maxChunkSize || r.chunkSize%pieceSize != 0:
		return fmt.Errorf("row with chunk size %d", r.chunkSize)
	}
	return nil
}

func rowKey(d Digest) []byte {
	return append([]byte{prefixRow}, d[:]...)
}

// chunkKey has room for the piece number that the checksums add.
func chunkKey(id uint64, index int64) []byte {
	k := append(make([]byte, 0, chunkKeySize+1), prefixChunk)
	k = binary.BigEndian.AppendUint64(k, id)
	return binary.BigEndian.AppendUint32(k, uint32(index))
}

func chunkKeyID(key []byte) (id uint64, ok bool) {
	if len(key) != chunkKeySize {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[1:]), true
}

func encodeFormat(epoch uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, formatVersion)
	return binary.LittleEndian.AppendUint32(b, epoch)
}

func decodeFormat(b []byte) (epoch uint32, err error) {
	if len(b) < 4 {
		return 0, fmt.Errorf("format row of %d bytes", len(b))
	}
	if v := binary.LittleEndian.Uint32(b); v != formatVersion {
		return 0, fmt.Errorf("format version %d is not known to this program, which knows version %d", v, formatVersion)
	}
	if len(b) != formatSize {
		return 0, fmt.Errorf("format row of %d bytes, want %d", len(b), formatSize)
	}
	return binary.LittleEndian.Uint32(b[4:]), nil
}
