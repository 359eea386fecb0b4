package deb

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// bigTar is a package whose control.tar announces a file, a long name or a long link of that size and ends there, as in
// apt's test of CVE-2020-27350.
func bigTar(flag byte, size uint64) []byte {
	header := bytes.Repeat([]byte("7"), 512)
	put := func(at, length int, text string) {
		copy(header[at:at+length], make([]byte, length))
		copy(header[at:at+length], text)
	}
	put(0, 100, "control")
	put(100, 8, "0000644")
	put(108, 8, "0000000")
	put(116, 8, "0000000")
	put(124, 12, "\x80")
	binary.BigEndian.PutUint64(header[128:], size)
	put(136, 12, "00000000000")
	put(257, 255, "")
	header[156] = flag
	put(157, 100, "")
	put(148, 8, "        ")
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	put(148, 8, fmt.Sprintf("%06o\x00 ", sum))
	return ar(part{name: "debian-binary", data: []byte("2.0\n")}, part{name: "control.tar", data: header}, part{name: "data.tar", data: make([]byte, 1024)})
}

var overlong = []struct {
	name string
	flag byte
	size uint64
}{
	{"long name", 'L', 64<<20 + 1}, {"long link", 'K', 64<<20 + 1},
	{"long control", '0', 64<<20 + 1}, {"too long control", '0', 128<<30 + 1},
}

