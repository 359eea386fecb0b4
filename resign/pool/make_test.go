package pool

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/cache"
	"aptmirror/resign/deb"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func newPool(t testing.TB, change func(*Config)) *Pool {
	t.Helper()
	store, err := cache.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	c := Config{Name: "internal", Cache: store}
	if change != nil {
		change(&c)
	}
	return New(c)
}

// askingFor is a pool whose packages need a signature by one of the keys.
func askingFor(t testing.TB, keys ...*upstreamtest.Key) *Pool {
	t.Helper()
	var ring bytes.Buffer
	for _, k := range keys {
		ring.Write(k.Public())
	}
	uploaders, err := pgp.ReadKeyring(&ring)
	if err != nil {
		t.Fatal(err)
	}
	return newPool(t, func(c *Config) { c.Uploaders = uploaders })
}

// file is a file of text or bytes.
func file[T string | []byte](name string, data T) File {
	return File{Name: name, Size: int64(len(data)), Body: bytes.NewReader([]byte(data))}
}

func content(t testing.TB, f File) []byte {
	t.Helper()
	data := make([]byte, f.Size)
	if _, err := io.ReadFull(f.reader(), data); err != nil {
		t.Fatal(err)
	}
	return data
}

// control is a control file with further lines.
func control(name, version, arch, more string) string {
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Tester <tester@mirror.example.org>\n%sDescription: for tests\n It does nothing.\n", name, version, arch, more)
}

// newDeb builds a package whose one file has that text.
func newDeb(t testing.TB, fields, text string) File {
	t.Helper()
	p := deb.Package{Control: []byte(fields), Time: time.Unix(1_700_000_000, 0), Files: []deb.File{{Path: "usr/share/doc/x/data", Mode: 0o644, Data: []byte(text)}}}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	return file("as-it-came.deb", out.Bytes())
}

func named(name string, f File) File {
	f.Name = name
	return f
}

// newSource makes a source package of a .dsc and the given files.
func newSource(t testing.TB, name, version string, parts ...File) File {
	t.Helper()
	return file(name+"_"+withoutEpoch(version)+".dsc", dscText(t, name, version, parts...))
}

func dscText(t testing.TB, name, version string, parts ...File) string {
	t.Helper()
	text := fmt.Sprintf("Format: 3.0 (quilt)\nSource: %s\nBinary: %[1]s\nArchitecture: any\nVersion: %s\nMaintainer: Tester <tester@mirror.example.org>\nStandards-Version: 4.6.2\nBuild-Depends: debhelper-compat (= 13), x [amd64] <!nocheck>\nPackage-List:\n %[1]s deb misc optional arch=any\n", name, version)
	sums := []string{"Checksums-Sha1:\n", "Checksums-Sha256:\n", "Files:\n"}
	for _, p := range parts {
		data := content(t, p)
		sums[0] += fmt.Sprintf(" %x %d %s\n", sha1.Sum(data), p.Size, p.Name)
		sums[1] += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(data), p.Size, p.Name)
		sums[2] += fmt.Sprintf(" %x %d %s\n", md5.Sum(data), p.Size, p.Name)
	}
	return text + strings.Join(sums, "")
}

func changesText(t testing.TB, section string, files ...File) string {
	t.Helper()
	text := "Format: 1.8\nDate: Sun, 01 Mar 2026 12:00:00 +0000\nSource: hello\nArchitecture: source all\nVersion: 1.0-1\nDistribution: stable\n"
	sums, list := "Checksums-Sha256:\n", "Files:\n"
	for _, f := range files {
		data := content(t, f)
		sums += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(data), f.Size, f.Name)
		list += fmt.Sprintf(" %x %d %s optional %s\n", md5.Sum(data), f.Size, section, f.Name)
	}
	return text + sums + list
}

func clearsigned(t testing.TB, text string, keys ...*upstreamtest.Key) string {
	t.Helper()
	return string(upstreamtest.Clearsign(t, []byte(text), time.Now().Add(-time.Minute), keys...))
}

// debsigned adds the member that debsigs does.
func debsigned(t testing.TB, f File, keys ...*upstreamtest.Key) File {
	t.Helper()
	data := content(t, f)
	var covered []byte
	for at := 8; at < len(data); {
		size := 0
		if _, err := fmt.Sscan(string(data[at+48:at+58]), &size); err != nil {
			t.Fatal(err)
		}
		covered = append(covered, data[at+60:at+60+size]...)
		at += 60 + size + size%2
	}
	sig := upstreamtest.DetachSign(t, covered, time.Now().Add(-time.Minute), keys...)
	data = fmt.Appendf(data, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", "_gpgorigin", 0, 0, 0, "100644", len(sig), sig)
	if len(sig)%2 == 1 {
		data = append(data, '\n')
	}
	return file(f.Name, data)
}

// tool skips the test where the program is missing.
func tool(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name + " is not installed")
	}
}

// inFolder writes files and gives the folder.
func inFolder(t testing.TB, files ...File) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), content(t, f), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// output is what a program prints in a folder.
func output(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	tool(t, name)
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C.UTF-8")
	out, err := cmd.Output()
	if err != nil {
		complaint := []byte(nil)
		if failed, ok := err.(*exec.ExitError); ok {
			complaint = failed.Stderr
		}
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out, complaint)
	}
	return string(out)
}

// fromFolder opens all files of a folder that have one of the suffixes.
func fromFolder(t testing.TB, dir string, suffixes ...string) (files []File) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		for _, s := range suffixes {
			if strings.HasSuffix(e.Name(), s) {
				data, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				files = append(files, file(e.Name(), data))
			}
		}
	}
	return files
}
