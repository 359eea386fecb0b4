package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
)

// commandsOf gives the first code block below a heading of the README of kits
// that begins with the given words.
func commandsOf(t *testing.T, heading, begin string) string {
	t.Helper()
	text, err := os.ReadFile("../../proxy/kit/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## "+heading+"\n")
	if section, _, _ = strings.Cut(section, "\n## "); !ok {
		t.Fatalf("there is no heading %s", heading)
	}
	for i, block := range strings.Split(section, "```") {
		_, code, _ := strings.Cut(block, "\n")
		if i%2 == 1 && strings.HasPrefix(code, begin) {
			return strings.TrimSpace(code)
		}
	}
	t.Fatalf("below %s there are no commands that begin with %s", heading, begin)
	return ""
}

// TestLiveBootstrap makes minimal systems through the mirror alone, with the
// commands that are documented. It needs the network and takes minutes.
func TestLiveBootstrap(t *testing.T) {
	needLive(t)
	t.Parallel()
	h := liveSite(t)
	build := h.client("build.example.org")
	h.must("client", "add", "target.example.org")
	h.must("client", "kit", "target.example.org", "--format", "deb", "--out", "target.deb")
	h.must("client", "kit", "target.example.org", "--format", "tar", "--out", "target.tar")
	h.must("client", "kit", "target.example.org", "--out", "target-kit")

	t.Run("mmdebstrap", func(t *testing.T) {
		h.bootstrap(t, build, "mmdebstrap")
		h.inRoot(t, "mmdebstrap", "apt-get update --error-on=any && cd /tmp && apt-get download hello")
	})
	t.Run("debootstrap", func(t *testing.T) {
		h.bootstrap(t, build, "debootstrap")
		h.inRoot(t, "debootstrap", "apt-get update --error-on=any && cd /tmp && apt-get download hello && rm -r /etc/aptmirror /etc/apt/apt.conf.d/50aptmirror.conf")
		h.imageStep(t)
	})
}

// liveSite mirrors this machine's sources, which have to be Debian's.
func liveSite(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), port: freePort(t), program: "aptmirror"}
	h.config = filepath.Join(h.dir, "site", "aptmirror.toml")
	h.must("init", "--dir", "site", "--host", "localhost", "--port", h.port)
	loaded, err := config.Load(h.config)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(loaded.Repositories, func(r config.Repository) bool { return r.Name == "debian" }) {
		t.Skip("the sources of this machine are not Debian's")
	}
	h.must("sync")
	h.serve()
	return h
}

// suite is Debian's own of this machine.
func suite(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VERSION_CODENAME=")
	name, _, _ := strings.Cut(rest, "\n")
	return strings.Trim(name, `"`)
}

// bootstrap runs the documented commands and leaves a system in a folder of
// the tool's name.
func (h *host) bootstrap(t *testing.T, build *client, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
	begin := map[string]string{"mmdebstrap": "mmdebstrap", "debootstrap": "echo"}[tool]
	text := strings.NewReplacer("TARGET-FOLDER", "target-kit", "FOLDER", build.kit, "TARGET", tool, "bookworm", suite(t),
		"mirror.example.org:8443", "localhost:"+h.port).Replace(commandsOf(t, tool, begin))
	h.sh(t, text)
	// The mirror has no other name here.
	if err := os.WriteFile(filepath.Join(h.dir, tool, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// imageStep does what building an image with the documented file does.
func (h *host) imageStep(t *testing.T) {
	t.Helper()
	root := filepath.Join(h.dir, "debootstrap")
	kit, err := os.ReadFile(filepath.Join(h.dir, "target.tar"))
	if err == nil {
		err = os.MkdirAll(root+"/run/secrets", 0o755)
	}
	if err == nil {
		err = os.WriteFile(root+"/run/secrets/kit", kit, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, step, _ := strings.Cut(commandsOf(t, "Dockerfile", "# syntax"), "type=secret,id=kit \\\n")
	h.inRoot(t, "debootstrap", step)
	h.inRoot(t, "debootstrap", "dpkg -s hello && test ! -e /etc/aptmirror")
}

func (h *host) inRoot(t *testing.T, root, commands string) {
	t.Helper()
	h.sh(t, "chroot "+root+" sh -ec '"+commands+"'")
}

func (h *host) sh(t *testing.T, commands string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := h.command(ctx, "sh", "-ec", commands)
	cmd.Env = append(cmd.Env, "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", commands, err, lastLines(string(out), 30))
	}
}