func TestHostileSizesInTar(t *testing.T) {
	for _, c := range overlong {
		if d, err := read(t, bigTar(c.flag, c.size)); err == nil {
			t.Errorf("%s was read: %+v", c.name, d)
		} else if !strings.Contains(err.Error(), "control.tar") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// headerOnly is a member's header as C code leaves it that writes into zeros.
func headerOnly(name, size string) string {
	zeros := func(text string, n int) string { return text + strings.Repeat("\x00", n-len(text)) }
	return fmt.Sprintf("%-16s", name) + zeros("", 12+6+6+8) + zeros(size, 10) + zeros("", 2)
}

func TestHostileArchives(t *testing.T) {
	control, data := controlOf(t, hello), dataOf(t)
	plain := func(name string, items ...item) part { return part{name: name, data: tarOf(t, items...)} }
	pax := func(h item) item {
		h.Format, h.PAXRecords = tar.FormatPAX, map[string]string{"SCHILY.xattr.user.x": "y"}
		return h
	}
	odd := ar(binaryPart, control, part{name: "data.tar", data: []byte("odd")})
	whole := ar(binaryPart, control, data)
	cut := zst(tarOf(t, entry("./x", strings.Repeat("x", 100000))))
	for _, c := range []struct {
		name string
		deb  []byte
		want string
	}{
		{"empty", nil, "does not begin as an ar archive"},
		{"magic alone", []byte(arMagic), "first member is not debian-binary"},
		{"crash", []byte(arMagic + headerOnly("control.tar", "") + headerOnly("data.tar", "") + headerOnly("#1/13", "12") + "debian-binary"), "header does not end"},
		{"loop", []byte(arMagic + headerOnly("#1/20", "-60") + strings.Repeat("\x00", 20)), "header does not end"},
		{"leak", []byte(arMagic + headerOnly("data.tar", "")), "header does not end"},
		{"a negative size", ar(part{name: "debian-binary", size: "-60", data: []byte("2.0\n")}), "no size"},
		{"a size with a sign", ar(part{name: "debian-binary", size: "+4", data: []byte("2.0\n")}), "no size"},
		{"a size in the middle", ar(part{name: "debian-binary", size: " 4", data: []byte("2.0\n")}), "no size"},
		{"no size", ar(part{name: "debian-binary", size: " ", data: []byte("2.0\n")}), "no size"},
		{"a size of another", ar(binaryPart, control, part{name: "data.tar.gz", size: "9999999999", data: data.data}), "more than the file has"},
		{"a name of BSD ar", ar(part{name: "#1/13", data: []byte("debian-binary")}), "no name of a member"},
		{"half a header", whole[:100], "the file ends within it"},
		{"cut", whole[:len(whole)-10], "more than the file has"},
		{"bytes at the end", append(bytes.Clone(whole), "more"...), "the file ends within it"},
		{"odd without padding", odd[:len(odd)-1], "no newline behind it"},
		{"odd with another padding", append(odd[:len(odd)-1:len(odd)-1], 'x'), "no newline behind it"},
		{"too many members", ar(append([]part{binaryPart, control, data}, many("_", 20)...)...), "more than 16"},
		{"no debian-binary", ar(control, data), "first member is not debian-binary"},
		{"another version", ar(part{name: "debian-binary", data: []byte("3.0\n")}, control, data), "debian-binary is"},
		{"a long version", ar(part{name: "debian-binary", data: make([]byte, 100)}, control, data), "longer than 16"},
		{"no control", ar(binaryPart, data), "the members are debian-binary, data.tar.gz"},
		{"no data", ar(binaryPart, control), "the members are"},
		{"data before control", ar(binaryPart, data, control), "data.tar.gz stands where control.tar belongs"},
		{"control twice", ar(binaryPart, control, control, data), "a second control.tar.gz"},
		{"control in two formats", ar(binaryPart, control, plain("control.tar", entry("control", hello)), data), "the members are"},
		{"another member", ar(binaryPart, control, data, part{name: "more"}), "the members are"},
		{"control in bzip2", ar(binaryPart, part{name: "control.tar.bz2"}, data), "build the package anew"},
		{"data in lzma", ar(binaryPart, control, part{name: "data.tar.lzma"}), "build the package anew"},
		{"a format that is not one", ar(binaryPart, control, part{name: "data.tar.exe"}), "build the package anew"},
		{"gz that is none", ar(binaryPart, part{name: "control.tar.gz", data: []byte("hello")}, data), "control.tar.gz"},
		{"truncated zst", ar(binaryPart, control, part{name: "data.tar.zst", data: cut[:len(cut)-5]}), "data.tar.zst"},
		{"truncated control.tar.zst", ar(binaryPart, part{name: "control.tar.zst", data: zst(tarOf(t, entry("control", hello)))[:40]}, data), "control.tar.zst"},
		{"data damaged", ar(binaryPart, control, part{name: "data.tar.gz", data: damaged(data.data)}), "data.tar.gz"},
		{"empty data.tar.gz", ar(binaryPart, control, part{name: "data.tar.gz"}), "data.tar.gz"},
		{"no control file", ar(binaryPart, plain("control.tar", entry("md5sums", "")), data), "no control file"},
		{"control twice in tar", ar(binaryPart, plain("control.tar", entry("control", hello), entry("./control", hello)), data), "a second time"},
		{"control is a link", ar(binaryPart, plain("control.tar", special(tar.TypeSymlink, "control", "/etc/passwd")), data), "neither a plain file"},
		{"control is a hard link", ar(binaryPart, plain("control.tar", entry("x", hello), special(tar.TypeLink, "control", "x")), data), "neither a plain file"},
		{"control is a pipe", ar(binaryPart, plain("control.tar", special(tar.TypeFifo, "control", "")), data), "neither a plain file"},
		{"a folder", ar(binaryPart, plain("control.tar", special(tar.TypeDir, "./x/", ""), entry("control", hello)), data), "neither a plain file"},
		{"a path", ar(binaryPart, plain("control.tar", entry("../control", hello)), data), "no plain file name"},
		{"an absolute path", ar(binaryPart, plain("control.tar", entry("/control", hello)), data), "no plain file name"},
		{"PAX", ar(binaryPart, plain("control.tar", pax(entry("control", hello))), data), "PAX"},
		{"large control", ar(binaryPart, plain("control.tar", entry("control", hello+strings.Repeat(" x\n", maxControl/3))), data), fmt.Sprint("more than ", maxControl)},
		{"a bomb", ar(binaryPart, part{name: "control.tar.gz", data: gz(tarOf(t, entry("x", strings.Repeat("\x00", maxControlTar)), entry("control", hello)))}, data), "unpacks to more than"},
		{"a way out", ar(binaryPart, control, plain("data.tar", entry("./usr/../../etc/passwd", "x"))), "leads out"},
		{"an absolute file", ar(binaryPart, control, plain("data.tar", entry("/etc/passwd", "x"))), "leads out"},
		{"a link out", ar(binaryPart, control, plain("data.tar", special(tar.TypeLink, "./x", "../../etc/passwd"))), "leads out"},
		{"data within control", ar(binaryPart, part{name: "control.tar.gz", data: append(bytes.Clone(control.data), data.data...)}, part{name: "data.tar"}), "behind the end"},
		{"bytes behind data", ar(binaryPart, control, part{name: "data.tar", data: append(tarOf(t, entry("./x", "x")), "more"...)}), "behind the end"},
		{"data in PAX", ar(binaryPart, control, plain("data.tar", pax(entry("./x", "x")))), "PAX"},
		{"data in PAX and GNU", ar(binaryPart, control, part{name: "data.tar", data: renamed(t, "./x", gnu(entry("./y", "y")))}), "PAX"},
		{"control in PAX and GNU", ar(binaryPart, part{name: "control.tar", data: renamed(t, "control", gnu(entry("y", hello)))}, data), "PAX"},
		{"a long path", ar(binaryPart, control, plain("data.tar", gnu(entry(strings.Repeat("x/", maxPath/2)+"x", "x")))), "a path of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := read(t, c.deb)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want an error with %q", d, err, c.want)
			}
		})
	}
}

