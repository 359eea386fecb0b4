package deb

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

var made = time.Date(2026, 3, 1, 9, 30, 5, 0, time.UTC)

const hello = `Package: hello
Version: 1.0-1
Architecture: all
Maintainer: Tester <tester@mirror.example.org>
Depends: libc6 (>= 2.36) | libc6.1, bash:any
Section: misc
Priority: optional
Description: for tests
 It does nothing.
 .
 Really.
`

// part is a member of an ar archive, with a size of its own if that is to be wrong.
type part struct {
	name, size string
	data       []byte
}

func ar(parts ...part) []byte {
	out := bytes.NewBufferString(arMagic)
	for _, p := range parts {
		if p.size == "" {
			p.size = fmt.Sprint(len(p.data))
		}
		fmt.Fprintf(out, "%-16s%-12d%-6d%-6d%-8s%-10s`\n", p.name, made.Unix(), 0, 0, "100644", p.size)
		out.Write(p.data)
		if len(p.data)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// item is an entry of a tar archive.
type item struct {
	tar.Header
	text string
}

func tarOf(t testing.TB, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, i := range items {
		i.ModTime, i.Mode, i.Size = made, 0o644, int64(len(i.text))
		if err := w.WriteHeader(&i.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(i.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// entry is a plain file.
func entry(name, text string) item { return item{tar.Header{Typeflag: tar.TypeReg, Name: name}, text} }

// special is anything else.
func special(kind byte, name, link string) item {
	return item{tar.Header{Typeflag: kind, Name: name, Linkname: link}, ""}
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func zst(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

var binaryPart = part{name: "debian-binary", data: []byte("2.0\n")}

func controlOf(t testing.TB, text string) part {
	return part{name: "control.tar.gz", data: gz(tarOf(t, special(tar.TypeDir, "./", ""), entry("./control", text)))}
}

func dataOf(t testing.TB) part {
	return part{name: "data.tar.gz", data: gz(tarOf(t, special(tar.TypeDir, "./", ""), entry("./usr/share/doc/hello/data", "hello\n")))}
}

func debOf(t testing.TB, control string) []byte {
	return ar(binaryPart, controlOf(t, control), dataOf(t))
}
