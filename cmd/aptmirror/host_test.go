package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/upstream/upstreamtest"
)

// host is a folder with a configuration, made by the program itself, that
// mirrors test archives.
type host struct {
	t       testing.TB
	dir     string // holds the folder "site" and what else the test makes
	config  string
	port    string
	program string
	user    *syscall.Credential // nil: the one who runs the tests
	clock   string              // a file for shifted, "" = the system's clock
}

// newHost makes a site with an archive "debian" that has all suites of a.
func newHost(t testing.TB, a *upstreamtest.Archive, suites ...string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), program: "aptmirror"}
	h.make(a, suites...)
	return h
}

func (h *host) make(a *upstreamtest.Archive, suites ...string) {
	h.t.Helper()
	h.port = freePort(h.t)
	h.config = filepath.Join(h.dir, "site", "aptmirror.toml")
	h.must("init", "--dir", filepath.Dir(h.config), "--host", "localhost", "--host", "127.0.0.1", "--port", h.port, "--no-import")
	h.edit(func(text string) string {
		return replaceOnce(h.t, text, `listen = [":`, `listen = ["127.0.0.1:`)
	})
	if len(suites) == 0 {
		suites = []string{"stable"}
	}
	h.addArchive("debian", a.KeyringFile(), suites, a.URL())
}

func (h *host) addArchive(name, keyring string, suites []string, uris ...string) {
	h.t.Helper()
	list := func(words []string) string { return `["` + strings.Join(words, `", "`) + `"]` }
	h.edit(func(text string) string {
		return text + fmt.Sprintf("\n[[archive]]\nname = %q\nuris = %s\nsuites = %s\ncomponents = [\"main\"]\narchitectures = [%q, \"source\"]\nsigned_by = [%q]\n"+
			"\n[[repository]]\nname = %[1]q\narchive = %[1]q\n", name, list(uris), list(suites), aptsources.Architecture(), keyring)
	})
}

// edit changes the configuration file.
func (h *host) edit(change func(string) string) {
	h.t.Helper()
	text, err := os.ReadFile(h.config)
	if err == nil {
		err = putFile(h.config, []byte(change(string(text))))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// putFile never shows half of a file to a daemon, which may look at any time.
func putFile(name string, data []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return errors.Join(os.WriteFile(name+".new", data, info.Mode()), os.Chown(name+".new", int(owner.Uid), int(owner.Gid)), os.Rename(name+".new", name))
}

// replaceOnce replaces what has to be there.
func replaceOnce(t testing.TB, text, old, new string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("there is no %q in\n%s", old, text)
	}
	return strings.Replace(text, old, new, 1)
}

// command prepares a program to run as the user of the site, in its folder.
func (h *host) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = h.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "TMPDIR=" + os.TempDir(), "LC_ALL=C", "GORACE=" + raceOptions}
	if h.clock != "" {
		cmd.Env = append(cmd.Env, clockVariable+"="+h.clock)
	}
	if h.config != "" {
		cmd.Env = append(cmd.Env, "APTMIRROR_CONFIG="+h.config)
	}
	return cmd
}

// result is what a command said, and its exit code.
type result struct {
	stdout, stderr string
	code           int
}