func gnu(i item) item {
	i.Format = tar.FormatGNU
	return i
}

// renamed puts a record of PAX with another name before an archive.
func renamed(t *testing.T, name string, i item) []byte {
	record := fmt.Sprintf("%d path=%s\n", len(name)+9, name)
	if len(record) != len(name)+9 {
		t.Fatalf("%q does not say its length", record)
	}
	extended := tarOf(t, item{tar.Header{Typeflag: tar.TypeReg, Name: "x", Format: tar.FormatUSTAR}, record})[:1024]
	extended[156] = tar.TypeXHeader
	sum := 0
	for i, c := range extended[:512] {
		if i >= 148 && i < 156 {
			c = ' '
		}
		sum += int(c)
	}
	copy(extended[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(extended, tarOf(t, i)...)
}

// endless is a file of zeros behind what it begins with.
type endless string

func (e endless) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(e)) {
		copy(p, e[at:])
	}
	return len(p), nil
}

func TestALongVersionTakesNoMemory(t *testing.T) {
	const size = 4 << 30
	begin := arMagic + fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", "debian-binary", 0, 0, 0, "100644", int64(size))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := Read(t.Context(), endless(begin), int64(len(begin))+size); err == nil || !strings.Contains(err.Error(), "longer than 16") {
		t.Errorf("got %v", err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated", took)
	}
}

func many(prefix string, n int) (parts []part) {
	for i := range n {
		parts = append(parts, part{name: fmt.Sprint(prefix, i)})
	}
	return parts
}

// damaged has one bit flipped where the compressor's checksum notices nothing else.
func damaged(b []byte) []byte {
	b = bytes.Clone(b)
	b[len(b)-6] ^= 1
	return b
}

func manyFields(n int) string {
	var out strings.Builder
	for i := range n {
		fmt.Fprintf(&out, "X-Field-%d: x\n", i)
	}
	return out.String()
}

