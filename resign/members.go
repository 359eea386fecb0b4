package resign

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/flate"
)

// An index is compressed as a row of gzip members, each of which holds whole
// stanzas; every reader of gzip takes them for one file. Where members begin
// depends on the names of packages alone, so that two indexes that differ in one
// package have all but one or two members in common, and the compressed form of
// those is copied. What a member holds stands in its header, in an extra field
// (RFC 1952, 2.3.1.1):
//
//	'A' 'M' 36(u16)  deflated length u32  SHA-256 of the plain text
//
// Integers are little endian, as everywhere in gzip.
const (
	memberLevel      = 6 // of deflate: see BenchmarkPack for the others
	memberExtra      = 4 + sha256.Size
	memberHead       = 10 + 2 + 4 + memberExtra
	memberTail       = 8
	memberExtraStart = memberHead - memberExtra
)

var memberMagic = [memberExtraStart]byte{0x1f, 0x8b, 8, 4, 8: 0, 9: 255, 10: 4 + memberExtra, 12: 'A', 13: 'M', 14: memberExtra}

// memberSum is the SHA-256 of what a member holds.
type memberSum = [sha256.Size]byte

// members are compressed pieces by what they hold.
type members map[memberSum][]byte

// readMembers finds the members of a file that pack wrote. Where something else
// begins it stops: what is not found is compressed anew.
func readMembers(file []byte) members {
	found := members{}
	for len(file) >= memberHead+memberTail && bytes.Equal(file[:memberExtraStart], memberMagic[:]) {
		deflated := int64(binary.LittleEndian.Uint32(file[memberExtraStart:]))
		whole := memberHead + deflated + memberTail
		if whole > int64(len(file)) {
			break
		}
		found[memberSum(file[memberExtraStart+4:memberHead])] = file[:whole:whole]
		file = file[whole:]
	}
	return found
}

// deflater compresses into a buffer of its own.
type deflater struct {
	*flate.Writer
	out bytes.Buffer
}

// deflaters are kept because making one costs as much as compressing 100 kB.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, memberLevel)
	if err != nil {
		panic(fmt.Sprintf("deflate has no level %d: %v", memberLevel, err))
	}
	return &deflater{Writer: w}
}}

// makeMember compresses one piece. The same piece gives the same bytes.
func makeMember(plain []byte, sum memberSum) ([]byte, error) {
	w := deflaters.Get().(*deflater)
	defer deflaters.Put(w)
	out := &w.out
	out.Reset()
	out.Write(memberMagic[:])
	out.Write(make([]byte, 4))
	out.Write(sum[:])
	w.Reset(out)
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(out.Bytes()[memberExtraStart:], uint32(out.Len()-memberHead))
	tail := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(plain))
	out.Write(binary.LittleEndian.AppendUint32(tail, uint32(len(plain))))
	return bytes.Clone(out.Bytes()), nil
}
