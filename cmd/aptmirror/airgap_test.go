package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
	"aptmirror/upstream/upstreamtest"
)

// inside makes a site without a network that takes the bundles of another, for
// its archive "debian".
func (h *host) inside(a *upstreamtest.Archive) *host {
	h.t.Helper()
	in := h.bare()
	in.addFed("debian", a.KeyringFile(), "stable")
	return in
}

func (h *host) bare() *host {
	h.t.Helper()
	in := &host{t: h.t, dir: h.t.TempDir(), program: h.program, port: freePort(h.t)}
	in.config = filepath.Join(in.dir, "site", "aptmirror.toml")
	in.must("init", "--dir", filepath.Dir(in.config), "--host", "localhost", "--host", "127.0.0.1", "--port", in.port, "--no-import")
	in.edit(func(text string) string {
		return replaceOnce(h.t, text, `listen = [":`, `listen = ["127.0.0.1:`) + fmt.Sprintf("\n[bundles]\nsigned_by = [%q]\n", h.siteKey())
	})
	return in
}

// addFed adds an archive that imports alone feed.
func (h *host) addFed(name, keyring, suite string) {
	h.edit(func(text string) string {
		return text + fmt.Sprintf("\n[[archive]]\nname = %q\nuris = []\nsuites = [%q]\ncomponents = [\"main\"]\narchitectures = [%q, \"source\"]\nsigned_by = [%q]\n"+
			"\n[[repository]]\nname = %[1]q\narchive = %[1]q\n", name, suite, aptsources.Architecture(), keyring)
	})
}

// exports lets the site sign bundles.
func (h *host) exports() {
	h.edit(func(text string) string { return text + "\n[bundles]\nsign_with = [\"keys/site.asc\"]\n" })
}

// siteKey gives the public half of the site's key as a file.
func (h *host) siteKey() string {
	h.t.Helper()
	key, err := resign.LoadKey(filepath.Join(filepath.Dir(h.config), "keys", "site.asc"))
	if err != nil {
		h.t.Fatal(err)
	}
	var public bytes.Buffer
	if err := key.WritePublic(&public, false); err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.dir, "site.gpg")
	if err := os.WriteFile(path, public.Bytes(), 0o644); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// askedForParts gives one part on a terminal, and the other when asked for it.
func askedForParts(t *testing.T, in *host, parts []string) {
	t.Helper()
	script, err := exec.LookPath("script")
	if err != nil {
		t.Log("script (of bsdutils) is not installed")
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := in.command(ctx, script, "-qec", in.program+" import "+parts[0], filepath.Join(in.dir, "typescript"))
	cmd.Stdin = strings.NewReader("/nowhere\n" + parts[1] + "\n")
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "no such file") || !strings.Contains(string(text), "is imported") {
		t.Errorf("on a terminal: %v\n%s", err, text)
	}
}

