package blob

import "sync"

// smallBlob is the size in bytes up to which a writer allocates its buffer rather than take a chunk from
// the pool.
const smallBlob = 64 << 10

var chunkBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, sealedSize(ChunkSize))
	return &b
}}

func newChunk(size int64) []byte {
	if size <= smallBlob {
		return make([]byte, 0, sealedSize(size))
	}
	return *chunkBuffers.Get().(*[]byte)
}

func recycleChunk(b []byte) {
	if cap(b) < ChunkSize {
		return
	}
	b = b[:0]
	chunkBuffers.Put(&b)
}
