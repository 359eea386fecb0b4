package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// full uses every key.
const full = `
state = "state"

[serve]
listen      = [":8443", "[::1]:9443"]
public_url  = "https://Mirror.example.org:8443/"
cert        = "tls/server.crt"
key         = "/secret/server.key"
client_ca   = ["tls/clients-ca.crt"]
crl         = ["tls/clients.crl"]
crl_grace   = "36h"
crl_required = true
cn_allowed  = true
client_auth = "strict"
server_ca   = "tls/ca.crt"
proxy_mode  = true
max_connections = 4000

[status]
listen = "127.0.0.1:8480"

[bundles]
sign_with = ["key:hsm"]
signed_by = ["keys/hq.gpg"]

[cache]
max_size = "1500MB"

[clients]
ca_cert = "tls/clients-ca.crt"
ca_key  = "tls/clients-ca.key"
dir     = "clients"

[[archive]]
name          = "debian"
uris          = ["http://mirror.example.org/debian/", "https://Other.example.org"]
suites        = ["bookworm", "stable/updates"]
components    = ["main", "non-free-firmware"]
architectures = ["amd64", "source"]
languages     = ["en", "pt_BR"]
signed_by     = ["keys/debian.gpg", "0123456789abcdef0123456789abcdef01234567!"]
refresh       = "1d12h"
download      = "all"
installer     = true
max_age       = "30d"
allow_private = true
proxy         = "http://Proxy.example.org:3128/"
auth          = "auth.conf"
client_cert   = "tls/upstream.crt"
client_key    = "tls/upstream.key"
ca            = "tls/upstream-ca.crt"
bandwidth     = "1500kB/s"
connections   = 12
aliases       = ["http://Old.example.org/debian/"]

[[archive]]
name          = "vendor"
uris          = []
suites        = ["/"]
architectures = ["amd64"]
languages     = []
signed_by     = ["/usr/share/keyrings/vendor.gpg"]

[[repository]]
name    = "debian"
archive = "debian"

[[pool]]
name      = "internal"
incoming  = "/srv/incoming"
component = "local"
signed_by = ["keys/uploaders.gpg"]
names     = ["corp-*"]
shadows   = ["nginx"]
provides  = ["mail-transport-agent"]
max_size  = "50GB"
max_size_each = "5GB"

[[key]]
name       = "site"
private    = "keys/site.asc"
passphrase = "file:keys/passphrase"

[[key]]
name    = "hsm"
public  = "keys/hsm.asc"
command = ["/usr/local/bin/sign", "-v", "-v", ""]

[[policy]]
name  = "workstations"
rules = '''
# no games
deny ?section(games)
allow ?name(\.)
'''

[[policy]]
name = "servers"
file = "policies/servers.rules"

[[repository]]
name        = "site"
sign_with   = ["keys/site.asc", "key:hsm"]
origin      = "Example"
label       = "Example site"
description = "Packages for Example"
valid_for   = "3d"
  [[repository.suite]]
  name     = "stable"
  codename = "bookworm"
  from     = ["archive:debian/bookworm", "pool:internal", "archive:vendor/./"]
  policy   = "workstations"
  components    = ["main"]
  architectures = ["amd64"]
  not_automatic          = true
  but_automatic_upgrades = true
  contents               = true
  keyring_package        = true
  [[repository.suite]]
  name = "testing"
  from = ["repository:site/stable"]

[[repository]]
name    = "tools"
archive = "vendor"

[[repository]]
name      = "production"
sign_with = ["key:site"]
  [[repository.suite]]
  name    = "stable"
  from    = ["repository:site/stable"]
  publish = "manual"

[[snapshot]]
name         = "nightly"
repositories = ["site", "debian"]
every        = "daily"
at           = "23:59"
keep_daily   = 7
keep_weekly  = 4
keep_monthly = 12
complete     = true

[[snapshot]]
name         = "often"
repositories = ["site"]
every        = "hourly"
keep         = 24

[[grant]]
identity    = "dns:*.branch.example.org"
read        = ["debian", "debian/stable/updates", "tools/./", "site/stable"]
upload      = ["internal"]
status      = true
admin       = true
rate        = "50MB/s"
connections = 16

[[grant]]
identity = "sha256:ABCDEF6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
read     = ["*"]
`

