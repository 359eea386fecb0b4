package pool

import (
	"fmt"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// BenchmarkAddToMany adds one small package to pools that have many.
func BenchmarkAddToMany(b *testing.B) {
	sizes := []int{1_000, 10_000, 50_000}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := newPool(b, nil)
			fill(b, p, n)
			add(b, p, newDeb(b, control("first", "1", "all", ""), "")) // the first reads what there is
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				f := newDeb(b, control("hello", fmt.Sprint(i), "all", ""), "")
				b.StartTimer()
				add(b, p, f)
			}
		})
	}
}

// fill gives a pool n packages, ten versions under each name; they share their bytes.
func fill(t testing.TB, p *Pool, n int) {
	t.Helper()
	now := time.Unix(1_700_000_000, 0).UTC()
	put := func(data []byte) blob.Digest {
		if _, err := p.Cache.Blobs.Put(t.Context(), data, now); err != nil {
			t.Fatal(err)
		}
		return blob.Sum(data)
	}
	body := []byte("bytes that they share")
	digest := put(body)
	var rows []catalog.PoolFile
	for i := range n {
		name, version := fmt.Sprintf("package%05d", i/10), fmt.Sprintf("1.%d-1", i%10)
		rows = append(rows, catalog.PoolFile{
			Pool: p.Name, Component: "main", Kind: catalog.PoolDeb, Package: name, Version: version, Architecture: "amd64",
			Path: place("main", name) + name + "_" + version + "_amd64.deb", Digest: digest, Size: int64(len(body)),
			Stanza: put([]byte(control(name, version, "amd64", ""))), Added: now, By: "tester",
		})
		if len(rows) == 1000 || i == n-1 {
			if err := p.Cache.Catalog.AddPoolFiles(t.Context(), p.Name, rows); err != nil {
				t.Fatal(err)
			}
			rows = rows[:0]
		}
	}
}
