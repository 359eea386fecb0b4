package blob

import (
	"fmt"
	"io"
	"testing"
	"time"
)

func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openTest(b, Options{})
			data := testBytes(size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				data[0], data[1], data[2], data[3] = byte(i), byte(i>>8), byte(i>>16), byte(i>>24)
				mustPut(b, s, data)
			}
		})
	}
}

// BenchmarkCreate writes as a fetch does: in buffers of 32 KiB, hashing on the way.
func BenchmarkCreate(b *testing.B) {
	const size = 16 << 20
	s := openTest(b, Options{})
	data := testBytes(size)
	b.SetBytes(size)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		data[0], data[1] = byte(i), byte(i>>8)
		d := Sum(data)
		b.StartTimer()
		w := mustCreate(b, s, d, size)
		for off := 0; off < size; off += 32 << 10 {
			mustWrite(b, w, data[off:off+32<<10])
		}
		mustCommit(b, w)
	}
}

func BenchmarkWriteRange(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := openTest(b, Options{})
			d := mustPut(b, s, testBytes(size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				r := mustOpen(b, s, d)
				if _, err := r.WriteRange(io.Discard, 0, int64(size)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadWhileWriting reads 64 KiB while another goroutine stores chunks as fast as it can.
func BenchmarkReadWhileWriting(b *testing.B) {
	s := openTest(b, Options{})
	d := mustPut(b, s, testBytes(64<<10))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		data := testBytes(1 << 20)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				data[0], data[1], data[2] = byte(i), byte(i>>8), byte(i>>16)
				mustPut(b, s, data)
			}
		}
	}()
	b.SetBytes(64 << 10)
	for b.Loop() {
		if _, err := mustOpen(b, s, d).WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	close(stop)
	<-done
}

// BenchmarkFollow measures the time from Write to the follower having the bytes.
func BenchmarkFollow(b *testing.B) {
	const step = 4 << 10
	s := openTest(b, Options{})
	data := testBytes(step)
	w := mustCreate(b, s, Digest{}, MaxSize>>8)
	f := w.Follow(b.Context())
	got := make(chan int)
	go func() {
		defer close(got)
		for buf := make([]byte, step); ; {
			n, err := f.Read(buf)
			if err != nil {
				return
			}
			got <- n
		}
	}()
	b.SetBytes(step)
	b.ReportAllocs()
	for b.Loop() {
		mustWrite(b, w, data)
		for n := 0; n < step; {
			n += <-got
		}
	}
	w.Abort(nil)
	for range got {
	}
}

func BenchmarkUsage(b *testing.B) {
	s := openTest(b, Options{})
	const blobs = 10000
	for i := range blobs {
		mustPut(b, s, fmt.Appendf(nil, "blob %d", i))
	}
	for b.Loop() {
		if n, _, err := s.Usage(b.Context()); n != blobs || err != nil {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/blobs/float64(time.Nanosecond), "ns/blob")
}
