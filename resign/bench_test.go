package resign

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"aptmirror/cache/blob"
)

// bigIndex is an index of n packages that has the size, the fields and the
// redundancy of Debian's.
func bigIndex(n int) string {
	random := rand.New(rand.NewPCG(3, 4))
	words := make([]string, 3000)
	for i := range words {
		words[i] = strconv.FormatUint(random.Uint64N(1<<40), 36)
	}
	some := func(n int, sep string) string {
		var picked []string
		for range n {
			picked = append(picked, words[min(random.IntN(len(words)), random.IntN(len(words)))])
		}
		return strings.Join(picked, sep)
	}
	var b bytes.Buffer
	for i := range n {
		name := fmt.Sprintf("p%06d-%s", i, words[i%len(words)])
		sum := blob.Sum([]byte(name))
		fmt.Fprintf(&b, "Package: %s\nSource: s%d\nVersion: %d.%d-%d\nInstalled-Size: %d\nMaintainer: %s <%s@lists.example.org>\nArchitecture: amd64\n",
			name, i/2, i%9, i%13, i%5, random.IntN(100000), some(2, " "), some(1, ""))
		fmt.Fprintf(&b, "Depends: %s\nDescription: %s\nMulti-Arch: same\nHomepage: https://%s.example.org/\nDescription-md5: %x\nTag: %s\nSection: %s\nPriority: optional\n",
			some(1+random.IntN(12), " (>= 2.1), "), some(6, " "), some(1, ""), sum[:16], some(8, "::x, "), []string{"net", "games", "libs", "admin"}[i%4])
		fmt.Fprintf(&b, "Filename: pool/main/p/%s/%s_1_amd64.deb\nSize: %d\nMD5sum: %x\nSHA256: %s\n\n", name, name, 1000+i, sum[8:24], sum)
	}
	return b.String()
}

// suiteSize is that of one architecture of Debian, and with -short one at which
// all of the benchmarks still runs.
func suiteSize() int {
	if testing.Short() {
		return 6_000
	}
	return 60_000
}

// BenchmarkBuild is the filter and merge of one large suite: "first" is from
// indexes in xz as archives have them, "full" is when the rules change,
// "unchanged" when nothing does, and "one more" when a pool has a package more.
func BenchmarkBuild(b *testing.B) {
	text := bigIndex(suiteSize())
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			s := newStore(b)
			r := bigRecipe(b, s, text)
			b.StartTimer()
			s.build(r)
		}
		b.SetBytes(int64(len(text)))
	})
	s := newStore(b)
	r := bigRecipe(b, s, text)
	s.build(r)
	n := 0
	for _, c := range []struct {
		name   string
		change func(*Recipe)
	}{
		{"full", func(r *Recipe) {
			n++
			r.Repository = fmt.Sprint("site", n)
			s.carryCopies(r)
		}},
		{"unchanged", func(*Recipe) {}},
		{"one more", func(r *Recipe) {
			n++
			r.From = append(r.From[:1:1], s.pool("internal", fmt.Sprintf("Package: private%d\nVersion: 1\nArchitecture: amd64\n", n)))
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var cpu time.Duration
			for b.Loop() {
				b.StopTimer()
				again := r
				c.change(&again)
				b.StartTimer()
				before := cpuTime(b)
				s.build(again)
				cpu += cpuTime(b) - before
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
			b.SetBytes(int64(len(text)))
		})
	}
}

// carryCopies builds a suite of nothing that has the copies of "site", so that a
// new suite is built from them.
func (s *store) carryCopies(r *Recipe) {
	s.t.Helper()
	tiny := *r
	tiny.Policy = rules(s.t, "deny ?true\n")
	s.build(tiny)
}

func bigRecipe(t testing.TB, s *store, text string) Recipe {
	r := recipe(s.mirror("debian", "bookworm", map[string]string{amd64 + ".xz": text}))
	r.Policy = rules(t, "deny ?section(games) # none of those\nhold 7d ?not(?archive(security))\nkeep 2 ?true\nallow ?true\n")
	return r
}

// BenchmarkMemory tells the anonymous memory at its highest while three large
// suites are merged into one.
func BenchmarkMemory(b *testing.B) {
	text := bigIndex(suiteSize())
	s := newStore(b)
	var in []Input
	for i := range 3 {
		in = append(in, s.mirror(fmt.Sprint("archive", i), "stable", map[string]string{fmt.Sprintf("main/binary-a%d/Packages.xz", i): strings.ReplaceAll(text, "Architecture: amd64", fmt.Sprint("Architecture: a", i))}))
	}
	text = ""
	runtime.GC()
	debug.FreeOSMemory()
	before, peak := anonymous(b), 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b.Context().Err() == nil {
			peak = max(peak, anonymous(b))
			time.Sleep(5 * time.Millisecond)
		}
	}()
	for n := 0; b.Loop(); n++ {
		r := recipe(in...)
		r.Repository = fmt.Sprint("site", n)
		s.build(r)
	}
	b.Cleanup(func() {
		<-done
		b.Logf("%d MB of anonymous memory before, at most %d MB", before/1024, peak/1024)
	})
}

func anonymous(t testing.TB) int { return statusOf(t, "RssAnon") }

// cpuTime is what the process has used so far, of all processors.
func cpuTime(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func statusOf(t testing.TB, what string) int {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc")
	}
	m := regexp.MustCompile(what + `:\s+(\d+) kB`).FindSubmatch(raw)
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// BenchmarkScale tells what a package costs in suites of different sizes.
func BenchmarkScale(b *testing.B) {
	for _, n := range []int{10_000, 60_000, 250_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			if testing.Short() && n > suiteSize()*2 {
				b.Skip("a large suite")
			}
			s := newStore(b)
			r := recipe(s.mirror("debian", "bookworm", map[string]string{amd64: bigIndex(n)}))
			r.Policy = rules(b, "deny ?section(games)\nkeep 2 ?true\nallow ?true\n")
			var cpu time.Duration
			for i := 0; b.Loop(); i++ {
				r.Repository = fmt.Sprint("site", i)
				before := cpuTime(b)
				s.build(r)
				cpu += cpuTime(b) - before
			}
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/float64(n), "cpu-ns/package")
		})
	}
}
