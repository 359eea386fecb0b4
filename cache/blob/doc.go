// Package blob keeps bytes once under their SHA-256, in a badger database that belongs to it alone.
//
// A blob is written by a [Writer] that knows digest and size beforehand, and exists only when both
// matched. Before that it can be read by [Writer.Follow], all but the last [HoldBack] bytes. Blobs never
// change; they are deleted whole. Every byte that is read back was checked against a CRC-32C first, and
// [Store.Verify] hashes a whole blob again.
//
// The package never decides what to keep, never knows where bytes came from, never logs on its own, and
// never hands out bytes that failed a check.
//
// # Keys
//
// Integers in keys are big endian, so that they sort; integers in values are little endian.
//
//	key                                value
//	'm'                                format u32 (now 1), epoch u32
//	'b' digest[32]                     row: data id u64, size i64, chunk size u32, modified i64 (Unix seconds)
//	'c' data id u64, chunk index u32   chunk: its bytes, then one CRC-32C u32 for each piece of 64 KiB
//	'u' digest[32]                     last use u32 (Unix time in minutes); none where Touch was not called
//	'x'                                nothing: a marker that Reclaim sets and drops
//
// A blob exists when its row does; the row is written after the last chunk and deleted before the first.
// Chunks of a data id that no row names were left by a crash, and [Store.Sweep] removes them.
//
// A data id is epoch<<32 + count. The epoch goes up at every Open, so an id is never used twice, opening
// costs the same whatever is stored, and two writers of one digest never touch each other's chunks.
//
// The CRC of a piece runs over key, piece number (one byte) and bytes: a chunk that the database returns
// for the wrong key does not pass. It is kept beside the bytes rather than in the row so that rows have a
// fixed size and stay in the key tree, and per piece so that a slow client costs a buffer of 64 KiB, not
// of a chunk.
//
// # Database
//
// The database is opened with managed timestamps. Blobs never change, so readers need no snapshot: they
// read the newest state and do not wait for chunks that are just being written, as badger's own read
// transactions do. For the same reason, a blob's last chunk and its row are two commits: a transaction
// becomes visible entry by entry.
//
// Badger maps its files. Where the disk is full, a write is a SIGBUS in badger's own goroutine that nothing
// can catch, so nothing is stored below a floor of free space. An unreadable page under a read is caught
// and becomes a [CorruptError].
package blob
