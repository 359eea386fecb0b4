package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// buildPackage makes the Debian package as README says, with a version of its own.
func buildPackage(t *testing.T, version string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", "./systemd/deb", "-version", version, "-out", t.TempDir())
	cmd.Dir = filepath.Join("..", "..")
	var said strings.Builder
	cmd.Stderr = &said
	name, err := cmd.Output()
	if err != nil {
		t.Fatalf("building the package: %v\n%s", err, said.String())
	}
	return strings.TrimSpace(string(name))
}

func TestPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the program")
	}
	needGit(t)
	name := buildPackage(t, "1.0")
	t.Run("lintian", func(t *testing.T) {
		lintian, err := exec.LookPath("lintian")
		if err != nil {
			t.Skip("lintian is not installed")
		}
		cmd := exec.CommandContext(t.Context(), lintian, "--allow-root", "--fail-on", "error,warning", name)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("lintian: %v\n%s", err, out)
		}
	})
	t.Run("the same commit gives the same bytes", func(t *testing.T) {
		first, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		second, err := os.ReadFile(buildPackage(t, "1.0"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, second) {
			t.Error("two different packages")
		}
	})
}

func needGit(t *testing.T) {
	t.Helper()
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		t.Skip("this tree is not a git checkout, from whose commit the package takes its dates")
	}
}

// The life of the package on Debian's releases: install, make a site, serve the
// machine's own apt, upgrade, remove, purge. Nothing boots in there, so that the
// unit's command is run as its user by hand.
func TestLivePackage(t *testing.T) {
	needLive(t)
	t.Parallel()
	first, second := buildPackage(t, "1.0"), buildPackage(t, "1.1")
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, release)
			r.host("cp", first, second, r.dir+"/root")
			r.sh("apt-get update -qq && apt-get install -qq -y --no-install-recommends /root/" + filepath.Base(first))
			if got := r.sh("aptmirror version"); !strings.HasPrefix(got, "aptmirror 1.0 ") {
				t.Errorf("version: %s", got)
			}
			r.sh("id aptmirror && test \"$(stat -c '%U %a' /var/lib/aptmirror)\" = 'aptmirror 700' && test ! -e /etc/aptmirror/aptmirror.toml")
			r.sh("aptmirror init --dir /etc/aptmirror --state /var/lib/aptmirror --host localhost --port " + freePort(t))
			r.useMirror()

			r.sh("dpkg -i /root/" + filepath.Base(second))
			if got := r.sh("aptmirror version"); !strings.HasPrefix(got, "aptmirror 1.1 ") {
				t.Errorf("version after the upgrade: %s", got)
			}
			r.useMirror()
			r.sh("dpkg --remove aptmirror")
			if r.lacks("/var/lib/aptmirror/catalog") || r.lacks("/etc/aptmirror/keys/site.asc") || !r.lacks("/usr/bin/aptmirror") {
				t.Error("removing the package must take the program and leave store and keys")
			}
			r.sh("dpkg --purge aptmirror")
			if !r.lacks("/var/lib/aptmirror") || !r.lacks("/etc/aptmirror") {
				t.Error("purging the package must take store and configuration")
			}
		})
	}
}

var execStart = regexp.MustCompile(`(?m)^ExecStart=(.+)$`)

// useMirror runs what the unit runs, as its user, and has the system's own apt
// fetch through it.
func (r *root) useMirror() {
	r.t.Helper()
	unit, err := os.ReadFile(r.dir + "/usr/lib/systemd/system/aptmirror.service")
	if err != nil {
		r.t.Fatal(err)
	}
	r.sh("aptmirror sync")
	m := execStart.FindSubmatch(unit)
	if m == nil {
		r.t.Fatal("the unit has no ExecStart=")
	}
	p, err := background(r.t.Context(), exec.CommandContext(context.WithoutCancel(r.t.Context()), "chroot", r.dir,
		"setpriv", "--reuid=aptmirror", "--regid=aptmirror", "--clear-groups", "sh", "-c", "exec "+string(m[1])))
	if err != nil {
		r.t.Fatal(err)
	}
	defer p.kill()
	const kit = "cd /root && rm -rf kit && aptmirror client kit own.example.org --format dir --out kit"
	r.sh("test -e /etc/aptmirror/clients/own.example.org || aptmirror client add own.example.org; " + kit)
	r.sh("cd /root && chmod 755 . && APT_CONFIG=kit/apt.conf timeout 300 apt-get update --error-on=any && APT_CONFIG=kit/apt.conf timeout 300 apt-get download hello && rm hello_*.deb")
	r.sh("aptmirror status | grep -q '^aptmirror .*, serving on'")
	if code := p.stop(syscall.SIGTERM); code != 0 {
		r.t.Errorf("the daemon ended with %d\n%s", code, lastLines(p.String(), 20))
	}
}
