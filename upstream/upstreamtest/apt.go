package upstreamtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// APT is the machine's own apt-get with a private root: its own sources, lists, cache and empty dpkg status. It installs
// nothing.
type APT struct {
	t   testing.TB
	dir string
}

// NewAPT prepares an apt-get, or skips the test where there is none.
func NewAPT(t testing.TB) *APT {
	t.Helper()
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt-get is not installed")
	}
	a := &APT{t: t, dir: t.TempDir()}
	for _, dir := range []string{"etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d", "etc/trusted.gpg.d", "state/lists/partial",
		"cache/archives/partial", "log", "work"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a.write("status", "")
	a.Configure("")
	return a
}

// Configure writes apt.conf: what keeps apt inside its root, then more in the syntax of apt.conf(5).
func (a *APT) Configure(more string) {
	a.t.Helper()
	a.write("apt.conf", fmt.Sprintf(`Dir::Etc "%[1]s/etc";
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Log "%[1]s/log";
APT::Architecture "%[2]s";
APT::Architectures { "%[2]s"; };
APT::Sandbox::User "";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
Acquire::https::Proxy "DIRECT";
Acquire::Languages { "en"; };
%[3]s
`, a.dir, debianArch(), more))
}

// Sources writes sources.list in its one-line form.
func (a *APT) Sources(lines ...string) {
	a.t.Helper()
	a.write("etc/sources.list", strings.Join(lines, "\n")+"\n")
}

// Use writes the sources.list for the suites of an archive, binary and source.
func (a *APT) Use(archive *Archive, suites ...*Suite) {
	a.t.Helper()
	var lines []string
	for _, s := range suites {
		end := s.Name
		if !s.flat() {
			end += " " + strings.Join(s.Components, " ")
		}
		for _, kind := range []string{"deb", "deb-src"} {
			lines = append(lines, fmt.Sprintf("%s [signed-by=%s] %s %s", kind, archive.KeyringFile(), archive.URL(), end))
		}
	}
	a.Sources(lines...)
}

// Get runs apt-get in a scratch directory, Dir/work, and returns what it printed on both streams.
func (a *APT) Get(args ...string) (output string, err error) {
	a.t.Helper()
	return a.Run("apt-get", args...)
}

// Run runs another program of apt's, such as apt-cache.
func (a *APT) Run(program string, args ...string) (output string, err error) {
	a.t.Helper()
	cmd := exec.CommandContext(a.t.Context(), program, args...)
	cmd.Dir = filepath.Join(a.dir, "work")
	// APT_CONFIG is read before the system's apt.conf.d, which Dir::Etc then leads away from.
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C", "http_proxy=", "https_proxy=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Dir returns the private root.
func (a *APT) Dir() string { return a.dir }

func (a *APT) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}