func fullConfig() *Config {
	return &Config{
		Path:  "/etc/aptmirror/aptmirror.toml",
		State: "/etc/aptmirror/state",
		Serve: Serve{
			Listen:     []string{":8443", "[::1]:9443"},
			PublicURL:  "https://mirror.example.org:8443",
			Cert:       "/etc/aptmirror/tls/server.crt",
			Key:        "/secret/server.key",
			ClientCA:   []string{"/etc/aptmirror/tls/clients-ca.crt"},
			CRL:        []string{"/etc/aptmirror/tls/clients.crl"},
			ClientAuth: Strict,
			ServerCA:   "/etc/aptmirror/tls/ca.crt",

			CRLGrace: 36 * time.Hour, CRLRequired: true, CNAllowed: true, ProxyMode: true, MaxConnections: 4000,
		},
		Status:  Status{Listen: "127.0.0.1:8480"},
		Bundles: Bundles{SignWith: []string{"key:hsm"}, SignedBy: []string{"/etc/aptmirror/keys/hq.gpg"}},
		Cache:   Cache{MaxSize: 1_500_000_000},
		Clients: Clients{
			CACert: "/etc/aptmirror/tls/clients-ca.crt",
			CAKey:  "/etc/aptmirror/tls/clients-ca.key",
			Dir:    "/etc/aptmirror/clients",
		},
		Archives: []Archive{{
			Name:          "debian",
			URIs:          []string{"http://mirror.example.org/debian", "https://other.example.org"},
			Suites:        []string{"bookworm", "stable/updates"},
			Components:    []string{"main", "non-free-firmware"},
			Architectures: []string{"amd64", "source"},
			Languages:     []string{"en", "pt_BR"},
			SignedBy:      []string{"/etc/aptmirror/keys/debian.gpg", "0123456789ABCDEF0123456789ABCDEF01234567!"},
			Refresh:       36 * time.Hour,
			Download:      All,
			Installer:     true,
			MaxAge:        30 * day,
			AllowPrivate:  true,
			Proxy:         "http://proxy.example.org:3128",
			Auth:          "/etc/aptmirror/auth.conf",
			ClientCert:    "/etc/aptmirror/tls/upstream.crt",
			ClientKey:     "/etc/aptmirror/tls/upstream.key",
			CA:            "/etc/aptmirror/tls/upstream-ca.crt",
			Bandwidth:     1_500_000,
			Connections:   12,
			Aliases:       []string{"http://old.example.org/debian"},
		}, {
			Name:          "vendor",
			Suites:        []string{"./"},
			Architectures: []string{"amd64"},
			SignedBy:      []string{"/usr/share/keyrings/vendor.gpg"},
			Download:      OnDemand,
		}},
		Pools: []Pool{{
			Name: "internal", Incoming: "/srv/incoming", Component: "local", SignedBy: []string{"/etc/aptmirror/keys/uploaders.gpg"},
			Names: []string{"corp-*"}, Shadows: []string{"nginx"}, Provides: []string{"mail-transport-agent"},
			MaxSize: 50e9, MaxSizeEach: 5e9,
		}},
		Keys: []Key{
			{Name: "site", Private: "/etc/aptmirror/keys/site.asc", Passphrase: "file:/etc/aptmirror/keys/passphrase"},
			{Name: "hsm", Public: "/etc/aptmirror/keys/hsm.asc", Command: []string{"/usr/local/bin/sign", "-v", "-v", ""}},
		},
		Policies: []Policy{
			{Name: "workstations", Rules: "# no games\ndeny ?section(games)\nallow ?name(\\.)\n"},
			{Name: "servers", File: "/etc/aptmirror/policies/servers.rules"},
		},
		Repositories: fullRepositories(),
		Snapshots: []Snapshot{{
			Name: "nightly", Repositories: []string{"site", "debian"}, Every: Daily, At: 23*time.Hour + 59*time.Minute,
			KeepDaily: 7, KeepWeekly: 4, KeepMonthly: 12, Complete: true,
		}, {
			Name: "often", Repositories: []string{"site"}, Every: Hourly, Keep: 24,
		}},
		Grants: []Grant{
			{
				Identity: "dns:*.branch.example.org", Read: []string{"debian", "debian/stable/updates", "tools/./", "site/stable"},
				Upload: []string{"internal"}, Status: true, Admin: true, Rate: 50_000_000, Connections: 16,
			},
			{Identity: "sha256:abcdef6789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", Read: []string{"*"}},
		},
	}
}

func fullRepositories() []Repository {
	return []Repository{{Name: "debian", Archive: "debian"}, {
		Name: "site", SignWith: []string{"/etc/aptmirror/keys/site.asc", "key:hsm"}, Origin: "Example", Label: "Example site",
		Description: "Packages for Example", ValidFor: 3 * day,
		Suites: []Suite{{
			Name: "stable", Codename: "bookworm", Policy: "workstations", Publish: Auto,
			From:       []Source{{"archive", "debian", "bookworm"}, {"pool", "internal", ""}, {"archive", "vendor", "./"}},
			Components: []string{"main"}, Architectures: []string{"amd64"},
			NotAutomatic: true, ButAutomaticUpgrades: true, Contents: true, KeyringPackage: true,
		}, {
			Name: "testing", Codename: "testing", Publish: Auto, From: []Source{{"repository", "site", "stable"}},
		}},
	}, {Name: "tools", Archive: "vendor"}, {
		Name: "production", SignWith: []string{"key:site"}, Origin: "production", Label: "production", ValidFor: 7 * day,
		Suites: []Suite{{Name: "stable", Codename: "stable", Publish: Manual, From: []Source{{"repository", "site", "stable"}}}},
	}}
}

