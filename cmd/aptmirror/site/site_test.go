package site

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func archive(name string, keyring ...string) config.Archive {
	return config.Archive{
		Name: name, URIs: []string{"http://mirror.example.org/" + name}, Suites: []string{"stable"}, Components: []string{"main"},
		Architectures: []string{"amd64"}, Languages: []string{"en"}, SignedBy: keyring, Refresh: config.DefaultRefresh, Download: config.OnDemand,
	}
}

func plan(t *testing.T, archives ...config.Archive) Plan {
	t.Helper()
	return Plan{
		Dir: filepath.Join(t.TempDir(), "site"), Hosts: []string{"mirror.example.org", "192.0.2.1", "2001:db8::1"}, Listen: "127.0.0.1:9443", Archives: archives,
	}
}

func create(t *testing.T, p Plan) *config.Config {
	t.Helper()
	c, err := Create(p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// modes lists files below dir with their permissions.
func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	found := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		found[strings.TrimPrefix(file, dir+"/")] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestCreate(t *testing.T) {
	key := upstreamtest.NewKey(t).Public()
	keyring := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(keyring, key, 0o644); err != nil {
		t.Fatal(err)
	}
	p := plan(t, archive("debian", keyring), archive("own"))
	p.Embedded = map[string][]byte{"own": key}
	c := create(t, p)
	want := map[string]fs.FileMode{
		"aptmirror.toml": 0o644, "keys/own.asc": 0o644, "keys/site.asc": 0o600, "tls/server.crt": 0o644, "tls/server.key": 0o600,
		"tls/server-ca.crt": 0o644, "tls/server-ca.key": 0o600, "tls/clients-ca.crt": 0o644, "tls/clients-ca.key": 0o600, "tls/clients.crl": 0o644,
	}
	if diff := cmp.Diff(want, modes(t, p.Dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if c.Serve.PublicURL != "https://mirror.example.org:9443" || c.State != filepath.Join(p.Dir, "state") || len(c.Repositories) != 2 {
		t.Errorf("configured %+v", c)
	}
	if got := c.Archives[1].SignedBy; !slices.Equal(got, []string{filepath.Join(p.Dir, "keys/own.asc")}) {
		t.Errorf("the archive with its own key has %q", got)
	}
	certs, err := pki.LoadCertificates(c.Serve.Cert)
	if err != nil || len(certs) == 0 {
		t.Fatal(err)
	}
	for _, host := range p.Hosts {
		if err := certs[0].VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	p := plan(t)
	create(t, p)
	before := content(t, p.Dir)
	if _, err := Create(p, time.Now()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second time: %v", err)
	}
	if err := os.Remove(filepath.Join(p.Dir, ConfigName)); err != nil {
		t.Fatal(err)
	}
	delete(before, ConfigName)
	if _, err := Create(p, time.Now()); err == nil {
		t.Error("keys that were there were taken for new ones")
	}
	if diff := cmp.Diff(before, content(t, p.Dir)); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name := range modes(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(text)
	}
	return found
}

func TestCreateLeavesNothingOfABadPlan(t *testing.T) {
	tests := map[string]func(*Plan){
		"host":    func(p *Plan) { p.Hosts = append(p.Hosts, "not a host") },
		"listen":  func(p *Plan) { p.Listen = "localhost" },
		"port":    func(p *Plan) { p.Listen = "localhost:many" },
		"archive": func(p *Plan) { p.Archives[0].Name = "Not A Name" },
		"twice":   func(p *Plan) { p.Archives = append(p.Archives, p.Archives[0]) },
	}
	for name, spoil := range tests {
		p := plan(t, archive("debian", "/keyring.gpg"))
		spoil(&p)
		if _, err := Create(p, time.Now()); err == nil {
			t.Errorf("%s: made a site", name)
		}
		if _, err := os.Stat(p.Dir); err == nil {
			t.Errorf("%s: left %v", name, modes(t, p.Dir))
		}
	}
}

func TestClientsWithoutCA(t *testing.T) {
	if _, err := Clients(&config.Config{}); !errors.Is(err, ErrNoCA) {
		t.Errorf("got %v", err)
	}
	c := create(t, plan(t))
	c.Serve.CRL = nil
	if _, err := Clients(c); err == nil || !strings.Contains(err.Error(), "serve.crl") {
		t.Errorf("without a revocation list: %v", err)
	}
}

func TestKitHasTheSourcesOfAllRepositories(t *testing.T) {
	key := upstreamtest.NewKey(t)
	keyring := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(keyring, key.Public(), 0o644); err != nil {
		t.Fatal(err)
	}
	both, sources, flat := archive("both", keyring), archive("sources", keyring), archive("flat", keyring)
	both.Architectures = []string{"amd64", "source", "i386"}
	sources.Architectures = []string{"source"}
	flat.Suites, flat.Components = []string{"./"}, nil
	c := create(t, plan(t, both, sources, flat))
	clients, err := Clients(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Add("host", pki.Leaf{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	k, grant, err := Kit(c, "host", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(grant.Rules()) != 1 {
		t.Errorf("the grant is %s", grant)
	}
	var got []string
	for _, s := range k.Sources {
		got = append(got, strings.Join([]string{s.Repository, strings.Join(s.Types, "+"), strings.Join(s.Architectures, "+"), strings.Join(s.Components, "+")}, " "))
		if len(s.Keyring) == 0 {
			t.Errorf("%s has no keyring", s.Repository)
		}
	}
	if want := []string{"both deb+deb-src amd64+i386 main", "sources deb-src  main", "flat deb amd64 "}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if err := k.WriteDir(filepath.Join(t.TempDir(), "kit"), false); err != nil {
		t.Error(err)
	}
	if k.Host != "mirror.example.org" || !bytes.Contains(k.ClientKey, []byte("PRIVATE KEY")) {
		t.Errorf("host %s, a key of %d bytes", k.Host, len(k.ClientKey))
	}
}

// A built repository is recognised by the site's own key, and has one stanza for suites with the same contents.
func TestKitHasTheSourcesOfBuiltRepositories(t *testing.T) {
	keyring := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(keyring, upstreamtest.NewKey(t).Public(), 0o644); err != nil {
		t.Fatal(err)
	}
	c := create(t, plan(t, archive("debian", keyring)))
	from := []config.Source{{Kind: config.FromArchive, Name: "debian", Suite: "stable"}}
	c.Repositories = []config.Repository{{
		Name: "site", SignWith: []string{filepath.Join(filepath.Dir(c.Path), "keys", "site.asc")},
		Suites: []config.Suite{
			{Name: "one", From: from}, {Name: "two", From: from, Architectures: []string{"source"}},
			{Name: "three", From: from}, {Name: "hidden", From: from},
		},
	}}
	c.Grants = []config.Grant{{Identity: "dns:host", Read: []string{"site/one", "site/two", "site/three"}}}
	clients, err := Clients(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Add("host", pki.Leaf{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	k, grant, err := Kit(c, "host", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range k.Sources {
		got = append(got, strings.Join([]string{s.Repository, strings.Join(s.Suites, "+"), strings.Join(s.Types, "+"), strings.Join(s.Components, "+")}, " "))
		if keys, err := pgp.ReadKeyring(bytes.NewReader(s.Keyring)); err != nil || len(keys.Primaries()) != 1 {
			t.Errorf("keyring of %s: %v, %v", s.Repository, keys, err)
		}
	}
	if want := []string{"site one+three deb main", "site two deb-src main"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if want := []string{"site/one", "site/two", "site/three"}; !slices.Equal(Readable(c, grant), want) {
		t.Errorf("readable: %q", Readable(c, grant))
	}
	if err := k.WriteDir(filepath.Join(t.TempDir(), "kit"), false); err != nil {
		t.Error(err)
	}
}

func TestKitSaysWhatIsMissing(t *testing.T) {
	tests := []struct {
		want  string
		spoil func(*config.Config)
	}{
		{"serve.public_url", func(c *config.Config) { c.Serve.PublicURL = "" }},
		{"serve.server_ca", func(c *config.Config) { c.Serve.ServerCA = "" }},
		{"finding client host", func(*config.Config) {}},
	}
	for _, test := range tests {
		c := create(t, plan(t))
		test.spoil(c)
		if _, _, err := Kit(c, "host", time.Now()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestKeyringIsPinned(t *testing.T) {
	one, two := upstreamtest.NewKey(t), upstreamtest.NewKey(t)
	file := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(file, append(one.Public(), two.Public()...), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, signedBy := range map[int][]string{2: {file}, 1: {file, one.Fingerprint()}} {
		keys, err := Keyring(archive("debian", signedBy...))
		if err != nil || len(keys.Primaries()) != want {
			t.Errorf("%q: %v, %v", signedBy, keys, err)
		}
	}
	for _, signedBy := range [][]string{{file, strings.Repeat("0", 40)}, {file + ".none"}} {
		if _, err := Keyring(archive("debian", signedBy...)); err == nil || !strings.Contains(err.Error(), "archive debian: loading signed_by") {
			t.Errorf("%q: %v", signedBy, err)
		}
	}
}

func TestNarrow(t *testing.T) {
	one, two := archive("one", "/keyring.gpg"), archive("two", "/keyring.gpg")
	one.Suites = []string{"stable", "updates", "security"}
	c := create(t, plan(t, one, two))
	narrow, err := Narrow(c, func(archive, suite string) bool { return archive == "one" && suite != "updates" })
	if err != nil {
		t.Fatal(err)
	}
	if len(narrow.Archives) != 1 || !slices.Equal(narrow.Archives[0].Suites, []string{"stable", "security"}) || len(narrow.Repositories) != 1 {
		t.Errorf("got %+v and %+v", narrow.Archives, narrow.Repositories)
	}
	if len(c.Archives) != 2 || len(c.Archives[0].Suites) != 3 {
		t.Errorf("the configuration it was made of changed: %+v", c.Archives)
	}
}

func TestImport(t *testing.T) {
	root := t.TempDir()
	key := upstreamtest.NewKey(t).Public()
	for name, text := range map[string]string{
		"etc/apt/sources.list":                  "deb [signed-by=/usr/share/keyrings/a.gpg] http://mirror.example.org/debian stable main\n",
		"etc/apt/sources.list.d/bare.list":      "deb http://mirror.example.org/bare stable main\n",
		"etc/apt/sources.list.d/local.list":     "deb file:/srv/local stable main\n",
		"etc/apt/sources.list.d/off.list.saved": "deb http://mirror.example.org/off stable main\n",
		"usr/share/keyrings/a.gpg":              string(key),
	} {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	archives, _, leftOut, err := Import(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(archives) != 1 || archives[0].Name != "debian" || archives[0].Refresh != config.DefaultRefresh || archives[0].Download != config.OnDemand {
		t.Errorf("got %+v", archives)
	}
	text := strings.Join(leftOut, "\n")
	for _, want := range []string{"bare (http://mirror.example.org/bare): no keyring to verify it with", "local.list", "off.list.saved"} {
		if !strings.Contains(text, want) {
			t.Errorf("what is left out does not name %q:\n%s", want, text)
		}
	}
}