func TestHostileControlFiles(t *testing.T) {
	without := func(field string) string {
		_, after, _ := strings.Cut(hello, field)
		before, _, _ := strings.Cut(hello, field)
		_, after, _ = strings.Cut(after, "\n")
		return before + after
	}
	for _, c := range []struct{ name, control, want string }{
		{"empty", "", "control file"},
		{"newlines", strings.Repeat("\n", 1000), "control file"},
		{"blanks", " \n\t\n \n", "control file"},
		{"more fields than an index may have", hello + manyFields(1014), "more than"},
		{"no Package", without("Package:"), "Package"},
		{"no Version", without("Version:"), "Version"},
		{"no Architecture", without("Architecture:"), "Architecture"},
		{"empty Version", strings.Replace(hello, "1.0-1", "", 1), "ersion"},
		{"a bad version", strings.Replace(hello, "1.0-1", "1/../..", 1), "ersion"},
		{"a version without digit", strings.Replace(hello, "1.0-1", "a:1", 1), "ersion"},
		{"a format string", strings.Replace(hello, "hello", "h%s%n", 1), "no package name"},
		{"a path", strings.Replace(hello, "hello", "../hello", 1), "no package name"},
		{"upper case", strings.Replace(hello, "hello", "Hello", 1), "none of a-z"},
		{"a short name", strings.Replace(hello, "hello", "h", 1), "less than two"},
		{"a bad architecture", strings.Replace(hello, ": all", ": all/../x", 1), "no architecture"},
		{"every architecture", strings.Replace(hello, ": all", ": any", 1), "no architecture of a binary package"},
		{"two stanzas", hello + "\n" + hello, "control file"},
		{"a field twice", hello + "Package: other\n", "control file"},
		{"not UTF-8", hello + "X: \xff\n", "UTF-8"},
		{"NUL", hello + "X: \x00\n", "control character"},
		{"carriage return", strings.ReplaceAll(hello, "\n", "\r\n"), "control character"},
		{"Filename", hello + "Filename: pool/x.deb\n", "line 12: the field Filename belongs"},
		{"digest", hello + "sha256: 0\n", "belongs into an index"},
		{"Status", hello + "Status: install ok installed\n", "belongs into an index"},
		{"a bad relation", strings.Replace(hello, "(>= 2.36)", "(>= 2.36", 1), "Depends"},
		{"a substitution", strings.Replace(hello, "(>= 2.36)", "(>= ${x})", 1), "Depends"},
		{"a condition", hello + "Recommends: x [amd64]\n", "condition"},
		{"a profile", hello + "Recommends: x <!nocheck>\n", "condition"},
		{"alternatives", hello + "Conflicts: x | y\n", "alternatives"},
		{"Multi-Arch", hello + "Multi-Arch: sometimes\n", "Multi-Arch"},
		{"a flag that apt takes for yes and dpkg does not", hello + "Essential: true\n", "neither yes nor no"},
		{"another", hello + "Protected: with\n", "neither yes nor no"},
		{"Source", hello + "Source: ../x\n", "no source package"},
		{"sources", hello + "Source: x, y\n", "no source package"},
		{"a long version", strings.Replace(hello, "1.0-1", strings.Repeat("0", maxWord)+":1", 1), "Version has"},
		{"a long section", strings.Replace(hello, "misc", strings.Repeat("m", maxWord+1), 1), "Section has"},
		{"a long version of the source", hello + "Source: xx (" + strings.Repeat("0", maxWord) + ":1)\n", "Source has"},
		{"a long name in a relation", hello + "Suggests: " + strings.Repeat("x", maxWord+1) + "\n", "Suggests: a word of"},
		{"a long version in a relation", hello + "Provides: x (= " + strings.Repeat("1", maxWord+1) + ")\n", "Provides: a word of"},
		{"a long architecture in a relation", hello + "Breaks: y, x:" + strings.Repeat("a", maxWord+1) + "\n", "Breaks: a word of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := read(t, debOf(t, c.control))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want an error with %q", d, err, c.want)
			}
		})
	}
}

// zstZeros is a zstd frame of pieces of 128 KiB of zeros, four bytes each.
func zstZeros(pieces int) []byte {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 7 << 3} // a window of 128 KiB, no size
	for n := range pieces {
		header := 1<<1 | 128<<10<<3 // one byte that is repeated
		if n == pieces-1 {
			header |= 1
		}
		frame = append(frame, byte(header), byte(header>>8), byte(header>>16), 0)
	}
	return frame
}

func TestAMemberUnpacksInProportionToItsSize(t *testing.T) {
	for _, c := range []struct{ size, limit, want int64 }{
		{785, maxDataTar, 512<<20 + 200*785},
		{10 << 20, maxDataTar, 2512 << 20},
		{1 << 30, maxDataTar, maxDataTar},
		{785, maxControlTar, maxControlTar},
	} {
		if got := new(Deb).open(t.Context(), member{name: "data.tar.bz2", size: c.size}, c.limit).limit; got != c.want {
			t.Errorf("%d bytes unpack to %d, want %d", c.size, got, c.want)
		}
	}
}

// cancelling ends a context as soon as what lies behind an offset is read.
type cancelling struct {
	*bytes.Reader
	at     int64
	cancel func()
}

func (c cancelling) ReadAt(p []byte, at int64) (int, error) {
	if at >= c.at {
		c.cancel()
	}
	return c.Reader.ReadAt(p, at)
}

func TestUnpackingEndsWithItsContext(t *testing.T) {
	stop := errors.New("it takes too long")
	plain := part{name: "control.tar", data: tarOf(t, entry("control", hello))}
	for name, parts := range map[string][2]part{
		"data":    {plain, {name: "data.tar.zst", data: zstZeros(1000)}},
		"control": {{name: "control.tar.zst", data: zstZeros(100)}, {name: "data.tar", data: tarOf(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			file := ar(binaryPart, parts[0], parts[1])
			at := int64(len(ar(binaryPart)) + headerSize)
			if name == "data" {
				at = int64(len(ar(binaryPart, parts[0])) + headerSize)
			}
			if _, err := Read(ctx, cancelling{bytes.NewReader(file), at, func() { cancel(stop) }}, int64(len(file))); !errors.Is(err, stop) {
				t.Errorf("got %v", err)
			}
		})
	}
}
