package deb

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, data []byte) (*Deb, error) {
	t.Helper()
	return Read(t.Context(), bytes.NewReader(data), int64(len(data)))
}

func TestRead(t *testing.T) {
	d, err := read(t, debOf(t, "\n"+hello+"\n\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(hello, string(d.Control)); diff != "" {
		t.Errorf("control (-want +got):\n%s", diff)
	}
	got := []string{d.Name, d.Version, d.Arch, d.Source, d.Section}
	if diff := cmp.Diff([]string{"hello", "1.0-1", "all", "hello", "misc"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if sig, _, err := d.Origin(); sig != nil || err != nil {
		t.Errorf("signature %q, %v", sig, err)
	}
}

func TestSourceField(t *testing.T) {
	for field, want := range map[string]string{"": "hello", "Source: greetings\n": "greetings", "Source: greetings (2:1.0-3)\n": "greetings"} {
		d, err := read(t, debOf(t, hello+field))
		if err != nil || d.Source != want {
			t.Errorf("%q: %v, %v", field, d, err)
		}
	}
}

// Everything that dpkg-deb makes reads as dpkg-deb reads it.
func TestDpkgMakesWhatWeRead(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	tree := t.TempDir()
	for name, text := range map[string]string{"DEBIAN/control": hello, "DEBIAN/md5sums": "", "usr/share/x/data": strings.Repeat("x", 5000)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(tree, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(tree, "DEBIAN"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"-Znone", "-Zgzip", "-Zxz", "-Zzstd"} {
		for _, uniform := range []string{"--uniform-compression", "--no-uniform-compression"} {
			t.Run(format+uniform, func(t *testing.T) {
				file := filepath.Join(t.TempDir(), "hello.deb")
				if out, err := exec.CommandContext(t.Context(), "dpkg-deb", format, uniform, "--root-owner-group", "-b", tree, file).CombinedOutput(); err != nil {
					t.Skipf("this dpkg-deb cannot: %v\n%s", err, out)
				}
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				d, err := read(t, data)
				if err != nil {
					t.Fatal(err)
				}
				want, err := exec.CommandContext(t.Context(), "dpkg-deb", "-f", file).Output()
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(d.Control)); diff != "" {
					t.Errorf("(-dpkg-deb +ours):\n%s", diff)
				}
			})
		}
	}
}

func TestOriginCoversTheThreeMembers(t *testing.T) {
	control, data := controlOf(t, hello), dataOf(t)
	d, err := read(t, ar(binaryPart, control, data, part{name: "_gpgorigin", data: []byte("signature")}, part{name: "_gpgbuilder", data: []byte("x")}))
	if err != nil {
		t.Fatal(err)
	}
	sig, covered, err := d.Origin()
	if err != nil || string(sig) != "signature" {
		t.Fatalf("%q, %v", sig, err)
	}
	got, err := io.ReadAll(covered)
	if want := "2.0\n" + string(control.data) + string(data.data); err != nil || string(got) != want {
		t.Errorf("covers %d bytes, want %d: %v", len(got), len(want), err)
	}
	d, err = read(t, ar(binaryPart, control, data, part{name: "_gpgorigin", data: make([]byte, maxMemberBytes+1)}))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Origin(); err == nil {
		t.Error("a signature of 64 KiB was read")
	}
}

func TestReadingStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	data := debOf(t, hello)
	if _, err := Read(ctx, bytes.NewReader(data), int64(len(data))); err == nil {
		t.Error("read on after the end of its context")
	}
}

func TestWhatIsWrittenReads(t *testing.T) {
	p := &Package{Control: []byte(hello), Time: made, Scripts: []File{{"postinst", 0o755, []byte("#!/bin/sh\n")}},
		Conffiles: []File{{"etc/hello", 0o644, []byte("x\n")}}, Files: []File{{"usr/share/hello/b", 0o644, make([]byte, 1025)}, {"usr/share/a", 0o600, nil}}}
	var first, second bytes.Buffer
	if err := p.Write(&first); err != nil {
		t.Fatal(err)
	}
	if err := p.Write(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("the same package has other bytes the second time: %v", err)
	}
	d, err := read(t, first.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(hello, "Section", "Installed-Size: 3\nSection", 1); string(d.Control) != want {
		t.Errorf("control (-want +got):\n%s", cmp.Diff(want, string(d.Control)))
	}
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	file := filepath.Join(t.TempDir(), "hello.deb")
	if err := os.WriteFile(file, first.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-c", file).CombinedOutput()
	var got []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		got = append(got, f[0]+" "+f[1]+" "+f[5])
	}
	want := []string{"drwxr-xr-x root/root ./", "drwxr-xr-x root/root ./etc/", "-rw-r--r-- root/root ./etc/hello", "drwxr-xr-x root/root ./usr/",
		"drwxr-xr-x root/root ./usr/share/", "-rw------- root/root ./usr/share/a", "drwxr-xr-x root/root ./usr/share/hello/", "-rw-r--r-- root/root ./usr/share/hello/b"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// A package that was read is one that an index can hold, and reads the same again when written anew.
func FuzzRead(f *testing.F) {
	f.Add(debOf(f, hello))
	f.Add(ar(binaryPart, part{name: "control.tar", data: tarOf(f, entry("control", hello))}, part{name: "data.tar.zst", data: zst(tarOf(f, entry("./x", "x")))}))
	f.Add(ar(binaryPart, controlOf(f, hello), dataOf(f), part{name: "_gpgorigin", data: []byte("x")}))
	for _, c := range overlong {
		f.Add(bigTar(c.flag, c.size))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := read(t, data)
		if err != nil {
			return
		}
		again, err := read(t, debOf(t, string(d.Control)))
		if err != nil {
			t.Fatalf("%v in\n%s", err, d.Control)
		}
		if !bytes.Equal(again.Control, d.Control) || again.Name != d.Name || again.Version != d.Version || again.Source != d.Source {
			t.Errorf("reads as %q, then as %q", d.Control, again.Control)
		}
	})
}

func FuzzControl(f *testing.F) {
	f.Add(hello)
	f.Add("Package: a+b.c\nVersion: 1:2~3-4\nArchitecture: linux-any\nSource: x (1)\nProvides: y (= 1)\n")
	f.Fuzz(func(t *testing.T, text string) {
		d := &Deb{Control: trimLines([]byte(text))}
		if err := d.parse(); err == nil && (len(d.Name) < 2 || d.Version == "" || d.Arch == "" || d.Source == "") {
			t.Errorf("%+v from %q", d, text)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	big := entry("./usr/lib/big", strings.Repeat("some text that compresses a little\n", 1<<17))
	for name, data := range map[string]part{
		"gz":  {name: "data.tar.gz", data: gz(tarOf(b, big))},
		"zst": {name: "data.tar.zst", data: zst(tarOf(b, big))},
	} {
		b.Run(name, func(b *testing.B) {
			file := ar(binaryPart, controlOf(b, hello), data)
			b.SetBytes(int64(len(big.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(b, file); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
