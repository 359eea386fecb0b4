package upstreamtest

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// sample is an archive with a bit of everything, published once.
func sample(t *testing.T) *Archive {
	t.Helper()
	a := New(t)
	a.AddPackage(Package{Name: "hello", Version: "1:2.0~rc1-1+b1", Size: 5000, Depends: "libhello (>= 1.0)"})
	a.AddPackage(Package{Name: "libhello", Source: "hello (2.0~rc1-1)", Arch: "all", Description: "greets\nLong text.\n\nMore."})
	a.AddSource("hello", "2.0-1")
	a.Publish()
	return a
}

// run runs a tool on a file with these bytes, or skips the test.
func run(t *testing.T, data []byte, tool string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skip(tool + " is not installed")
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), tool, append(args, file)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", tool, args, err, out)
	}
	return string(out)
}

func TestDpkgReadsPackages(t *testing.T) {
	a := New(t)
	p := a.AddPackage(Package{Name: "hello", Version: "1:2.0-1", Size: 3333, Fields: []string{"Provides: greeting"}})
	if want := "pool/main/h/hello/hello_2.0-1_" + a.Arch + ".deb"; p.Filename != want {
		t.Errorf("filename %s, want %s", p.Filename, want)
	}
	info := run(t, a.Get(p.Filename), "dpkg-deb", "-f")
	for _, line := range []string{"Package: hello", "Version: 1:2.0-1", "Provides: greeting", "Architecture: " + a.Arch} {
		if !strings.Contains(info, line+"\n") {
			t.Errorf("dpkg-deb -f has no line %q:\n%s", line, info)
		}
	}
	if list := run(t, a.Get(p.Filename), "dpkg-deb", "-c"); !strings.Contains(list, " 3333 ") {
		t.Errorf("dpkg-deb -c shows no file of 3333 bytes:\n%s", list)
	}
}

func TestDpkgSourceUnpacksSources(t *testing.T) {
	if _, err := exec.LookPath("dpkg-source"); err != nil {
		t.Skip("dpkg-source is not installed")
	}
	a, dir := New(t), t.TempDir()
	paths := a.AddSource("hello", "2.0-1")
	for _, p := range paths {
		if err := os.WriteFile(filepath.Join(dir, path.Base(p)), a.Get(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "dpkg-source", "-x", path.Base(paths[0]), "out")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "out", "README")); err != nil {
		t.Error(err)
	}
}

func TestGpgvVerdicts(t *testing.T) {
	if _, err := exec.LookPath("gpgv"); err != nil {
		t.Skip("gpgv is not installed")
	}
	good := NewKey(t)
	tests := []struct {
		name string
		keys []*Key
		opts []Option
		want string
	}{
		{"good", []*Key{good}, nil, "GOODSIG"},
		{"two", []*Key{good, NewKey(t)}, nil, "GOODSIG"},
		{"foreign", []*Key{NewKey(t)}, nil, "NO_PUBKEY"},
		{"expired", []*Key{NewExpiredKey(t)}, nil, "EXPKEYSIG"},
		{"revoked", []*Key{NewRevokedKey(t)}, nil, "REVKEYSIG"},
		{"expired signature", []*Key{good.SigningFor(time.Minute)}, nil, "EXPSIG"},
		{"SHA-1", []*Key{good.SigningSHA1()}, nil, "GOODSIG"},
		{"weak", []*Key{NewWeakKey(t)}, nil, "GOODSIG"},
		{"tampered", []*Key{good}, []Option{Tampered()}, "BADSIG"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := New(t)
			a.SignWith(test.keys...)
			if test.name != "foreign" {
				a.Trust(test.keys...)
			}
			a.Publish(test.opts...)
			dir := t.TempDir()
			for _, name := range []string{"InRelease", "Release", "Release.gpg"} {
				if err := os.WriteFile(filepath.Join(dir, name), a.Get("dists/stable/"+name), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, files := range [][]string{{"InRelease"}, {"Release.gpg", "Release"}} {
				cmd := exec.CommandContext(t.Context(), "gpgv", append([]string{"--status-fd", "1", "--keyring", a.KeyringFile()}, files...)...)
				cmd.Dir = dir
				out, _ := cmd.Output() // the status lines tell more than the exit code
				if !strings.Contains(string(out), "] "+test.want+" ") {
					t.Errorf("%s: gpgv does not say %s:\n%s", files[0], test.want, out)
				}
			}
		})
	}
}

func TestAptUsesTheArchive(t *testing.T) {
	for name, change := range map[string]func(*Suite){
		"default":      func(*Suite) {},
		"no InRelease": func(s *Suite) { s.OmitInRelease = true },
		"no Release":   func(s *Suite) { s.OmitRelease = true },
		"SHA512 only":  func(s *Suite) { s.Hashes = []string{"SHA512"} },
		"plain":        func(s *Suite) { s.Compressions, s.AcquireByHash = []string{""}, false },
		"separate all": func(s *Suite) { s.SeparateAll = true },
		"expiring":     func(s *Suite) { s.ValidFor = 24 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			a, apt := sample(t), NewAPT(t)
			suites := []*Suite{a.Suite, a.AddSuite("stable/updates"), a.AddSuite("flat/")}
			a.AddPackage(Package{Name: "update", Suite: "stable/updates"})
			a.AddPackage(Package{Name: "flatpkg", Suite: "flat/"})
			for _, s := range suites {
				change(s)
			}
			a.Publish()
			apt.Use(a, suites...)
			checkApt(t, apt)
		})
	}
}

