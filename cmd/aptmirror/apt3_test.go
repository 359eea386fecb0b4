package main

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// guest is a client whose apt is that of another Debian system. Its kit is at
// the same place there.
type guest struct {
	*client
	root *root
}

// apt runs a program there, with the kit as it is now.
func (g *guest) apt(args ...string) (string, bool) {
	g.t.Helper()
	dir := g.root.dir + g.kit
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		g.t.Fatal(err)
	}
	g.root.host("cp", "-aT", g.kit, dir)
	ctx, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	words := append([]string{g.root.dir, "env", "-C", g.kit, "APT_CONFIG=" + g.kit + "/apt.conf", args[0], "-o", "Acquire::Retries=0"}, args[1:]...)
	cmd := exec.CommandContext(ctx, "chroot", words...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		g.t.Fatalf("%v hangs:\n%s", args, out)
	}
	return string(out), err == nil
}

func (g *guest) mustApt(args ...string) {
	g.t.Helper()
	if out, ok := g.apt(args...); !ok {
		g.t.Fatalf("%v failed:\n%s", args, out)
	}
}

// fetched gives a file that apt has downloaded there.
func (g *guest) fetched(name string) []byte {
	g.t.Helper()
	data, err := os.ReadFile(g.root.dir + g.kit + "/" + name)
	if err != nil {
		g.t.Fatal(err)
	}
	return data
}

// TestLiveApt3 uses the mirror with the apt of Debian 13, which has another TLS
// library and another verifier of signatures than the one of Debian 12.
func TestLiveApt3(t *testing.T) {
	t.Parallel()
	r := newRoot(t, "trixie")
	if version := r.sh("apt-get --version"); !strings.HasPrefix(version, "apt 3.") {
		t.Fatalf("this is %s", version)
	}
	h, hello := proxyHost(t)
	direct := &guest{h.client("direct"), r}
	proxied := &guest{h.client("proxied").keepSources(known), r}
	astray := &guest{h.client("astray").keepSources("http://other.example.org/debian"), r}
	tunnel := &guest{h.client("tunnel").keepSources("https://deb.example.org/debian"), r}
	bad := &guest{h.client("bad"), r}
	verdicts := certificateVerdicts(h)
	for i, v := range verdicts {
		verdicts[i].want = cmp.Or(byOpenSSL[v.name], v.want)
	}
	h.must("sync")
	p := h.serve()

	for name, g := range map[string]*guest{"direct": direct, "proxy mode": proxied} {
		t.Run(name, func(t *testing.T) {
			g.mustApt("apt-get", "update", "--error-on=any")
			g.mustApt("apt-get", "download", "hello")
			if got := g.fetched(path.Base(hello.Filename)); !bytes.Equal(got, hello.Deb) {
				t.Errorf("got %d bytes, other ones than the %d of upstream", len(got), len(hello.Deb))
			}
			g.mustApt("apt-get", "source", "--download-only", "hello")
			seen := len(p.String())
			g.mustApt("apt-get", "update", "--error-on=any")
			if got := g.requests(p, &seen); len(got) != 1 || !strings.HasSuffix(got[0], "/dists/stable/InRelease 304") {
				t.Errorf("an update without news asked for %q", got)
			}
		})
	}
	t.Run("certificates", func(t *testing.T) { bad.checkVerdicts(t, bad.apt, verdicts) })
	t.Run("another host through the proxy", func(t *testing.T) {
		want := "403  http://other.example.org/debian/dists/stable/InRelease is not mirrored here, only http://"
		if out, ok := astray.apt("apt-get", "update"); ok || !strings.Contains(out, want) {
			t.Errorf("%v, want %q in\n%s", ok, want, out)
		}
	})
	t.Run("a tunnel", func(t *testing.T) {
		want := "405 this proxy opens no tunnels: write http://"
		if out, ok := tunnel.apt("apt-get", "update", "--error-on=any"); ok || !strings.Contains(out, want) {
			t.Errorf("%v, want %q in\n%s", ok, want, out)
		}
	})
	t.Run("http to the https port", func(t *testing.T) {
		want := "400  this server speaks HTTPS alone: write https://"
		if out, ok := proxied.apt("apt-get", "update", "-oAcquire::http::Proxy=http://localhost:"+h.port); ok || !strings.Contains(out, want) {
			t.Errorf("%v, want %q in\n%s", ok, want, out)
		}
	})
}
