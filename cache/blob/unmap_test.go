package blob

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

func TestStoredChunksAreNoMemoryOfTheProcess(t *testing.T) {
	s := openTest(t, Options{})
	data := testBytes(16<<20 + 5)
	d := mustPut(t, s, data)
	if mapped := mappedFrom(t, s.dir); mapped > 4<<20 {
		t.Errorf("%d bytes of value-log files are mapped after %d were stored", mapped, len(data))
	}
	wantBlob(t, s, d, data)
	if mapped := mappedFrom(t, s.dir); mapped < 8<<20 {
		t.Errorf("%d bytes of value-log files are mapped after reading %d: the test looks at the wrong thing", mapped, len(data))
	}
}

// mappedFrom sums what this process has in memory of value-log files in dir, in bytes.
func mappedFrom(t *testing.T, dir string) (sum int64) {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip("there is no /proc/self/smaps to look at: ", err)
	}
	defer f.Close()
	ours := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.Contains(line, " r") && strings.Contains(line, "-") && !strings.Contains(line, "kB") {
			ours = strings.Contains(line, dir) && strings.HasSuffix(line, ".vlog")
		}
		var kib int64
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err == nil && ours {
			sum += kib << 10
		}
	}
	return sum
}

func TestWholePages(t *testing.T) {
	page := os.Getpagesize()
	all := make([]byte, 5*page)
	address := func(b []byte) int { return int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
	aligned := all[-address(all)&(page-1):][:4*page]
	for _, c := range []struct{ from, to, wantFrom, want int }{
		{0, 4 * page, 0, 4 * page}, {1, 4 * page, page, 3 * page}, {0, 4*page - 1, 0, 3 * page},
		{page - 1, 2*page + 1, page, page}, {1, page + page/2, page, 0}, {1, 5, 0, 0}, {0, 0, 0, 0},
	} {
		got := wholePages(aligned[c.from:c.to])
		if len(got) != c.want || c.want > 0 && address(got) != address(aligned)+c.wantFrom {
			t.Errorf("%d to %d: %d bytes", c.from, c.to, len(got))
		}
	}
}
