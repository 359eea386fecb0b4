package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/resign/deb"
	"aptmirror/upstream/upstreamtest"
)

// newPoolHost is a host with a repository "site" of an archive and of the
// site's own packages, and with the client "maker" who may upload them.
func newPoolHost(t *testing.T, a *upstreamtest.Archive) (h *host, incoming string) {
	t.Helper()
	h = newHost(t, a)
	incoming = filepath.Join(h.dir, "incoming")
	if err := h.mkdir(incoming); err != nil {
		t.Fatal(err)
	}
	h.must("key", "create", "ours")
	h.edit(func(text string) string {
		return text + fmt.Sprintf(`
[[pool]]
name = "internal"
incoming = %q

[[pool]]
name = "strict"
signed_by = [%q]

[[repository]]
name = "site"
sign_with = ["keys/ours.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable", "pool:internal"]
  architectures = [%q, "source"]
  keyring_package = true

[[grant]]
identity = "dns:maker"
upload = ["internal", "strict"]
`, incoming, a.KeyringFile(), aptsources.Architecture())
	})
	return h, incoming
}

// makeDeb builds a package that needs another.
func makeDeb(t *testing.T, name, version, depends string) []byte {
	t.Helper()
	p := deb.Package{Time: time.Unix(1_700_000_000, 0), Files: []deb.File{{Path: "usr/share/doc/" + name + "/version", Mode: 0o644, Data: []byte(version + "\n")}}}
	p.Control = fmt.Appendf(nil, "Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Tester <tester@mirror.example.org>\nDepends: %s\nSection: misc\nDescription: for tests\n", name, version, depends)
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// curl uploads a file as README says, and gives what curl says of the answer.
func (c *client) curl(file string, data []byte, address string) (out string, ok bool) {
	c.t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		c.t.Skip("curl is not installed")
	}
	path := c.work(file)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	tlsDir := c.kit + "/tls/"
	got, err := c.command(ctx, "curl", "--silent", "--show-error", "--fail-with-body", "--cert", tlsDir+"client.pem", "--key", tlsDir+"client.key",
		"--cacert", tlsDir+"ca.pem", "--upload-file", path, "https://localhost:"+c.port+"/-/upload/"+address).CombinedOutput()
	return string(got), err == nil
}

// sees wants apt to know a version of a package, or none for "", soon.
func (c *client) sees(name, version string) {
	c.t.Helper()
	if version == "" {
		version = "(none)"
	}
	eventually(c.t, "apt's candidate of "+name+" is "+version, func() bool {
		c.update()
		out := c.mustApt("apt-cache", "policy", name)
		return strings.Contains(out, "Candidate: "+version+"\n") || version == "(none)" && !strings.Contains(out, "Candidate: ")
	})
}

func TestPrivatePackagesReachClients(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	lib := a.AddPackage(upstreamtest.Package{Name: "libx", Version: "1.0"})
	a.Publish()
	h, incoming := newPoolHost(t, a)
	h.must("sync")
	maker, machine := h.client("maker"), h.client("machine")
	p := h.serve()

	// By upload, with what upstream has as a dependency.
	first := makeDeb(t, "corp-tool", "1.0", "libx (>= 1.0)")
	if out, ok := maker.curl("corp-tool.deb", first, "internal/"); !ok || out != "kept\n" {
		t.Fatalf("curl said %q", out)
	}
	machine.sees("corp-tool", "1.0")
	machine.mustApt("apt-get", "install", "--download-only", "-y", "corp-tool")
	for name, want := range map[string][]byte{"corp-tool_1.0_all.deb": first, "libx_1.0_" + aptsources.Architecture() + ".deb": lib.Deb} {
		if got, err := os.ReadFile(machine.kit + "/cache/archives/" + name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}

	// What is not in order, or not allowed, is refused with the reason.
	tampered := bytes.Clone(first)
	tampered[len(tampered)-6] ^= 1
	for _, c := range []struct {
		by            *client
		address, want string
		data          []byte
	}{
		{maker, "internal/corp-tool.deb", "data.tar.gz", tampered},
		{maker, "internal/corp-tool.deb", "other bytes", makeDeb(t, "corp-tool", "1.0", "bash")},
		{maker, "strict/corp-tool.deb", "sign the package with debsigs", first},
		{maker, "nowhere/corp-tool.deb", "may not upload to nowhere", first},
		{machine, "internal/corp-tool.deb", "may not upload to internal", first},
	} {
		if out, ok := c.by.curl("x.deb", c.data, c.address); ok || !strings.Contains(out, c.want) {
			t.Errorf("%s: curl said %q, want %q", c.address, out, c.want)
		}
	}

	// By the drop folder, and removed again.
	if err := os.WriteFile(filepath.Join(incoming, "corp-tool_2.0_all.deb"), makeDeb(t, "corp-tool", "2.0", "libx"), 0o644); err != nil {
		t.Fatal(err)
	}
	machine.sees("corp-tool", "2.0")
	h.must("package", "remove", "internal", "corp-tool=2.0")
	machine.sees("corp-tool", "1.0")
	h.must("package", "remove", "internal", "corp-tool")
	machine.sees("corp-tool", "")
	machine.mustApt("apt-get", "download", "site-archive-keyring")
	for _, want := range []string{"msg=upload ", "by=dns:maker", "by=\"the folder " + incoming + "\""} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("the log has no %q", want)
		}
	}
	h.checkStore()
}

