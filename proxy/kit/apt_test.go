package kit

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tool skips a test where a program is not installed.
func tool(t *testing.T, name string) string {
	t.Helper()
	file, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return file
}

// runApt runs a program of apt with a kit, as the owner of the directory it runs in, with
// nothing else of the environment but proxies that do not answer.
func runApt(t *testing.T, kit, in string, args ...string) (string, error) {
	t.Helper()
	info, err := os.Stat(in)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = in
	if int(owner.Uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	cmd.Env = []string{"APT_CONFIG=" + kit + "/apt.conf", "PATH=" + os.Getenv("PATH"), "LC_ALL=C",
		"https_proxy=http://192.0.2.1:9", "http_proxy=http://192.0.2.1:9"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestAptReadsThePrivateConfiguration(t *testing.T) {
	tool(t, "apt-config")
	dir := filepath.Join(t.TempDir(), "kit")
	if err := newKit(t).WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	out, err := runApt(t, dir, dir, "apt-config", "dump")
	if err != nil {
		t.Fatal(out)
	}
	for _, want := range []string{
		`Acquire::https::mirror.example.org::CaInfo "` + dir + `/tls/ca.pem";`,
		`Acquire::https::mirror.example.org::SslCert "` + dir + `/tls/client.pem";`,
		`Acquire::https::mirror.example.org::SslKey "` + dir + `/tls/client.key";`,
		`Acquire::https::Proxy::mirror.example.org "DIRECT";`,
		`APT::Sandbox::User "root";`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("apt-config dump has no line %s", want)
		}
	}
	checkPlaces(t, dir)
}

// checkPlaces asks apt where it would look: all of it has to be in the kit.
func checkPlaces(t *testing.T, dir string) {
	t.Helper()
	args := []string{"apt-config", "shell"}
	files := strings.Fields("Dir::State::status Dir::State::extended_states Dir::Etc::main Dir::Etc::sourcelist Dir::Etc::preferences Dir::Etc::trusted Dir::Etc::netrc Dir::Cache::pkgcache Dir::Cache::srcpkgcache")
	dirs := strings.Fields("Dir::State Dir::State::lists Dir::Cache Dir::Cache::archives Dir::Log Dir::Etc Dir::Etc::parts Dir::Etc::sourceparts Dir::Etc::preferencesparts Dir::Etc::trustedparts Dir::Etc::netrcparts")
	for i, f := range files {
		args = append(args, fmt.Sprintf("F%d", i), f+"/f")
	}
	for i, d := range dirs {
		args = append(args, fmt.Sprintf("D%d", i), d+"/d")
	}
	out, err := runApt(t, dir, dir, args...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) != len(files)+len(dirs) {
		t.Fatalf("%d lines, %v: %s", len(lines), err, out)
	}
	for _, line := range lines {
		if !strings.Contains(line, "='"+dir+"/") {
			t.Errorf("outside the kit: %s", line)
		}
	}
}

func TestAptReadsTheSources(t *testing.T) {
	tool(t, "apt-get")
	dir := filepath.Join(t.TempDir(), "käse~1")
	if err := newKit(t).WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	out, err := runApt(t, dir, dir, "apt-get", "update", "--print-uris")
	if err != nil {
		t.Fatal(out)
	}
	var got []string
	for line := range strings.Lines(out) {
		uri, _, _ := strings.Cut(strings.Trim(line, "'"), "'")
		uri = strings.TrimPrefix(uri, "https://mirror.example.org:8443/")
		uri, _, sources := strings.Cut(uri, "/Sources") // compressed as this apt likes it
		if sources || strings.HasSuffix(uri, "/InRelease") {
			got = append(got, uri)
		}
	}
	want := []string{
		"debian/dists/bookworm/InRelease",
		"debian/dists/bookworm-updates/InRelease",
		"site/dists/stable/InRelease",
		"site/dists/stable/main/source",
		"site/dists/stable/non-free/source",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAptReadsTheSystemConfiguration(t *testing.T) {
	tool(t, "apt-config")
	dir := filepath.Join(t.TempDir(), "kit")
	if err := newKit(t).WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "apt-config", "-c", dir+"/system/etc/apt/apt.conf.d/50aptmirror.conf", "dump").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `Acquire::https::mirror.example.org::SslKey "/etc/aptmirror/client.key";`) {
		t.Errorf("%v: %s", err, out)
	}
}

// archive is a signed repository with one package, behind mTLS.
type archive struct {
	files   map[string][]byte
	keyring []byte

	mu      sync.Mutex // guards clients
	clients map[string]bool
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	tool(t, "gpg")
	deb := []byte("not really a package, but apt does not look inside when it downloads")
	packages := fmt.Appendf(nil, "Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nFilename: pool/hello_1.0_all.deb\nSize: %d\nSHA256: %x\nDescription: test\n",
		len(deb), sha256.Sum256(deb))
	release := fmt.Sprintf("Origin: Test\nSuite: stable\nCodename: stable\nDate: %s\nArchitectures: all amd64 arm64\nComponents: main\nAcquire-By-Hash: no\nSHA256:\n",
		time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"))
	files := map[string][]byte{"/site/pool/hello_1.0_all.deb": deb}
	for _, arch := range []string{"all", "amd64", "arm64"} {
		name, text := "main/binary-"+arch+"/Packages", packages
		if arch != "all" {
			text = nil
		}
		files["/site/dists/stable/"+name] = text
		release += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(text), len(text), name)
	}
	a := &archive{files: files, clients: map[string]bool{}}
	files["/site/dists/stable/InRelease"], a.keyring = clearsign(t, release)
	return a
}

func clearsign(t *testing.T, text string) (signed, keyring []byte) {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // short: a socket of gpg-agent has to fit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	gpg := func(in string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "gpg", append([]string{"--homedir", home, "--batch", "--quiet", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return out
	}
	t.Cleanup(func() { exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() })
	gpg("", "--quick-gen-key", "test@example.org", "ed25519", "sign", "1d")
	return gpg(text, "--clearsign", "--digest-algo", "SHA512"), gpg("", "--export")
}

func (a *archive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.clients[r.TLS.PeerCertificates[0].DNSNames[0]] = true
	a.mu.Unlock()
	data, ok := a.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Write(data)
}

// serve returns the address of a server that asks for certificates of the site.
func (s site) serve(t *testing.T, h http.Handler) string {
	t.Helper()
	key, err := s.server.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(s.server.CertPEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(s.ca)
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// The promise of the private form: update and download work, with nothing of the machine.
func TestAptUpdatesAndDownloadsWithAKit(t *testing.T) {
	tool(t, "apt-get")
	s, a := newSite(t), newArchive(t)
	key, err := s.client.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	k := &Kit{URL: s.serve(t, a), ServerCA: s.ca, ClientCert: s.client.CertPEM(), ClientKey: key,
		Sources: []Source{{Repository: "site", Suites: []string{"stable"}, Components: []string{"main"}, Keyring: a.keyring}}}
	for name, uid := range map[string]int{"as oneself": os.Getuid(), "as nobody": 65534} {
		t.Run(name, func(t *testing.T) {
			if uid != os.Getuid() && os.Getuid() != 0 {
				t.Skip("only root can be someone else")
			}
			// t.TempDir is inside a directory that only its owner can enter.
			work, err := os.MkdirTemp("", "apt")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(work) })
			dir := filepath.Join(work, "kit")
			if err := k.WriteDir(dir, false); err != nil {
				t.Fatal(err)
			}
			give(t, uid, work)
			checkApt(t, dir, work, string(a.files["/site/pool/hello_1.0_all.deb"]))
		})
	}
	if !a.clients["host.example.org"] || len(a.clients) != 1 {
		t.Errorf("the server saw %v", a.clients)
	}
}

func checkApt(t *testing.T, dir, work, deb string) {
	if out, err := runApt(t, dir, work, "apt-get", "-o", "Acquire::Retries=0", "update", "--error-on=any"); err != nil {
		t.Fatalf("apt-get update: %v: %s", err, out)
	} else if strings.Contains(out, "W:") {
		t.Errorf("apt-get update warns: %s", out)
	}
	out, err := runApt(t, dir, work, "apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages")
	if err != nil || !strings.HasPrefix(out, dir+"/state/lists/") {
		t.Errorf("apt-get indextargets: %v: %s", err, out)
	}
	if out, err := runApt(t, dir, work, "apt-get", "download", "hello"); err != nil {
		t.Fatalf("apt-get download: %v: %s", err, out)
	}
	if got := read(t, work, "hello_1.0_all.deb"); got != deb {
		t.Errorf("downloaded %q", got)
	}
	if out, err := runApt(t, dir, work, "apt-get", "--yes", "install", "hello"); err != nil || !strings.Contains(out, "download only mode") {
		t.Errorf("apt-get install does more than download: %v: %s", err, out)
	}
}

func give(t *testing.T, uid int, dir string) {
	t.Helper()
	err := filepath.Walk(dir, func(file string, _ os.FileInfo, err error) error {
		return errors.Join(err, os.Lchown(file, uid, -1))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func install(t *testing.T, kit, dest string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", kit+"/system/install.sh")
	cmd.Env = []string{"DESTDIR=" + dest, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestInstallScript(t *testing.T) {
	dir, dest := filepath.Join(t.TempDir(), "kit"), filepath.Join(t.TempDir(), "a b")
	k := newKit(t)
	if err := k.WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dest+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dest+"/etc/passwd", []byte("root:x:0:0::/:/bin/sh\n_apt:x:4242:65534::/nonexistent:/bin/false\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time replaces
		if out, err := install(t, dir, dest); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for file, mode := range map[string]os.FileMode{
		"etc/aptmirror":                            0o755,
		"etc/aptmirror/ca.pem":                     0o644,
		"etc/aptmirror/client.pem":                 0o644,
		"etc/aptmirror/client.key":                 0o400,
		"etc/apt/apt.conf.d/50aptmirror.conf":      0o644,
		"etc/apt/sources.list.d/aptmirror.sources": 0o644,
		"usr/share/keyrings/aptmirror-debian.gpg":  0o644,
		"usr/share/keyrings/aptmirror-site.gpg":    0o644,
	} {
		info, err := os.Stat(filepath.Join(dest, file))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %04o, want %04o", file, info.Mode().Perm(), mode)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; os.Getuid() == 0 && file == "etc/aptmirror/client.key" && uid != 4242 {
			t.Errorf("the key belongs to user %d, want _apt of the tree, 4242", uid)
		}
	}
	filepath.Walk(dest, func(file string, info os.FileInfo, err error) error {
		if strings.HasSuffix(file, ".new") || strings.Contains(file, "auth.conf.d") {
			t.Errorf("%s should not be there", file)
		}
		return err
	})
}

func TestInstallScriptWithoutKey(t *testing.T) {
	dir, dest := filepath.Join(t.TempDir(), "kit"), t.TempDir()
	k := newKit(t)
	k.ClientKey = nil
	if err := k.WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	if out, err := install(t, dir, dest); err == nil || !strings.Contains(out, "this kit has no key") {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.MkdirAll(dest+"/etc/aptmirror", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dest+"/etc/aptmirror/client.key", []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := install(t, dir, dest); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := read(t, dest, "etc/aptmirror/client.key"); got != "own" {
		t.Errorf("the key became %q", got)
	}
}

// The promise of the system form: apt, which fetches as user _apt, can use the key where
// and as install.sh puts it. The paths are moved below a temporary root.
func TestAptUsesTheInstalledKeyAsItsOwnUser(t *testing.T) {
	tool(t, "apt-get")
	if _, err := user.Lookup("_apt"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root and the user _apt")
	}
	s, a := newSite(t), newArchive(t)
	key, err := s.client.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	k := &Kit{URL: s.serve(t, a), ServerCA: s.ca, ClientCert: s.client.CertPEM(), ClientKey: key,
		Sources: []Source{{Repository: "site", Suites: []string{"stable"}, Components: []string{"main"}, Keyring: a.keyring}}}
	dest, err := os.MkdirTemp("", "apt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dest) })
	if err := errors.Join(os.Chmod(dest, 0o755), os.Mkdir(dest+"/etc", 0o755), k.WriteDir(dest+"/kit", false)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dest+"/etc/passwd", []byte(read(t, "/etc/passwd")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := install(t, dest+"/kit", dest); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	move(t, dest+"/etc/apt/apt.conf.d/50aptmirror.conf", `"/etc/aptmirror`, `"`+dest+"/etc/aptmirror")
	move(t, dest+"/etc/apt/sources.list.d/aptmirror.sources", " /usr/share", " "+dest+"/usr/share")
	conf := fmt.Sprintf("Dir \"%s\";\nDir::Bin::methods \"/usr/lib/apt/methods\";\nDir::State::status \"/dev/null\";\nAcquire::Retries \"0\";\n", dest)
	if err := errors.Join(os.WriteFile(dest+"/apt.conf", []byte(conf), 0o644),
		os.MkdirAll(dest+"/var/lib/apt/lists/partial", 0o755), os.MkdirAll(dest+"/var/cache/apt/archives/partial", 0o755)); err != nil {
		t.Fatal(err)
	}
	out, err := runApt(t, dest, dest, "apt-get", "update", "--error-on=any")
	if err != nil || strings.Contains(out, "W:") {
		t.Errorf("apt-get update: %v: %s", err, out)
	}
	// The test proves something only if apt does not read the key as root.
	if err := os.Chown(dest+"/etc/aptmirror/client.key", 0, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := runApt(t, dest, dest, "apt-get", "update", "--error-on=any"); err == nil {
		t.Errorf("apt read a key of root: %s", out)
	}
}

// move replaces the beginning of paths in an installed file.
func move(t *testing.T, file, from, to string) {
	t.Helper()
	text := read(t, file)
	if !strings.Contains(text, from) {
		t.Fatalf("%s has no %s", file, from)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, from, to)), 0o644); err != nil {
		t.Fatal(err)
	}
}
