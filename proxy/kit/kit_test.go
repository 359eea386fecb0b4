package kit

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/pki"

	"github.com/google/go-cmp/cmp"
)

var keyring = []byte{0x98, 0x33, 0x04, 1, 2, 3}

// site is the authority and the certificates of one test.
type site struct {
	server, client *pki.Issued
	ca             []byte
}

func newSite(t testing.TB) site {
	t.Helper()
	now := time.Now()
	a, err := pki.NewAuthority("Test", now)
	if err != nil {
		t.Fatal(err)
	}
	server, err := a.IssueServer(pki.Leaf{Names: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, now)
	if err != nil {
		t.Fatal(err)
	}
	client, err := a.IssueClient(pki.Leaf{Names: []string{"host.example.org"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	return site{server, client, a.CertPEM()}
}

func newKit(t testing.TB) *Kit {
	t.Helper()
	s := newSite(t)
	key, err := s.client.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return &Kit{
		Host: "mirror.example.org", URL: "https://mirror.example.org:8443/",
		ServerCA: s.ca, ClientCert: s.client.CertPEM(), ClientKey: key,
		Sources: []Source{
			{Repository: "debian", Suites: []string{"bookworm", "bookworm-updates"}, Components: []string{"main"}, Keyring: keyring},
			{Repository: "site", Suites: []string{"stable"}, Components: []string{"main", "non-free"}, Architectures: []string{"amd64", "all"},
				Types: []string{"deb", "deb-src"}, Keyring: keyring},
		},
	}
}

// tree lists what is in a directory: path and mode of every file.
func tree(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.Walk(dir, func(file string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if !info.IsDir() {
			found[name] = info.Mode().String()
		} else if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %s", name, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t testing.TB, elements ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWriteDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "kit")
	if err := newKit(t).WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	private, script := "-rw-------", "-rwx------"
	want := map[string]string{
		"apt.conf":                             private,
		"tls.conf":                             private,
		"etc/sources.list.d/aptmirror.sources": private,
		"keyrings/aptmirror-debian.gpg":        private,
		"keyrings/aptmirror-site.gpg":          private,
		"tls/ca.pem":                           private,
		"tls/client.pem":                       private,
		"tls/client.key":                       private,
		"state/status":                         private,
		"system/install.sh":                    script,
		"system/etc/apt/apt.conf.d/50aptmirror.conf":      private,
		"system/etc/apt/sources.list.d/aptmirror.sources": private,
		"system/etc/aptmirror/ca.pem":                     private,
		"system/etc/aptmirror/client.pem":                 private,
		"system/etc/aptmirror/client.key":                 private,
		"system/usr/share/keyrings/aptmirror-debian.gpg":  private,
		"system/usr/share/keyrings/aptmirror-site.gpg":    private,
	}
	if diff := cmp.Diff(want, tree(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sources := `Types: deb
URIs: https://mirror.example.org:8443/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/aptmirror-debian.gpg

Types: deb deb-src
URIs: https://mirror.example.org:8443/site
Suites: stable
Components: main non-free
Architectures: amd64 all
Signed-By: /usr/share/keyrings/aptmirror-site.gpg
`
	if diff := cmp.Diff(sources, read(t, dir, "system/etc/apt/sources.list.d/aptmirror.sources")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	conf := `// Who this machine is towards its mirror. This belongs into apt.conf.d: in auth.conf.d apt
// would ignore it without a word. apt reads the files as user _apt.
Acquire::https::mirror.example.org {
  CaInfo  "/etc/aptmirror/ca.pem";
  SslCert "/etc/aptmirror/client.pem";
  SslKey  "/etc/aptmirror/client.key";
};
// The mirror is inside: a proxy for the way out does not know it.
Acquire::https::Proxy::mirror.example.org "DIRECT";
`
	if diff := cmp.Diff(conf, read(t, dir, "system/etc/apt/apt.conf.d/50aptmirror.conf")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRewritingKeepsWhatAptFetched(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kit")
	k := newKit(t)
	if err := k.WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	lists := filepath.Join(dir, "state/lists/x_InRelease")
	if err := os.WriteFile(lists, []byte("fetched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := k.WriteDir(dir, false); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("not forced: %v", err)
	}
	key := k.ClientKey
	k.Sources, k.ClientKey = k.Sources[:1], nil
	if err := k.WriteDir(dir, true); err != nil {
		t.Fatal(err)
	}
	if read(t, lists) != "fetched" {
		t.Error("the lists are gone")
	}
	if got := read(t, dir, "tls/client.key"); got != string(key) {
		t.Error("the key is gone although the kit brought none")
	}
	for name := range tree(t, dir) {
		if strings.Contains(name, "aptmirror-site") || strings.Contains(name, "system/etc/aptmirror/client.key") {
			t.Errorf("left from the earlier kit: %s", name)
		}
	}
}

func TestWriteDirLeavesOtherDirectoriesAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "apt.conf"), []byte("// my own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		if err := newKit(t).WriteDir(dir, force); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("force %v: %v", force, err)
		}
	}
	entries, err := os.ReadDir(dir)
	info, err2 := os.Stat(dir)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || read(t, dir, "apt.conf") != "// my own\n" || info.Mode().Perm() != 0o755 {
		t.Errorf("changed: %v, mode %s", entries, info.Mode())
	}
}

func TestLinksDoNotLeadOutside(t *testing.T) {
	outside, dir := t.TempDir(), filepath.Join(t.TempDir(), "kit")
	k := newKit(t)
	if err := k.WriteDir(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "tls")), os.Symlink(outside, filepath.Join(dir, "tls"))); err != nil {
		t.Fatal(err)
	}
	if err := k.WriteDir(dir, true); err == nil {
		t.Error("a link out of the directory was followed")
	}
	if left, _ := os.ReadDir(outside); len(left) > 0 {
		t.Errorf("written outside: %v", left)
	}
}

func TestKitRefuses(t *testing.T) {
	other := newKit(t)
	tests := []struct {
		name, want string
		spoil      func(*Kit)
	}{
		{"http", "scheme must be https", func(k *Kit) { k.URL = "http://mirror.example.org" }},
		{"path", "only host and port", func(k *Kit) { k.URL = "https://mirror.example.org/debian" }},
		{"user", "only host and port", func(k *Kit) { k.URL = "https://u:p@mirror.example.org" }},
		{"query", "only host and port", func(k *Kit) { k.URL = "https://mirror.example.org?" }},
		{"other host", `host "mirror.example.org" is not the one`, func(k *Kit) { k.URL = "https://other.example.org" }},
		{"quote in host", "character '\"' is not allowed", func(k *Kit) { k.Host, k.URL = "", `https://a"b` }},
		{"brace in host", "reading URL", func(k *Kit) { k.Host, k.URL = "", "https://a{b" }},
		{"semicolon in host", "character ';' is not allowed", func(k *Kit) { k.Host, k.URL = "", "https://a;b" }},
		{"newline in URL", "reading URL", func(k *Kit) { k.URL = "https://mirror.example.org\nx" }},
		{"newline in host", "is not the one of", func(k *Kit) { k.Host = "mirror.example.org\nx" }},
		{"IPv6", "is an address", func(k *Kit) { k.Host, k.URL = "", "https://[2001:db8::1]:8443" }},
		{"no port after colon", "not a port", func(k *Kit) { k.URL = "https://mirror.example.org:" }},
		{"no CA", "authority of the server", func(k *Kit) { k.ServerCA = nil }},
		{"no certificate", "client certificate", func(k *Kit) { k.ClientCert = nil }},
		{"server certificate", "not for clients", func(k *Kit) { k.ClientCert = newSite(t).server.CertPEM() }},
		{"another key", "client key", func(k *Kit) { k.ClientKey = other.ClientKey }},
		{"no sources", "0 sources", func(k *Kit) { k.Sources = nil }},
		{"slash in repository", "repository", func(k *Kit) { k.Sources[0].Repository = "../x" }},
		{"newline in repository", "repository", func(k *Kit) { k.Sources[0].Repository = "a\nb" }},
		{"quote in repository", "repository", func(k *Kit) { k.Sources[0].Repository = `a"b` }},
		{"option as repository", "repository", func(k *Kit) { k.Sources[0].Repository = "-a" }},
		{"empty repository", "repository", func(k *Kit) { k.Sources[0].Repository = "" }},
		{"newline in suite", "suite", func(k *Kit) { k.Sources[0].Suites = []string{"a\nTrusted: yes"} }},
		{"blank in suite", "suite", func(k *Kit) { k.Sources[0].Suites = []string{"a b"} }},
		{"dots in suite", "suite", func(k *Kit) { k.Sources[0].Suites = []string{"a/../b"} }},
		{"variable in suite", "suite", func(k *Kit) { k.Sources[0].Suites = []string{"a$(ARCH)"} }},
		{"flat suite with components", "no components", func(k *Kit) { k.Sources[0].Suites = []string{"a/"} }},
		{"flat and other suites", "suite", func(k *Kit) { k.Sources[0].Suites = []string{"a/", "b"} }},
		{"dots in flat suite", "suite", func(k *Kit) { k.Sources[0].Suites, k.Sources[0].Components = []string{"../"}, nil }},
		{"no suite", "0 suites", func(k *Kit) { k.Sources[0].Suites = nil }},
		{"no component", "0 components", func(k *Kit) { k.Sources[0].Components = nil }},
		{"architecture", "architecture", func(k *Kit) { k.Sources[0].Architectures = []string{"amd64,i386"} }},
		{"type", "type", func(k *Kit) { k.Sources[0].Types = []string{"rpm"} }},
		{"no keyring", "a keyring of 0 bytes", func(k *Kit) { k.Sources[0].Keyring = nil }},
		{"armoured keyring", "not binary OpenPGP", func(k *Kit) { k.Sources[0].Keyring = []byte("-----BEGIN PGP") }},
		{"two keyrings for one repository", "another keyring", func(k *Kit) {
			k.Sources[1].Repository, k.Sources[1].Keyring = "debian", append(bytes.Clone(keyring), 1)
		}},
	}
	for _, tt := range tests {
		k := newKit(t)
		tt.spoil(k)
		dir := filepath.Join(t.TempDir(), "kit")
		if err := k.WriteDir(dir, false); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: something was written", tt.name)
		}
	}
	for _, name := range []string{"a b", `a"b`, "a;b", "a{b", "a\nb", "a\\b", "a#b", "a,b", "a%b", "a\xffb"} {
		if err := newKit(t).WriteDir(filepath.Join(t.TempDir(), name), false); err == nil {
			t.Errorf("directory %q was accepted", name)
		}
	}
}

// Whatever the values are, what is accepted gives files of the shape that was meant.
func FuzzSource(f *testing.F) {
	f.Add("debian", "bookworm", "main", "amd64", "https://mirror.example.org:8443")
	f.Add("a\"b", "x\n y", "m;", "a b", "https://a{}b:1")
	base := newKit(f)
	f.Fuzz(func(t *testing.T, repository, suite, component, architecture, url string) {
		k := *base
		k.Host, k.URL = "", url
		k.Sources = []Source{{Repository: repository, Suites: []string{suite}, Components: []string{component},
			Architectures: []string{architecture}, Keyring: keyring}}
		files, err := k.System()
		if err != nil {
			return
		}
		for _, file := range files {
			if !filepath.IsLocal(file.Path) {
				t.Errorf("path %q leads out", file.Path)
			}
		}
		conf, sources := string(files[1].Data), string(files[2].Data)
		if strings.Count(conf, "\n") != 9 || strings.Count(conf, `"`) != 8 || strings.Count(conf, "{") != 1 || strings.Count(conf, ";") != 5 {
			t.Errorf("apt.conf has another shape:\n%s", conf)
		}
		if strings.Count(sources, "\n") != 6 || strings.Count(sources, " ") != 6 {
			t.Errorf("sources have another shape:\n%s", sources)
		}
	})
}

func TestFlatSuitesHaveNoComponents(t *testing.T) {
	k := newKit(t)
	k.Sources = k.Sources[:1]
	k.Sources[0].Suites, k.Sources[0].Components = []string{"./", "a/b/"}, nil
	if _, err := k.System(); err != nil {
		t.Fatal(err)
	}
	text := string(k.sourcesText("/keyrings"))
	if !strings.Contains(text, "Suites: ./ a/b/\n") || strings.Contains(text, "Components") {
		t.Errorf("sources are\n%s", text)
	}
}