// forwarder adds the client's certificate to what comes in plain HTTP, as
// stunnel does for programs that have no way to show one.
func (c *client) forwarder() (host string) {
	c.t.Helper()
	to, err := url.Parse("https://localhost:" + c.port)
	if err != nil {
		c.t.Fatal(err)
	}
	p := &httputil.ReverseProxy{Transport: c.http().Transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // stunnel knows nothing of it
	}}
	s := httptest.NewServer(p)
	c.t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestDputUploadsSets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"dput", "dpkg-buildpackage"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(name + " is not installed")
		}
	}
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "libx", Version: "1.0"})
	a.Publish()
	h, _ := newPoolHost(t, a)
	h.must("sync")
	maker, machine := h.client("maker"), h.client("machine")
	h.serve()

	changes := maker.buildSource()
	config := "[site]\nfqdn = " + maker.forwarder() + "\nmethod = http\nincoming = /-/upload/internal/set\nallow_unsigned_uploads = 1\nallow_dcut = 0\n"
	if err := os.WriteFile(maker.work("dput.cf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := maker.command(ctx, "dput", "--config", maker.work("dput.cf"), "--unchecked", "--force", "site", changes).CombinedOutput()
	if err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	machine.sees("hello", "1.0")
	machine.mustApt("apt-get", "source", "--download-only", "hello")
	if _, err := os.Stat(machine.work("hello_1.0.dsc")); err != nil {
		t.Error(err)
	}
	if list := h.must("package", "list").stdout; strings.Count(list, "hello") != 2 {
		t.Errorf("the pool has\n%s", list)
	}
}

// buildSource makes a package with dpkg-buildpackage and gives its .changes.
func (c *client) buildSource() string {
	c.t.Helper()
	for name, text := range map[string]string{
		"debian/control":       "Source: hello\nSection: misc\nPriority: optional\nMaintainer: Tester <tester@mirror.example.org>\nStandards-Version: 4.6.2\n\nPackage: hello\nArchitecture: all\nDescription: for tests\n It does nothing.\n",
		"debian/changelog":     "hello (1.0) stable; urgency=medium\n\n  * New.\n\n -- Tester <tester@mirror.example.org>  Sun, 01 Mar 2026 12:00:00 +0000\n",
		"debian/source/format": "3.0 (native)\n",
		"debian/rules": "#!/usr/bin/make -f\nbuild clean build-indep build-arch binary-arch:\n\nbinary binary-indep:\n" +
			"\tmkdir -p debian/tmp/DEBIAN debian/tmp/usr/share/doc/hello\n\techo hi > debian/tmp/usr/share/doc/hello/x\n" +
			"\tdpkg-gencontrol -phello\n\tdpkg-deb --root-owner-group -b debian/tmp ..\n",
	} {
		path := c.work(filepath.Join("hello-1.0", name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			c.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	cmd := c.command(ctx, "dpkg-buildpackage", "-d", "--no-sign")
	cmd.Dir = c.work("hello-1.0")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("%v:\n%s", err, out)
	}
	found, err := filepath.Glob(c.work("*.changes"))
	if err != nil || len(found) != 1 {
		c.t.Fatalf("it made %v, %v", found, err)
	}
	return found[0]
}