// feed is run with something on standard input.
func (h *host) feed(input string, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := h.command(ctx, h.program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		h.t.Fatalf("aptmirror %v: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

func TestTheAirGap(t *testing.T) {
	t.Parallel()
	for name, withDaemon := range map[string]bool{"without a daemon": false, "with one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, hello, _ := sample(t)
			out := newHost(t, a)
			out.exports()
			in := out.inside(a)
			out.must("sync")
			if !withDaemon {
				carryTwice(t, a, out, in)
				return
			}
			out.serve()
			c := in.client("client")
			in.serve()
			later := carryTwice(t, a, out, in)
			a.Close() // and nothing is asked of it
			c.update()
			c.download(hello)
			c.download(later)
			c.mustApt("apt-get", "install", "--simulate", hello.Name, later.Name)
		})
	}
}

// carryTwice carries a full bundle and then one that builds on it.
func carryTwice(t *testing.T, a *upstreamtest.Archive, out, in *host) (later upstreamtest.Package) {
	usb := filepath.Join(out.dir, "usb")
	if r := out.run("export", "monday", usb); r.code != 2 || !strings.Contains(r.stderr, `no snapshot "monday"`) {
		t.Errorf("exporting nothing: exit code %d\n%s", r.code, r.stderr)
	}
	out.must("snapshot", "create", "monday")
	if r := out.run("export", "monday", usb+"/"); r.code != 3 || !strings.Contains(r.stderr, "aptmirror snapshot complete monday") {
		t.Errorf("exporting what is not complete: exit code %d\n%s", r.code, r.stderr)
	}
	out.must("snapshot", "complete", "monday")
	if r := out.must("export", "monday", usb+"/"); !strings.Contains(r.stderr, filepath.Join(usb, "monday.tar")) {
		t.Errorf("export said\n%s", r.stderr)
	}
	got := data[map[string][]admin.ImportResult](in, "import", usb)["bundles"]
	if len(got) != 1 || got[0].Bundle != "monday" || len(got[0].Suites) != 1 || !got[0].Suites[0].New {
		t.Fatalf("import: %+v", got)
	}
	later = a.AddPackage(upstreamtest.Package{Name: "arrives-later"})
	a.Publish()
	out.must("sync")
	out.must("snapshot", "create", "tuesday", "--complete")
	out.must("export", "tuesday", "--since", "monday", usb)
	if r := in.must("import", usb); !strings.Contains(r.stderr, "bundle tuesday") {
		t.Errorf("import said\n%s", r.stderr)
	}
	if r := in.must("import", usb); !strings.Contains(r.stderr, "monday.tar was imported before") {
		t.Errorf("importing all again said\n%s", r.stderr)
	}
	if r := in.run("import", filepath.Join(usb, "monday.tar")); r.code != 4 || !strings.Contains(r.stderr, "nothing was changed") {
		t.Errorf("the older one again: exit code %d\n%s", r.code, r.stderr)
	}
	status := data[admin.Status](in, "status")
	if status.LastImport == nil || status.LastImport.Bundle != "tuesday" {
		t.Errorf("the last import is %+v", status.LastImport)
	}
	if r := in.must("status"); !strings.Contains(r.stdout, "last import: bundle tuesday") {
		t.Errorf("status says\n%s", r.stdout)
	}
	if s := status.Suites[0]; s.Generation != 2 || s.Packages == 0 || s.Cached != s.Packages {
		t.Errorf("status: %+v", s)
	}
	if r := in.must("snapshot", "list"); !strings.Contains(r.stdout, "monday") || !strings.Contains(r.stdout, "tuesday") {
		t.Errorf("snapshots\n%s", r.stdout)
	}
	in.checkStore()
	return later
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	out := newHost(t, a)
	out.exports()
	in := out.inside(a)
	out.must("sync")
	out.must("snapshot", "create", "monday", "--complete")
	bundle := filepath.Join(out.dir, "monday.tar")
	out.must("export", "monday", bundle)
	text, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	damaged := filepath.Join(out.dir, "damaged.tar")
	if err := os.WriteFile(damaged, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		says string
		args []string
		code int
	}{
		{"copy it again", []string{damaged}, 4},
		{"no bundle", []string{out.config}, 4},
		{"no such file", []string{filepath.Join(out.dir, "nothing")}, 1},
		{"takes the bundles", nil, 2},
	} {
		if r := in.run(append([]string{"import"}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.says) {
			t.Errorf("import %v: exit code %d, want %d and %q\n%s", c.args, r.code, c.code, c.says, r.stderr)
		}
	}
	if s := data[admin.Status](in, "status").Suites[0]; s.Generation != 0 {
		t.Errorf("status: %+v", s)
	}
	other := out.inside(a)
	other.edit(func(text string) string { return replaceOnce(t, text, out.siteKey(), a.KeyringFile()) })
	if r := other.run("import", bundle); r.code != 4 || !strings.Contains(r.stderr, "bundles.signed_by") {
		t.Errorf("a bundle of a stranger: exit code %d\n%s", r.code, r.stderr)
	}
	in.must("import", bundle)
	in.checkStore()
}

func TestABundleInPartsAndAsAStream(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	a.AddPackage(upstreamtest.Package{Name: "large", Size: 1 << 20})
	a.AddPackage(upstreamtest.Package{Name: "larger", Size: 1 << 20})
	a.Publish()
	out := newHost(t, a)
	out.exports()
	in := out.inside(a)
	out.must("sync")
	out.must("snapshot", "create", "monday", "--complete")
	dvds := filepath.Join(out.dir, "dvds")
	var exported struct{ Files []string }
	if err := json.Unmarshal([]byte(out.must("export", "monday", dvds, "--part-size", "1.4MB", "--json").stdout), &exported); err != nil || len(exported.Files) != 2 {
		t.Fatalf("%v, %v", exported.Files, err)
	}
	if r := in.run("import", exported.Files[1]); r.code != 1 || !strings.Contains(r.stderr, "still missing: [1]") {
		t.Errorf("one part alone: exit code %d\n%s", r.code, r.stderr)
	}
	askedForParts(t, out.inside(a), exported.Files)
	slices.Reverse(exported.Files)
	in.must(append([]string{"import"}, exported.Files...)...)
	stream := out.must("export", "monday", "-")
	again := out.inside(a)
	if r := again.feed(stream.stdout, "import", "-"); r.code != 0 {
		t.Errorf("importing a stream: exit code %d\n%s", r.code, r.stderr)
	}
	for _, h := range []*host{in, again} {
		if s := data[admin.Status](h, "status").Suites[0]; s.Cached != s.Packages || s.Packages == 0 {
			t.Errorf("status: %+v", s)
		}
	}
}

// A suite that the site built is signed by the site, and carried under the name
// of its repository.
func TestABuiltSuiteIsCarried(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	out := newHost(t, a)
	out.exports()
	out.edit(func(text string) string {
		return text + "\n[[repository]]\nname = \"corp\"\nsign_with = [\"keys/site.asc\"]\norigin = \"Corp\"\nlabel = \"Corp\"\n" +
			"  [[repository.suite]]\n  name = \"prod\"\n  from = [\"archive:debian/stable\"]\n"
	})
	in := out.bare()
	in.addFed("corp", out.siteKey(), "prod")
	c := in.client("client")
	in.serve()
	for i, name := range []string{"monday", "tuesday"} {
		a.AddPackage(upstreamtest.Package{Name: "new-on-" + name})
		a.Publish()
		out.must("sync")
		out.must("snapshot", "create", name, "corp", "--complete")
		args := []string{"export", name, filepath.Join(out.dir, "usb") + "/"}
		if i > 0 {
			args = append(args, "--since", "monday")
		}
		out.must(args...)
		if r := in.must("import", filepath.Join(out.dir, "usb")); !strings.Contains(r.stderr, "corp prod: verified") {
			t.Errorf("import said\n%s", r.stderr)
		}
	}
	c.update()
	c.download(hello)
	in.checkStore()
}

// What bundles bring, the isolated site builds upon.
func TestTheIsolatedSiteBuilds(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	out := newHost(t, a)
	out.exports()
	in := out.inside(a)
	in.edit(func(text string) string {
		text = replaceOnce(t, text, "\n[[repository]]\nname = \"debian\"\narchive = \"debian\"\n", "") // nothing serves it as it is
		return text + "\n[[repository]]\nname = \"corp\"\nsign_with = [\"keys/site.asc\"]\n  [[repository.suite]]\n  name = \"prod\"\n  from = [\"archive:debian/stable\"]\n"
	})
	out.must("sync")
	out.must("snapshot", "create", "monday", "--complete")
	bundle := filepath.Join(out.dir, "monday.tar")
	out.must("export", "monday", bundle)
	if r := in.must("import", bundle); !strings.Contains(r.stderr, "corp prod") {
		t.Errorf("import said\n%s", r.stderr)
	}
	c := in.client("client")
	in.serve()
	c.update()
	c.download(hello)
	in.checkStore()
}

// site makes one whose archive "debian" is that of the site that c is a client of.
func (c *client) site(a *upstreamtest.Archive) *host {
	c.t.Helper()
	child := &host{t: c.t, dir: c.t.TempDir(), program: c.program, port: freePort(c.t)}
	child.config = filepath.Join(child.dir, "site", "aptmirror.toml")
	child.must("init", "--dir", filepath.Dir(child.config), "--host", "localhost", "--host", "127.0.0.1", "--port", child.port, "--no-import")
	child.edit(func(text string) string { return replaceOnce(c.t, text, `listen = [":`, `listen = ["127.0.0.1:`) })
	child.addArchive("debian", a.KeyringFile(), []string{"stable"}, "https://localhost:"+c.port+"/debian")
	child.edit(func(text string) string {
		return replaceOnce(c.t, text, "[[archive]]\nname = \"debian\"\n", fmt.Sprintf("[[archive]]\nname = \"debian\"\nallow_private = true\nclient_cert = %q\nclient_key = %q\nca = %q\n", filepath.Join(c.kit, "tls/client.pem"), filepath.Join(c.kit, "tls/client.key"), filepath.Join(c.kit, "tls/ca.pem")))
	})
	return child
}

// A child's archive may be another site, which it reaches with a certificate of
// that site's CA. It fetches what it lacks, and verifies the archive's own
// signatures.
func TestParentAndChild(t *testing.T) {
	t.Parallel()
	a, hello, _ := sample(t)
	parent := newHost(t, a)
	parent.must("sync")
	p := parent.serve()
	as := parent.client("child")
	child := as.site(a)
	child.must("sync")
	c := child.client("client")
	child.serve()
	seen := 0
	as.requests(p, &seen)
	c.update()
	c.download(hello)
	if got := strings.Join(as.requests(p, &seen), "\n"); strings.Count(got, ".deb ") != 1 {
		t.Errorf("the child asked for\n%s", got)
	}
	c.download(hello)
	if got := as.requests(p, &seen); len(got) != 0 {
		t.Errorf("for a second client the child asked for\n%s", strings.Join(got, "\n"))
	}
	child.checkStore()
}

// What a bundle brings and a person has to judge is held, as of a mirror.
func TestWhatABundleBringsIsHeld(t *testing.T) {
	t.Parallel()
	a, _, _ := sample(t)
	out := newHost(t, a)
	out.exports()
	in := out.inside(a)
	bundle := filepath.Join(out.dir, "usb") + "/"
	carry := func(name string) result {
		out.run("sync")
		out.run("archive", "accept", "debian", "stable")
		out.must("snapshot", "create", name, "--complete")
		out.must("export", name, bundle)
		return in.run("import", bundle+name+".tar")
	}
	if r := carry("monday"); r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	a.Suite.Label = "Other"
	a.Publish()
	if r := carry("tuesday"); r.code != 4 || !strings.Contains(r.stderr, "its Label changed") || !strings.Contains(r.stderr, "aptmirror archive accept debian stable") {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
	if r := in.must("archive", "accept", "debian", "stable"); !strings.Contains(r.stderr, "import the bundle again") {
		t.Errorf("archive accept said\n%s", r.stderr)
	}
	in.must("import", bundle+"tuesday.tar")
	if s := data[admin.Status](in, "status").Suites[0]; s.Generation != 2 || s.Error != "" {
		t.Errorf("status: %+v", s)
	}
}
