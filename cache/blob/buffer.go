package blob

import "sync"

const (
	// tinyBlob is the size in bytes up to which a writer allocates its buffer, and smallBlob the one up to which it takes
	// a small one from a pool rather than one for a chunk.
	tinyBlob  = 4 << 10
	smallBlob = 64 << 10
)

var smallBuffers, chunkBuffers = bufferPool(smallBlob), bufferPool(ChunkSize)

// bufferPool has buffers for n bytes and their checksums.
func bufferPool(n int64) *sync.Pool {
	return &sync.Pool{New: func() any {
		b := make([]byte, 0, sealedSize(n))
		return &b
	}}
}

func newChunk(size int64) []byte {
	switch {
	case size <= tinyBlob:
		return make([]byte, 0, sealedSize(size))
	case size <= smallBlob:
		return *smallBuffers.Get().(*[]byte)
	}
	return *chunkBuffers.Get().(*[]byte)
}

func recycleChunk(b []byte) {
	b = b[:0]
	switch int64(cap(b)) {
	case sealedSize(smallBlob):
		smallBuffers.Put(&b)
	case sealedSize(ChunkSize):
		chunkBuffers.Put(&b)
	}
}