func checkApt(t *testing.T, apt *APT) {
	t.Helper()
	if out, err := apt.Get("update", "--error-on=any"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"download", "hello", "libhello", "update", "flatpkg"}, {"source", "--download-only", "hello"}} {
		if out, err := apt.Get(args...); err != nil {
			t.Errorf("apt-get %v: %v\n%s", args, err, out)
		}
	}
	if out, _ := apt.Run("apt-cache", "show", "libhello"); !strings.Contains(out, "Long text.") {
		t.Errorf("the long description is missing:\n%s", out)
	}
}

func TestAptRefusesLies(t *testing.T) {
	tests := []struct {
		name, pattern string
		fault         Fault
	}{
		{"wrong bytes", "InRelease", WrongBytes},
		{"web page", "InRelease", HTML200},
		{"forbidden", "InRelease", Status(403, "")},
		{"wrong index", "dists/stable/main/binary-*/by-hash/*/*", WrongBytes},
		{"longer index", "dists/stable/main/binary-*/by-hash/*/*", WrongLength},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, apt := sample(t), NewAPT(t)
			apt.Use(a, a.Suite)
			a.Fault(test.pattern, test.fault)
			if out, err := apt.Get("update", "--error-on=any"); err == nil {
				t.Errorf("apt-get update succeeded:\n%s", out)
			}
			a.ClearFaults()
			a.Publish() // apt keeps a wrong InRelease that is as long and as old as the right one
			if out, err := apt.Get("update", "--error-on=any"); err != nil {
				t.Errorf("after the fault: %v\n%s", err, out)
			}
		})
	}
}

func TestEachGenerationIsNewer(t *testing.T) {
	a := sample(t)
	first := string(a.Get("dists/stable/InRelease"))
	byHash := func() (n int) {
		for _, p := range a.Paths() {
			if strings.Contains(p, "/by-hash/") {
				n++
			}
		}
		return n
	}
	before := byHash()
	a.AddPackage(Package{Name: "more"})
	if n := a.Publish(); n != 2 || a.Generations() != 2 {
		t.Errorf("generation %d of %d, want 2 of 2", n, a.Generations())
	}
	second := string(a.Get("dists/stable/InRelease"))
	if releaseTime(t, second).Sub(releaseTime(t, first)) != time.Second {
		t.Errorf("dates %v and %v", releaseTime(t, first), releaseTime(t, second))
	}
	if byHash() <= before {
		t.Error("by-hash files of the first generation are gone")
	}
	a.Replay(1)
	if string(a.Get("dists/stable/InRelease")) != first {
		t.Error("the first generation is not served again")
	}
	a.RemovePackage("more")
	a.Publish(At(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)))
	if got := releaseTime(t, string(a.Get("dists/stable/Release"))); got.Year() != 2021 {
		t.Errorf("published at %v, want 2021", got)
	}
	if strings.Contains(string(a.Get("dists/stable/main/i18n/Translation-en.gz")), "more") {
		t.Error("a removed package is still listed")
	}
}

func releaseTime(t *testing.T, text string) time.Time {
	t.Helper()
	_, rest, _ := strings.Cut(text, "\nDate: ")
	line, _, _ := strings.Cut(rest, "\n")
	date, err := time.Parse(time.RFC1123, line)
	if err != nil {
		t.Fatal(err)
	}
	return date
}

func TestUnsignedLeavesOnlyRelease(t *testing.T) {
	a := sample(t)
	a.Publish(Unsigned())
	if a.Get("dists/stable/Release") == nil || a.Get("dists/stable/InRelease") != nil || a.Get("dists/stable/Release.gpg") != nil {
		t.Error("want Release alone")
	}
}

func TestConcurrentUse(t *testing.T) {
	a := New(t)
	a.Suite.Compressions = []string{"gz"}
	a.Publish()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			a.AddPackage(Package{Name: fmt.Sprint("p", i)})
			a.Publish()
			a.Fault("nothing", NotFound)
			fetch(t, a.URL()+"/dists/stable/InRelease", nil)
			a.ClearFaults()
		})
	}
	wg.Wait()
	if n := a.Count("dists/stable/InRelease"); n != 4 {
		t.Errorf("%d requests, want 4", n)
	}
}
