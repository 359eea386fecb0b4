package proxy

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aptmirror/cache/catalog"
)

// crowd is how many clients BenchmarkThousandDownloads has.
const crowd = 1_000

// anonymous is the memory of a process that is not a file's, in bytes.
func (p *peer) anonymous(b *testing.B) int64 {
	b.Helper()
	text := must(os.ReadFile(fmt.Sprintf("/proc/%d/status", p.group)))(b)
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	kib := must(strconv.ParseInt(strings.Fields(rest)[0], 10, 64))(b)
	return kib << 10
}

// bigFiles of bigSize bytes are what the clients ask for between them: more than
// the kernel's buffers hold, so that the server has to keep some of each.
const bigFiles, bigSize = 20, 16 << 20

// crowdSite serves big files.
func crowdSite(tb testing.TB) *site {
	tb.Helper()
	s := quietSite(tb)
	s.server.stall = time.Hour // however busy this machine is
	files := map[string]file{}
	for i := range bigFiles {
		files[fmt.Sprintf("pool/big%d.deb", i)] = file{kind: catalog.KindPackage, body: pattern(bigSize, byte(i))}
	}
	s.publish("debian", "sid", files)
	clear(files)
	debug.FreeOSMemory() // what making them took
	return s
}

// BenchmarkThousandDownloads has all clients in the middle of a download at the
// same time, each so slow that every buffer on the way is full, and reports the
// most memory that the server, a process of its own, has meanwhile.
func BenchmarkThousandDownloads(b *testing.B) {
	for _, kind := range []string{"same", "distinct"} {
		b.Run(kind, func(b *testing.B) {
			p := startPeer(b, "crowd", b.TempDir())
			before := p.anonymous(b)
			b.ResetTimer()
			for range b.N {
				most := p.downloads(b, kind == "same")
				b.ReportMetric(float64(before)/1e6, "idle-MB")
				b.ReportMetric(float64(most)/1e6, "crowd-MB")
			}
		})
	}
}

// downloads lets the crowd read some of the files, in steps, and gives the most
// memory between two of them.
func (p *peer) downloads(b *testing.B, same bool) (most int64) {
	b.Helper()
	const steps, step = 2, 128 << 10
	clients := make([]*puller, crowd)
	each(b, func(i int) error {
		name := 0
		if !same {
			name = i % bigFiles
		}
		clients[i] = newPuller(b, p.address, p.config, fmt.Sprintf("/debian/pool/big%d.deb", name), 0)
		return clients[i].pull() // the header and some of the body
	})
	for range steps {
		most = max(most, p.anonymous(b))
		each(b, func(i int) error {
			_, err := io.CopyN(io.Discard, clients[i].conn, step)
			return err
		})
	}
	for _, c := range clients {
		c.conn.Close()
	}
	return most
}

// each does something for every client, a few at a time.
func each(b *testing.B, do func(i int) error) {
	b.Helper()
	var group sync.WaitGroup
	turns := make(chan int)
	for range 8 {
		group.Go(func() {
			for i := range turns {
				if err := do(i); err != nil {
					b.Errorf("client %d: %v", i, err)
				}
			}
		})
	}
	for i := range crowd {
		turns <- i
	}
	close(turns)
	group.Wait()
}
