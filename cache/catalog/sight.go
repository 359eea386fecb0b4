package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"aptmirror/cache/blob"
)

// When a version of a package was first seen in an archive is one record of 12
// bytes, all of them in 256 rows by the first byte of its key: a day's few
// hundred new versions rewrite less than a megabyte, whatever the archive holds.
//
//	u64 SightKey, big-endian; the records of a row ascend by it
//	u32 when it was seen, in Unix seconds, big-endian; 0: it was there at the beginning
const (
	sightRow    = 12
	sightShards = 256
	// maxShard is how many records one row may have; 12 million in all, as many
	// as Debian brings forth in a century.
	maxShard = 50_000
	// sightBatch is how many bytes of rows are written in one transaction, for
	// which badger allows 15 % of memTableSize.
	sightBatch = 512 << 10
)

// SightKey stands for the bytes that an archive has of a version of a package;
// digest is zero where the index does not have it. Other bytes under a version
// that was known are new, whoever signed them.
func SightKey(name, version, architecture string, digest blob.Digest) uint64 {
	text := make([]byte, 0, 192)
	text = append(append(text, name...), 0)
	text = append(append(text, version...), 0)
	text = append(append(text, architecture...), 0)
	sum := sha256.Sum256(append(text, digest[:]...))
	return binary.BigEndian.Uint64(sum[:])
}

// Sight records that packages, by their SightKey, are in a suite of an archive
// now. Those that the archive had in any suite before keep their time. All of the
// first sight of a suite count as old: nobody knows since when they are there.
func (c *Catalog) Sight(ctx context.Context, archive, suite string, keys []uint64, now time.Time) error {
	if err := c.sight(ctx, archive, suite, keys, now); err != nil {
		return fmt.Errorf("recording what is new in archive %s, suite %s: %w", archive, suite, err)
	}
	return nil
}

func (c *Catalog) sight(ctx context.Context, archive, suite string, keys []uint64, now time.Time) error {
	if err := checkNames(archive, suite); err != nil {
		return err
	}
	c.sighting.Lock()
	defer c.sighting.Unlock()
	mark := key('F', archive, suite)
	known, err := c.has(mark)
	if err != nil {
		return err
	}
	seen := uint32(0)
	if known {
		seen = uint32(now.Unix())
	}
	s, err := c.Sightings(ctx, archive)
	if err != nil {
		return err
	}
	changed, err := s.add(keys, seen)
	if err != nil {
		return err
	}
	if err := c.saveSightings(ctx, archive, s, changed); err != nil || known {
		return err
	}
	// Last: cut short before it, the same sight is the first again.
	reached("sightings recorded")
	return c.update(func(txn *badger.Txn) error { return txn.Set(mark, nil) })
}

func (c *Catalog) has(k []byte) (there bool, err error) {
	err = c.db.View(func(txn *badger.Txn) error {
		_, err := txn.Get(k)
		if there = err == nil; errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		return err
	})
	return there, err
}

func sightKey(archive string, shard byte) []byte { return append(key('f', archive, ""), shard) }

func (c *Catalog) saveSightings(ctx context.Context, archive string, s *Sightings, changed []byte) error {
	for len(changed) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, size := 0, 0
		for n < len(changed) && (n == 0 || size+len(s.shards[changed[n]]) <= sightBatch) {
			size += len(s.shards[changed[n]])
			n++
		}
		err := c.update(func(txn *badger.Txn) error {
			for _, shard := range changed[:n] {
				if err := txn.Set(sightKey(archive, shard), s.shards[shard]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		changed = changed[n:]
	}
	return nil
}

// Sightings tells when versions of an archive's packages were first seen. It
// does not change.
type Sightings struct {
	shards [sightShards][]byte
}

// Sightings reads what Sight recorded of an archive, in some 12 bytes of memory
// for each version that it ever had.
func (c *Catalog) Sightings(ctx context.Context, archive string) (*Sightings, error) {
	s := &Sightings{}
	prefix := key('f', archive, "")
	err := c.db.View(func(txn *badger.Txn) error {
		return each(txn, prefix, false, func(item *badger.Item) (bool, error) {
			v, err := item.ValueCopy(nil)
			if err == nil && (len(item.Key()) != len(prefix)+1 || len(v)%sightRow != 0) {
				err = fmt.Errorf("%d bytes are no records", len(v))
			}
			if err != nil {
				return false, &RowError{string(item.Key()), err}
			}
			s.shards[item.Key()[len(prefix)]] = v
			return ctx.Err() == nil, nil
		})
	})
	if err = errorOr(context.Cause(ctx), err); err != nil {
		return nil, fmt.Errorf("reading what was seen in archive %s: %w", archive, err)
	}
	return s, nil
}

// First says when a version was first seen; the zero time means that it counts
// as old. Not seen is what Sight was never told of.
func (s *Sightings) First(key uint64) (first time.Time, seen bool) {
	shard := s.shards[key>>56]
	i, ok := find(shard, key)
	if !ok {
		return time.Time{}, false
	}
	at := binary.BigEndian.Uint32(shard[i*sightRow+8:])
	if at == 0 {
		return time.Time{}, true
	}
	return time.Unix(int64(at), 0).UTC(), true
}

// Len is the number of versions.
func (s *Sightings) Len() (n int) {
	for _, shard := range s.shards {
		n += len(shard) / sightRow
	}
	return n
}

func find(shard []byte, key uint64) (i int, ok bool) {
	n := len(shard) / sightRow
	i = sort.Search(n, func(i int) bool { return binary.BigEndian.Uint64(shard[i*sightRow:]) >= key })
	return i, i < n && binary.BigEndian.Uint64(shard[i*sightRow:]) == key
}

// add records the keys that are new and gives the shards that changed.
func (s *Sightings) add(keys []uint64, seen uint32) (changed []byte, err error) {
	var news [sightShards][]uint64
	for _, k := range keys {
		if _, ok := find(s.shards[k>>56], k); !ok {
			news[k>>56] = append(news[k>>56], k)
		}
	}
	for shard, keys := range news {
		if len(keys) == 0 {
			continue
		}
		slices.Sort(keys)
		merged := mergeSights(s.shards[shard], slices.Compact(keys), seen)
		if len(merged) > maxShard*sightRow {
			return nil, fmt.Errorf("more than %d versions of packages in one archive cannot be recorded", maxShard*sightShards)
		}
		s.shards[shard] = merged
		changed = append(changed, byte(shard))
	}
	return changed, nil
}

// mergeSights adds keys, which ascend and are not in shard.
func mergeSights(shard []byte, keys []uint64, seen uint32) []byte {
	merged := make([]byte, 0, len(shard)+len(keys)*sightRow)
	var record [sightRow]byte
	binary.BigEndian.PutUint32(record[8:], seen)
	for _, k := range keys {
		binary.BigEndian.PutUint64(record[:], k)
		i, _ := find(shard, k)
		merged = append(append(merged, shard[:i*sightRow]...), record[:]...)
		shard = shard[i*sightRow:]
	}
	return append(merged, shard...)
}