func (h *host) run(args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := h.command(ctx, h.program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); cmd.ProcessState == nil || ctx.Err() != nil {
		h.t.Fatalf("aptmirror %v: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// must runs a command that has to succeed.
func (h *host) must(args ...string) result {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("aptmirror %v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r
}

// data runs a command with --json and reads what it prints.
func data[T any](h *host, args ...string) (value T) {
	h.t.Helper()
	r := h.must(append(args, "--json")...)
	if err := json.Unmarshal([]byte(r.stdout), &value); err != nil {
		h.t.Fatalf("aptmirror %v --json: %v\n%s", args, err, r.stdout)
	}
	return value
}

// serve starts the daemon; it is killed at the end of the test.
func (h *host) serve() *process {
	h.t.Helper()
	p, err := background(h.t.Context(), h.command(context.WithoutCancel(h.t.Context()), h.program, "serve"))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		p.kill()
		if strings.Contains(p.String(), "DATA RACE") {
			h.t.Error("a race in the daemon")
		}
		if h.t.Failed() {
			h.t.Logf("the daemon said at the end\n%s", lastLines(p.String(), 20))
		}
	})
	return p
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

// checkStore proves the store, with or without a daemon.
func (h *host) checkStore() {
	h.t.Helper()
	if r := h.run("verify"); r.code != 0 || !strings.Contains(r.stdout, ": 0 problems") {
		h.t.Errorf("verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// client is a machine that uses the site with the kit that it was given.
type client struct {
	*host
	name, kit string
}

// client issues a certificate and writes the kit.
func (h *host) client(name string) *client {
	h.t.Helper()
	h.must("client", "add", name)
	return h.kitOf(name)
}

// kitOf writes the kit of a client that has a certificate.
func (h *host) kitOf(name string) *client {
	h.t.Helper()
	c := &client{h, name, filepath.Join(h.dir, "kit-"+name)}
	h.must("client", "kit", name, "--out", c.kit)
	if err := h.mkdir(filepath.Join(h.dir, "work-"+name)); err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *host) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil || h.user == nil {
		return err
	}
	return os.Chown(dir, int(h.user.Uid), int(h.user.Gid))
}

// apt runs a program of apt's with the kit, in a folder where it may write,
// and gives what it printed and whether it succeeded.
func (c *client) apt(args ...string) (string, bool) {
	c.t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		c.t.Skip(args[0] + " is not installed")
	}
	if _, err := os.Stat(c.kit + "/apt.conf"); err != nil {
		c.t.Fatal(err) // apt would work on the machine itself
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	cmd := c.command(ctx, args[0], append([]string{"-o", "Acquire::Retries=0"}, args[1:]...)...)
	cmd.Dir = c.work("")
	cmd.Env = append(cmd.Env, "APT_CONFIG="+c.kit+"/apt.conf")
	cmd.WaitDelay = time.Second // apt's methods hold the pipe when it is killed
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		c.t.Fatalf("%v hangs:\n%s", args, out)
	}
	return string(out), err == nil
}

// mustApt runs what has to succeed.
func (c *client) mustApt(args ...string) string {
	c.t.Helper()
	out, ok := c.apt(args...)
	if !ok {
		c.t.Fatalf("%v failed:\n%s", args, out)
	}
	return out
}

func (c *client) update() {
	c.t.Helper()
	c.mustApt("apt-get", "update", "--error-on=any")
}

func (c *client) work(file string) string { return filepath.Join(c.dir, "work-"+c.name, file) }

// download gets a package with apt and compares it.
func (c *client) download(p upstreamtest.Package) {
	c.t.Helper()
	name := path.Base(p.Filename)
	if epoch, _, ok := strings.Cut(p.Version, ":"); ok {
		name = strings.Replace(name, "_", "_"+epoch+"%3a", 1) // as apt calls it
	}
	os.Remove(c.work(name)) // from an earlier download
	c.mustApt("apt-get", "download", p.Name+"="+p.Version)
	c.wantFile(name, p.Deb)
}

func (c *client) wantFile(name string, want []byte) {
	c.t.Helper()
	got, err := os.ReadFile(c.work(name))
	if err != nil {
		c.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		c.t.Errorf("%s has %d bytes, other ones than the %d of upstream", name, len(got), len(want))
	}
}

// http speaks to the daemon with the client's certificate.
func (c *client) http() *http.Client {
	c.t.Helper()
	pair, err := tls.LoadX509KeyPair(c.kit+"/tls/client.pem", c.kit+"/tls/client.key")
	if err != nil {
		c.t.Fatal(err)
	}
	ca, err := os.ReadFile(c.kit + "/tls/ca.pem")
	if err != nil {
		c.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}, DisableCompression: true}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get asks for a path of the archive and gives the answer with its body open.
func (c *client) get(path string) *http.Response {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, "https://localhost:"+c.port+"/debian/"+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.http().Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// requests gives the paths and status codes that the daemon has logged since
// the last call, after those of a request that marks the end.
func (c *client) requests(p *process, after *int) (lines []string) {
	c.t.Helper()
	mark := fmt.Sprintf("mark-%d", *after)
	io.Copy(io.Discard, c.get(mark).Body)
	if !p.wait(c.t.Context(), regexp.MustCompile(mark+".*\n")) {
		c.t.Fatal("the mark did not reach the log")
	}
	text := p.String()
	for line := range strings.Lines(text[*after:]) {
		if strings.Contains(line, "msg=request") && !strings.Contains(line, mark) {
			lines = append(lines, attribute(line, "path")+" "+attribute(line, "status"))
		}
	}
	*after = len(text)
	return lines
}

// answered waits for the lines of files that the client has already: the daemon
// writes a line when the last byte has gone.
func (c *client) answered(p *process, files ...string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for _, file := range files {
		if !p.wait(ctx, regexp.MustCompile("msg=request .*"+regexp.QuoteMeta(path.Base(file))+" .*\n")) {
			c.t.Fatalf("the log has no line of %s", file)
		}
	}
}

// attribute reads one value of a line of the log.
func attribute(line, name string) string {
	_, rest, _ := strings.Cut(line, " "+name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return strings.TrimSpace(value)
}