func mustParse(t *testing.T, path, text string) *Config {
	t.Helper()
	c, err := Parse(path, []byte(text))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return c
}

// anyLine is for configurations that were not read from the same file.
var anyLine = cmp.Options{cmpopts.IgnoreFields(Grant{}, "Line"), cmpopts.IgnoreFields(Policy{}, "Line")}

func TestParseReadsEveryKey(t *testing.T) {
	got := mustParse(t, "/etc/aptmirror/aptmirror.toml", full)
	if diff := cmp.Diff(fullConfig(), got, anyLine); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	if got.Socket() != "/etc/aptmirror/state/admin.sock" {
		t.Errorf("Socket = %q", got.Socket())
	}
}

func TestDefaults(t *testing.T) {
	got := mustParse(t, "/c/a.toml", `
[serve]
cert = "c"
key = "k"
client_ca = ["ca"]
[[archive]]
name = "debian"
uris = ["http://mirror.example.org/debian"]
suites = ["bookworm"]
components = ["main"]
architectures = ["amd64"]
signed_by = ["k.gpg"]
`)
	want := &Config{
		Path:  "/c/a.toml",
		State: DefaultState,
		Serve: Serve{Listen: []string{":8443"}, Cert: "/c/c", Key: "/c/k", ClientCA: []string{"/c/ca"}, ClientAuth: Explain, CRLGrace: 24 * time.Hour, MaxConnections: 4096},
		Archives: []Archive{{
			Name: "debian", URIs: []string{"http://mirror.example.org/debian"}, Suites: []string{"bookworm"},
			Components: []string{"main"}, Architectures: []string{"amd64"}, Languages: []string{"en"},
			SignedBy: []string{"/c/k.gpg"}, Refresh: 15 * time.Minute, Download: OnDemand,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
	empty := mustParse(t, "/c/a.toml", "")
	if diff := cmp.Diff(&Config{Path: "/c/a.toml", State: DefaultState}, empty); diff != "" {
		t.Errorf("empty file (-want +got):\n%s", diff)
	}
}

// Inline tables and dotted keys are the same TOML as headers.
func TestOtherSpellingsOfTables(t *testing.T) {
	got := mustParse(t, "/c/a.toml", `
serve.cert = "c"
serve.key = "k"
serve.client_ca = ["ca"]
clients = { ca_cert = "c", ca_key = "k", dir = "d" }
archive = [{ name = "v", uris = [], suites = ["./x/"], architectures = ["amd64"], signed_by = ['k'] }]
"repository" = [{ name = "v", archive = """v""" }]
`)
	if got.Serve.Cert != "/c/c" || got.Clients.Dir != "/c/d" || got.Repositories[0].Archive != "v" {
		t.Errorf("Parse = %+v", got)
	}
	if diff := cmp.Diff([]string{"x/"}, got.Archives[0].Suites); diff != "" {
		t.Errorf("suites (-want +got):\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("a.toml", []byte(`state = "store"`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load("a.toml")
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(c.Path) || c.State != filepath.Join(filepath.Dir(c.Path), "store") {
		t.Errorf("Load: path %q, state %q", c.Path, c.State)
	}
	if _, err := Load("missing.toml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	if err := os.WriteFile("big.toml", []byte(strings.Repeat("# 45678\n", MaxFile/8+1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("big.toml"); err == nil || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
		t.Errorf("big file: %v", err)
	}
}

func TestDurations(t *testing.T) {
	tests := map[string]time.Duration{
		"15m": 15 * time.Minute, "6h": 6 * time.Hour, "7d": 7 * day, "1d12h": 36 * time.Hour, "90s": 90 * time.Second,
		"1.5h": 90 * time.Minute, "0d1m": time.Minute, "3650d": 3650 * day,
	}
	for text, want := range tests {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("parseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
		if again, err := parseDuration(formatDuration(got)); err != nil || again != got {
			t.Errorf("%v is written %q and read as %v, %v", got, formatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "d", "7", "7 d", "-7d", "-5m", "+5m", "1h7d", "1dx", "1d-5m", "3651d", "99999999d", "90000h", "1w", "2540400h"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("parseDuration(%q) = %v, want an error", text, got)
		}
	}
}
