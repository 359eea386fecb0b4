package compress

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const tiny = "Package: tiny\n"

// tinyHex is tiny in the formats that Go has no encoder for.
var tinyHex = map[Format]string{
	XZ: "fd377a585a000004e6d6b4460200210116000000742fe5a301000d5061636b6167653a2074696e790a000000d79d36e3805157e7" +
		"0001260e081be0041fb6f37d010000000004595a",
	Bzip: "425a68393141592653591fa6711b000001db8000104000001040002aa9042020002200034201a000d4d1b58837b878bb9229c28480fd3388d8",
}

// sample returns tiny compressed.
func sample(t testing.TB, f Format) []byte {
	t.Helper()
	if text, ok := tinyHex[f]; ok {
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return encode(t, f, []byte(tiny))
}

// encode compresses text, with the machine's tool where Go has no encoder.
func encode(t testing.TB, f Format, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch f {
	case Gzip:
		w = gzip.NewWriter(&out)
	case Zstd:
		w, _ = zstd.NewWriter(&out)
	case LZ4:
		z := lz4.NewWriter(&out)
		if err := z.Apply(lz4.ChecksumOption(true)); err != nil {
			t.Fatal(err)
		}
		w = z
	case XZ:
		return run(t, text, "xz", "-c")
	case Bzip:
		return run(t, text, "bzip2", "-c")
	default:
		return text
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func run(t testing.TB, in []byte, tool string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return out
}

func decode(f Format, in io.Reader, limit int64) ([]byte, error) {
	r, err := NewReader(f, in, limit)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

var compressed = []Format{Gzip, XZ, Zstd, Bzip, LZ4}

func forEach(t *testing.T, formats []Format, test func(*testing.T, Format)) {
	for _, f := range formats {
		t.Run(f.name(), func(t *testing.T) { test(t, f) })
	}
}

func TestDecodesWithinTheLimit(t *testing.T) {
	forEach(t, append(compressed, None), func(t *testing.T, f Format) {
		for name, in := range map[string]io.Reader{
			"plain": bytes.NewReader(sample(t, f)), "byte by byte": iotest.OneByteReader(bytes.NewReader(sample(t, f))),
		} {
			got, err := decode(f, in, int64(len(tiny)))
			if err != nil || string(got) != tiny {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	})
}

func TestOneByteOverTheLimitFails(t *testing.T) {
	forEach(t, append(compressed, None), func(t *testing.T, f Format) {
		for _, limit := range []int64{int64(len(tiny)) - 1, 1, 0, -1} {
			got, err := decode(f, bytes.NewReader(sample(t, f)), limit)
			if !errors.Is(err, ErrTooLong) || int64(len(got)) != max(limit, 0) {
				t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
			}
		}
	})
}

func TestEveryTruncationIsAnError(t *testing.T) {
	forEach(t, compressed, func(t *testing.T, f Format) {
		whole := sample(t, f)
		for n := range whole {
			// An error that is io.EOF would be taken for the end by a caller.
			if got, err := decode(f, bytes.NewReader(whole[:n]), 1<<20); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("the first %d of %d bytes gave %q, %v", n, len(whole), got, err)
			}
		}
	})
}

func TestBytesAfterTheEndAreAnError(t *testing.T) {
	forEach(t, compressed, func(t *testing.T, f Format) {
		whole := sample(t, f)
		for _, junk := range []string{"x", "junk", "much longer junk than any header", "\x00", string(whole[:len(whole)-1])} {
			if got, err := decode(f, strings.NewReader(string(whole)+junk), 1<<20); err == nil {
				t.Errorf("%q after the end gave %q without error", junk, got)
			}
		}
	})
}

func TestEveryFlippedBitInTheBodyIsSeenOrHarmless(t *testing.T) {
	forEach(t, compressed, func(t *testing.T, f Format) {
		whole := sample(t, f)
		seen := 0
		for i := range whole {
			broken := bytes.Clone(whole)
			broken[i] ^= 0x10
			got, err := decode(f, bytes.NewReader(broken), 1<<20)
			if err == nil && string(got) != tiny {
				t.Errorf("byte %d changed gave %q without error", i, got)
			}
			if err != nil {
				seen++
			}
		}
		if seen == 0 {
			t.Error("no change was seen at all")
		}
	})
}

func TestConcatenatedFilesAreOne(t *testing.T) {
	forEach(t, compressed, func(t *testing.T, f Format) {
		two := append(sample(t, f), sample(t, f)...)
		got, err := decode(f, bytes.NewReader(two), 1<<20)
		if err != nil || string(got) != tiny+tiny {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func TestBombsStopAtTheLimit(t *testing.T) {
	forEach(t, compressed, func(t *testing.T, f Format) {
		bomb := encode(t, f, make([]byte, 32<<20))
		r, err := NewReader(f, bytes.NewReader(bomb), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, r)
		if n != 1<<20 || !errors.Is(err, ErrTooLong) {
			t.Errorf("%d bytes of input gave %d bytes and %v", len(bomb), n, err)
		}
		if n, again := r.Read(make([]byte, 10)); n != 0 || again != err {
			t.Errorf("reading on gave %d bytes and %v", n, again)
		}
	})
}

func TestHugeDictionariesAreRefused(t *testing.T) {
	t.Run("zst", func(t *testing.T) {
		const windowLog31 = (31 - 10) << 3
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, windowLog31, 1, 0, 0}
		if got, err := decode(Zstd, bytes.NewReader(frame), 1<<20); err == nil {
			t.Errorf("a window of 2 GiB was accepted, gave %q", got)
		}
	})
	t.Run("xz", func(t *testing.T) {
		in := run(t, []byte(tiny), "xz", "-c", "--lzma2=dict=128MiB")
		if got, err := decode(XZ, bytes.NewReader(in), 1<<20); err == nil {
			t.Errorf("a dictionary of 128 MiB was accepted, gave %q", got)
		}
	})
}

func TestToolsAndLibrariesAgree(t *testing.T) {
	text := []byte(strings.Repeat("Package: a package of some length\nVersion: 1.0\n\n", 50_000))
	for f, tool := range map[Format][]string{
		Gzip: {"gzip", "-9c"}, XZ: {"xz", "-9ec"}, Zstd: {"zstd", "--ultra", "-22c"}, Bzip: {"bzip2", "-c"}, LZ4: {"lz4", "-c"},
	} {
		t.Run(string(f), func(t *testing.T) {
			got, err := decode(f, bytes.NewReader(run(t, text, tool[0], tool[1:]...)), int64(len(text)))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("got %d bytes of %d, %v", len(got), len(text), err)
			}
		})
	}
}

func TestSourceErrorIsKept(t *testing.T) {
	boom := errors.New("boom")
	forEach(t, append(compressed, None), func(t *testing.T, f Format) {
		whole := sample(t, f)
		for _, n := range []int{0, 1, len(whole) / 2, len(whole)} {
			in := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(boom))
			if _, err := decode(f, in, 1<<20); !errors.Is(err, boom) {
				t.Errorf("source failed after %d bytes: %v", n, err)
			}
		}
	})
}

func TestErrorsNameTheFormat(t *testing.T) {
	for f, want := range map[Format]string{None: "reading uncompressed data: boom", Gzip: "reading gz data: boom"} {
		if _, err := decode(f, iotest.ErrReader(errors.New("boom")), 1); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestWrongFormatAndClosedReader(t *testing.T) {
	if _, err := NewReader("rar", strings.NewReader("x"), 1); err == nil {
		t.Error("an unknown format was accepted")
	}
	forEach(t, compressed, func(t *testing.T, f Format) {
		if _, err := decode(f, strings.NewReader(tiny), 1<<20); err == nil {
			t.Error("plain text was accepted")
		}
		r, err := NewReader(f, bytes.NewReader(sample(t, f)), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("reading after Close: %v", err)
		}
	})
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]struct {
		base string
		f    Format
	}{
		"Packages":                      {"Packages", None},
		"Packages.gz":                   {"Packages", Gzip},
		"main/binary-amd64/Packages.xz": {"main/binary-amd64/Packages", XZ},
		"control.tar.zst":               {"control.tar", Zstd},
		"Contents-amd64.bz2":            {"Contents-amd64", Bzip},
		"x.gz.lz4":                      {"x.gz", LZ4},
		"Packages.lzma":                 {"Packages.lzma", None},
		"Packages.GZ":                   {"Packages.GZ", None},
		"gz":                            {"gz", None},
		".gz":                           {".gz", None},
		"dir/.gz":                       {"dir/.gz", None},
		"":                              {"", None},
	} {
		if base, f := FormatOf(name); base != want.base || f != want.f {
			t.Errorf("FormatOf(%q) = %q, %q, want %q, %q", name, base, f, want.base, want.f)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, format := range append(compressed, None) {
		f.Add(string(format), sample(f, format))
	}
	f.Fuzz(func(t *testing.T, format string, in []byte) {
		const limit = 1 << 16
		got, err := decode(Format(format), bytes.NewReader(in), limit)
		if len(got) > limit {
			t.Errorf("%d bytes came out, limit %d", len(got), limit)
		}
		if len(in) == 0 && err == nil && format != "" {
			t.Error("no input was accepted")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	var text bytes.Buffer
	for i := range 200_000 {
		text.WriteString("Package: name")
		text.WriteString(strings.Repeat(string(rune('a'+i%26)), i%17))
		text.WriteString("\nSection: devel\n\n")
	}
	for _, f := range compressed {
		b.Run(string(f), func(b *testing.B) {
			in := encode(b, f, text.Bytes())
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				r, err := NewReader(f, bytes.NewReader(in), int64(text.Len()))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
