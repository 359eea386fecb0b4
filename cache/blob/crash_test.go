package blob

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// ctxForChild is for the processes that TestMain runs, which have no test.
var ctxForChild = context.Background()

func TestMain(m *testing.M) {
	mode := os.Getenv("BLOB_TEST_CHILD")
	if mode == "" {
		goleak.VerifyTestMain(m)
		return
	}
	dir, point := os.Getenv("BLOB_TEST_DIR"), os.Getenv("BLOB_TEST_POINT")
	var err error
	switch mode {
	case "hold":
		err = holdChild(dir)
	case "damage":
		err = damageChild(dir, point)
	case "crash":
		err = crashChild(dir, point)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// holdChild keeps the store open until its standard input ends.
func holdChild(dir string) error {
	s, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Close())
}

// crashSizes are the blobs of the crash test, in order.
var crashSizes = []int{10, 2000, ChunkSize, 3*ChunkSize + 1, 100, 5 * ChunkSize, ChunkSize + 1, 4 * ChunkSize}

// crashChild says on standard output what is done, and kills itself at the n-th time a point ("NAME N") is reached.
func crashChild(dir, point string) error {
	name, count, _ := strings.Cut(point, "/")
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	var times atomic.Int64
	testingOnlyReached = func(p string) {
		if p == name && times.Add(1) == int64(n) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	s, err := Open(dir, Options{FileSize: 2 << 20})
	if err != nil {
		return err
	}
	for i, size := range crashSizes {
		data := testBytes(size)
		if err := writeAll(s, ctxForChild, Sum(data), int64(size), data); err != nil {
			return err
		}
		fmt.Println("stored", size)
		if i%2 == 1 {
			fmt.Println("deleting", crashSizes[i-1])
			if err := s.Delete(ctxForChild, Sum(testBytes(crashSizes[i-1]))); err != nil {
				return err
			}
			fmt.Println("deleted", crashSizes[i-1])
		}
	}
	return errors.New("the point was not reached")
}

func TestKilledAtAnyPointKeepsWhatWasAcknowledged(t *testing.T) {
	for _, point := range []string{
		"chunk stored/1", "chunk stored/3", "chunk stored/4", "chunk stored/9", "chunk stored/12",
		"row stored/1", "row stored/4", "row stored/6", "row deleted/1", "row deleted/3", "chunks deleted/2", "chunks deleted/4",
	} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			acknowledged := runUntilKilled(t, dir, point)
			s := openAt(t, dir, Options{FileSize: 2 << 20})
			checkAcknowledged(t, s, acknowledged)
			if _, err := s.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantNoOrphans(t, s)
			checkAcknowledged(t, s, acknowledged)
		})
	}
}

// runUntilKilled returns the last thing that the child said about each blob, by size.
func runUntilKilled(t *testing.T, dir, point string) map[int]string {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "BLOB_TEST_CHILD=crash", "BLOB_TEST_POINT="+point, "BLOB_TEST_DIR="+dir)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, stderr.String())
	}
	said := map[int]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var what string
		var size int
		if _, err := fmt.Sscan(lines.Text(), &what, &size); err != nil {
			t.Fatal(err)
		}
		said[size] = what
	}
	return said
}

func checkAcknowledged(t *testing.T, s *Store, acknowledged map[int]string) {
	t.Helper()
	for size, what := range acknowledged {
		data := testBytes(size)
		_, err := s.Stat(Sum(data))
		switch {
		case what == "stored":
			wantBlob(t, s, Sum(data), data)
		case what == "deleted" && !errors.Is(err, ErrNotFound):
			t.Errorf("blob of %d bytes was deleted: %v", size, err)
		}
	}
	for info, err := range s.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(t.Context(), info.Digest); err != nil {
			t.Errorf("half a blob: %v", err)
		}
	}
}
