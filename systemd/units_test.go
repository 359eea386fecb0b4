// Package systemd_test checks the units with systemd's own tools.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tool gives a program of Debian's package systemd.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian package systemd)", name)
	}
	return path
}

func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	text, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(program), args, err, text)
	}
	return string(text)
}

var exposure = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

func TestExposure(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	for _, unit := range []string{"aptmirror.service", "aptmirror-sync.service"} {
		text := output(t, analyze, "security", "--offline=true", "--no-pager", unit)
		m := exposure.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("%s: no exposure level in\n%s", unit, text)
		}
		if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > 1.5 {
			t.Errorf("%s: exposure %s, want at most 1.5\n%s", unit, m[1], text)
		}
	}
}

// host is a root with the units and what they need of a host.
func host(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for from, to := range map[string]string{
		"aptmirror.service": "usr/lib/systemd/system/aptmirror.service", "aptmirror.socket": "usr/lib/systemd/system/aptmirror.socket",
		"aptmirror-sync.service": "usr/lib/systemd/system/aptmirror-sync.service", "aptmirror-sync.timer": "usr/lib/systemd/system/aptmirror-sync.timer",
		"sysusers.conf": "usr/lib/sysusers.d/aptmirror.conf", "tmpfiles.conf": "usr/lib/tmpfiles.d/aptmirror.conf",
	} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = write(filepath.Join(root, to), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"etc/passwd": "root:x:0:0::/root:/bin/sh\n", "etc/group": "root:x:0:\n", "usr/bin/aptmirror": "#!/bin/sh\n"} {
		if err := write(filepath.Join(root, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func write(name string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, mode)
}

func TestUnitsAreUnderstood(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	root := host(t)
	if err := os.CopyFS(filepath.Join(root, "usr/lib/systemd/system"), targets{"network-online", "time-sync", "sysinit", "basic", "shutdown", "multi-user", "sockets", "timers"}.files()); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"aptmirror.service", "aptmirror.socket", "aptmirror-sync.service", "aptmirror-sync.timer"} {
		if text := output(t, analyze, "verify", "--root="+root, "--man=no", unit); text != "" {
			t.Errorf("%s:\n%s", unit, text)
		}
	}
}

func TestUserAndFolderAreMade(t *testing.T) {
	root := host(t)
	output(t, tool(t, "systemd-sysusers"), "--root="+root, "aptmirror.conf")
	passwd, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(passwd), ":aptmirror daemon:/var/lib/aptmirror:") {
		t.Errorf("the user was not made:\n%s", passwd)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can make the folder of another user")
	}
	output(t, tool(t, "systemd-tmpfiles"), "--root="+root, "--create", "aptmirror.conf")
	info, err := os.Stat(filepath.Join(root, "var/lib/aptmirror"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != os.ModeDir|0o700 {
		t.Errorf("the folder of the store has mode %v", info.Mode())
	}
}

func TestTimerIsHourly(t *testing.T) {
	text, err := os.ReadFile("aptmirror-sync.timer")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^OnCalendar=(.+)$`).FindSubmatch(text)
	if m == nil {
		t.Fatal("the timer has no OnCalendar=")
	}
	if out := output(t, tool(t, "systemd-analyze"), "calendar", string(m[1])); !strings.Contains(out, "*-*-* *:00:00") {
		t.Errorf("it is not hourly:\n%s", out)
	}
}
