package kit

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/resign/deb"
)

// made is the moment at which the packages of these tests are made.
var made = time.Date(2026, 3, 1, 9, 30, 5, 0, time.UTC)

// aptUser is who _apt is in the trees of these tests.
const aptUser = 4242

// debFile writes the package of a kit to a file.
func debFile(t *testing.T, k *Kit, now time.Time) string {
	t.Helper()
	var out bytes.Buffer
	if err := k.WriteDeb(&out, now); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kit.deb")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// mustRun gives what a command prints.
func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestDpkgReadsThePackage(t *testing.T) {
	tool(t, "dpkg-deb")
	file := debFile(t, newKit(t), made)
	fields := mustRun(t, "dpkg-deb", "-f", file, "Package", "Version", "Architecture", "Maintainer", "Depends", "Description")
	for _, want := range []string{"Package: aptmirror-apt-source\n", "Version: 20260301.093005\n", "Architecture: all\n",
		"Maintainer: aptmirror on mirror.example.org <aptmirror@mirror.example.org>\n", "Depends: apt", "   host.example.org\n"} {
		if !strings.Contains(fields, want) {
			t.Errorf("no %q in\n%s", want, fields)
		}
	}
	if got := mustRun(t, "dpkg-deb", "-I", file, "conffiles"); got != "/etc/apt/apt.conf.d/50aptmirror.conf\n/etc/apt/sources.list.d/aptmirror.sources\n" {
		t.Errorf("conffiles are %q", got)
	}
	var got []string
	for line := range strings.Lines(mustRun(t, "dpkg-deb", "-c", file)) {
		f := strings.Fields(line)
		got = append(got, f[0]+" "+f[1]+" "+f[5])
	}
	want := []string{
		"drwxr-xr-x root/root ./",
		"drwxr-xr-x root/root ./etc/",
		"drwxr-xr-x root/root ./etc/apt/",
		"drwxr-xr-x root/root ./etc/apt/apt.conf.d/",
		"-rw-r--r-- root/root ./etc/apt/apt.conf.d/50aptmirror.conf",
		"drwxr-xr-x root/root ./etc/apt/sources.list.d/",
		"-rw-r--r-- root/root ./etc/apt/sources.list.d/aptmirror.sources",
		"drwxr-xr-x root/root ./usr/",
		"drwxr-xr-x root/root ./usr/share/",
		"drwxr-xr-x root/root ./usr/share/aptmirror-apt-source/",
		"-rw-r--r-- root/root ./usr/share/aptmirror-apt-source/ca.pem",
		"-rw------- root/root ./usr/share/aptmirror-apt-source/client.key",
		"-rw-r--r-- root/root ./usr/share/aptmirror-apt-source/client.pem",
		"drwxr-xr-x root/root ./usr/share/doc/",
		"drwxr-xr-x root/root ./usr/share/doc/aptmirror-apt-source/",
		"-rw-r--r-- root/root ./usr/share/doc/aptmirror-apt-source/changelog.gz",
		"-rw-r--r-- root/root ./usr/share/doc/aptmirror-apt-source/copyright",
		"drwxr-xr-x root/root ./usr/share/keyrings/",
		"-rw-r--r-- root/root ./usr/share/keyrings/aptmirror-debian.gpg",
		"-rw-r--r-- root/root ./usr/share/keyrings/aptmirror-site.gpg",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPackagesAreReproducible(t *testing.T) {
	k := newKit(t)
	first, err := os.ReadFile(debFile(t, k, made))
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(debFile(t, k, made.In(time.FixedZone("", 3600))))
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the same kit at the same time gives other bytes: %v", err)
	}
}

func TestLintianFindsNoError(t *testing.T) {
	tool(t, "lintian")
	file := filepath.Join(t.TempDir(), "aptmirror-apt-source_20260301.093005_all.deb")
	if err := os.Rename(debFile(t, newKit(t), made), file); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error", file).CombinedOutput()
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// target is the root of a machine on which nothing but dpkg works.
type target struct {
	t   *testing.T
	dir string
}

func newTarget(t *testing.T) *target {
	t.Helper()
	tool(t, "dpkg")
	if os.Getuid() != 0 {
		t.Skip("only root can give files to others, as dpkg does")
	}
	m := &target{t, t.TempDir()}
	for _, dir := range []string{"etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "var/log"} {
		if err := os.MkdirAll(filepath.Join(m.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	m.write("etc/passwd", fmt.Sprintf("root:x:0:0::/:/bin/sh\n_apt:x:%d:65534::/nonexistent:/bin/false\n", aptUser))
	m.write("var/lib/dpkg/status", "")
	return m
}

func (m *target) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// dpkg runs the package's scripts outside of the root, with DPKG_ROOT.
func (m *target) dpkg(args ...string) string {
	m.t.Helper()
	return mustRun(m.t, "dpkg", append([]string{"--root=" + m.dir, "--log=/dev/null", "--force-script-chrootless", "--force-depends", "--force-confdef", "--force-confold"}, args...)...)
}

// installed says what is in etc/aptmirror: mode and owner of each file.
func (m *target) installed() map[string]string {
	m.t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(m.dir, tlsDir))
	if errors.Is(err, fs.ErrNotExist) {
		return found
	}
	if err != nil {
		m.t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			m.t.Fatal(err)
		}
		found[e.Name()] = fmt.Sprintf("%s %d", info.Mode(), info.Sys().(*syscall.Stat_t).Uid)
	}
	return found
}

func (m *target) wantPair(k *Kit) {
	m.t.Helper()
	if cert, key := read(m.t, m.dir, tlsDir, "client.pem"), read(m.t, m.dir, tlsDir, "client.key"); cert != string(k.ClientCert) || key != string(k.ClientKey) {
		m.t.Errorf("certificate and key are not those of the kit: %v, %v", cert == string(k.ClientCert), key == string(k.ClientKey))
	}
}

var wantInstalled = map[string]string{"ca.pem": "-rw-r--r-- 0", "client.pem": "-rw-r--r-- 0", "client.key": fmt.Sprintf("-r-------- %d", aptUser)}

func TestInstallUpgradeAndPurge(t *testing.T) {
	m := newTarget(t)
	first, second := newKit(t), newKit(t)
	m.dpkg("-i", debFile(t, first, made))
	if diff := cmp.Diff(wantInstalled, m.installed()); diff != "" {
		t.Errorf("installed (-want +got):\n%s", diff)
	}
	m.wantPair(first)

	// The administrator of the machine has changed apt's part; a new certificate does not wait for that.
	const sources = "etc/apt/sources.list.d/aptmirror.sources"
	m.write(sources, "# mine\n")
	second.Sources[0].Suites = []string{"trixie"}
	m.dpkg("-i", debFile(t, second, made.Add(time.Second)))
	m.wantPair(second)
	if diff := cmp.Diff(wantInstalled, m.installed()); diff != "" {
		t.Errorf("upgraded (-want +got):\n%s", diff)
	}
	if got := read(t, m.dir, sources); got != "# mine\n" {
		t.Errorf("a changed file of apt's became %q", got)
	}

	m.dpkg("-r", packageName)
	if diff := cmp.Diff(wantInstalled, m.installed()); diff != "" {
		t.Errorf("removed, not purged (-want +got):\n%s", diff)
	}
	m.write("etc/aptmirror/aptmirror.toml", "of the server")
	m.dpkg("-P", packageName)
	if got := m.installed(); len(got) != 1 || got["aptmirror.toml"] == "" {
		t.Errorf("after purging there are %v", got)
	}
	left, err := filepath.Glob(m.dir + "/etc/apt/*/*")
	more, err2 := filepath.Glob(m.dir + "/usr/share/*")
	if err := errors.Join(err, err2); err != nil || len(left)+len(more) > 0 {
		t.Errorf("after purging there are %v %v (%v)", left, more, err)
	}
}

// A key that the machine made itself is given to _apt, and outlives the package.
func TestPackageWithoutKey(t *testing.T) {
	m, k := newTarget(t), newKit(t)
	k.ClientKey = nil
	file := debFile(t, k, made)
	if out := m.dpkg("-i", file); !strings.Contains(out, "this kit has no key") {
		t.Errorf("nothing is said of the missing key:\n%s", out)
	}
	m.write("etc/aptmirror/client.key", "own")
	m.dpkg("-i", file)
	if diff := cmp.Diff(wantInstalled, m.installed()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	m.dpkg("-P", packageName)
	if got := read(t, m.dir, "etc/aptmirror/client.key"); got != "own" || len(m.installed()) != 1 {
		t.Errorf("after purging there are %v, the key is %q", m.installed(), got)
	}
}

func TestTarIsTheMachinesTree(t *testing.T) {
	k := newKit(t)
	var out bytes.Buffer
	if err := k.WriteTar(&out, made); err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s:%s %s", h.FileInfo().Mode(), h.Uname, h.Gname, h.Name))
		if !h.ModTime.Equal(made) || h.Uid != 0 || h.Gid != 0 {
			t.Errorf("%s is of %s and belongs to %d:%d", h.Name, h.ModTime, h.Uid, h.Gid)
		}
	}
	want := []string{
		"drwxr-xr-x root:root etc/aptmirror/",
		"-rw-r--r-- root:root etc/apt/apt.conf.d/50aptmirror.conf",
		"-rw-r--r-- root:root etc/apt/sources.list.d/aptmirror.sources",
		"-rw-r--r-- root:root usr/share/keyrings/aptmirror-debian.gpg",
		"-rw-r--r-- root:root usr/share/keyrings/aptmirror-site.gpg",
		"-rw-r--r-- root:root etc/aptmirror/ca.pem",
		"-rw-r--r-- root:root etc/aptmirror/client.pem",
		"-r-------- _apt:root etc/aptmirror/client.key",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Names as long as they may be still fit, and what is refused leaves nothing half written.
func TestLongNamesAndRefusals(t *testing.T) {
	k := newKit(t)
	k.Sources[0].Repository = strings.Repeat("r", maxName)
	for name, write := range map[string]func(io.Writer, time.Time) error{"deb": k.WriteDeb, "tar": k.WriteTar} {
		var out bytes.Buffer
		if err := write(&out, made); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	k.URL = "http://mirror.example.org"
	for name, write := range map[string]func(io.Writer, time.Time) error{"deb": k.WriteDeb, "tar": k.WriteTar} {
		var out bytes.Buffer
		if err := write(&out, made); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v after %d bytes", name, err, out.Len())
		}
	}
}

// A keyring that a package of its repository brings, too, is there from the
// beginning, and from then on is what that package says.
func TestKeyringsPassToTheirPackage(t *testing.T) {
	m, k := newTarget(t), newKit(t)
	k.Sources[1].KeyringPackage = "site-archive-keyring"
	kit := debFile(t, k, made)
	const name = "usr/share/keyrings/site-archive-keyring.gpg"
	m.dpkg("-i", kit)
	if got := read(t, m.dir, name); got != string(keyring) {
		t.Errorf("installed: %q", got)
	}
	if text := read(t, m.dir, "etc/apt/sources.list.d/aptmirror.sources"); !strings.Contains(text, "\nSigned-By: /"+name+"\n") {
		t.Errorf("the sources do not name it:\n%s", text)
	}

	newer := deb.Package{
		Control: []byte("Package: site-archive-keyring\nVersion: 2\nArchitecture: all\nMaintainer: Tester <tester@mirror.example.org>\nDescription: keys\n"),
		Files:   []deb.File{{Path: name, Mode: 0o644, Data: []byte("newer keys")}}, Time: made,
	}
	file := filepath.Join(t.TempDir(), "keyring.deb")
	var out bytes.Buffer
	if err := errors.Join(newer.Write(&out), os.WriteFile(file, out.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, act := range [][]string{{"-i", file}, {"-i", kit}, {"-P", packageName}} {
		m.dpkg(act...)
		if got := read(t, m.dir, name); got != "newer keys" {
			t.Errorf("after dpkg %v: %q", act, got)
		}
	}
	m.dpkg("-P", "site-archive-keyring")
	m.dpkg("-i", kit)
	m.dpkg("-P", packageName)
	if _, err := os.Stat(filepath.Join(m.dir, name)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the kit's own copy stays after purging: %v", err)
	}
}
