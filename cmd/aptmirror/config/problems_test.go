package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withArchive is a valid archive whose keys a test replaces or, with an empty value, leaves out.
func withArchive(changes map[string]string) string {
	keys := [][2]string{
		{"name", `"a"`}, {"uris", `["http://mirror.example.org/debian"]`}, {"suites", `["s"]`}, {"components", `["main"]`},
		{"architectures", `["amd64"]`}, {"languages", `["en"]`}, {"signed_by", `["k.gpg"]`}, {"refresh", `"15m"`}, {"download", `"all"`},
	}
	var b strings.Builder
	b.WriteString("[[archive]]\n")
	for _, k := range keys {
		value, changed := changes[k[0]]
		if !changed {
			value = k[1]
		}
		if value != "" {
			fmt.Fprintf(&b, "%s = %s\n", k[0], value)
		}
	}
	return b.String()
}

func archiveWith(key, value string) string { return withArchive(map[string]string{key: value}) }

func problemsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := Parse("a.toml", []byte(text))
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("Parse: %v, want *Error", err)
	}
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return lines
}

func TestProblemsHavePlaceKeyAndRemedy(t *testing.T) {
	serve := "[serve]\ncert = \"c\"\nkey = \"k\"\nclient_ca = [\"ca\"]\n"
	tests := []struct{ name, text, want string }{
		{"syntax", "state = \"a\"\nstate\n", "a.toml:2:6: not TOML:"},
		{"key twice", "state = \"a\"\nstate = \"b\"\n", "a.toml:2:1: not TOML:"},
		{"table twice", "[serve]\n[serve]\n", "a.toml:2:2: not TOML:"},
		{"unknown key", "[serve]\nlisten_on = []\n" + serve[8:], `a.toml:2:1: serve.listen_on: unknown key; allowed in [serve]: listen, public_url, cert`},
		{"misspelled", archiveWith("suites", "[\"s\"]\n  Signed-By = []"), `a.toml:5:3: archive.Signed-By: unknown key; did you mean "signed_by"?; allowed in [[archive]]: name,`},
		{"wrong table", serve + "state = \"x\"", `a.toml:5:1: serve.state: unknown key; it belongs in the top level;`},
		{"not honoured", "[weather]\nmax_size = \"1GB\"", `a.toml:1:2: weather: unknown key; allowed in the top level: state, serve, status, cache, clients,`},
		{"wrong type", "\n  state = 1", `a.toml:2:3: state: must be a string in quotes`},
		{"element type", archiveWith("components", "[\"main\",\n  7]"), `a.toml:6:3: archive.components: must be a string in quotes`},
		{"nested list", archiveWith("components", "[[\"main\"]]"), `a.toml:5:1: archive.components: must be a string in quotes`},
		{"string for list", archiveWith("suites", `"bookworm"`), `a.toml:4:1: archive.suites: must be a list of strings`},
		{"table not list", "[archive]\n", `a.toml:1:2: archive: is a list of tables: write [[archive]], once for each`},
		{"list of others", "archive = [1]\n", `a.toml:1:12: archive: is a list of tables`},
		{"list not table", "[[serve]]\n", `a.toml:1:3: serve: must be a table: write [serve] and its keys below`},
		{"value not table", "serve = 1\n", `a.toml:1:1: serve: must be a table`},
		{"deep key", "[[archive.pool]]\n[archive.pool.x]\n", `is a list of tables`},
		{"empty path", `state = ""`, `a.toml:1:1: state: is empty: write a path, or leave the key out`},
		{"control in path", `state = "a\u0000b"`, `state: is not a path`},
		{"missing in serve", "\n[serve]\ncert = \"c\"\nclient_ca = [\"x\"]", `a.toml:2:2: serve.key: is required`},
		{"empty client_ca", strings.Replace(serve, `"ca"`, "", 1), `a.toml:4:1: serve.client_ca: must have at least one entry`},
		{"empty listen", serve + "listen = []", `a.toml:5:1: serve.listen: must have at least one entry`},
		{"listen without port", serve + `listen = ["localhost"]`, `a.toml:5:11: serve.listen: "localhost" is not an address: write "host:port"`},
		{"listen on a service", serve + `listen = [":https"]`, `the port must be a number from 0 to 65535`},
		{"listen on a path", serve + `listen = ["/run/x:1"]`, `neither an IP address nor a host name`},
		{"client_auth", serve + `client_auth = "none"`, `serve.client_auth: "none" is not allowed: write "explain" or "strict"`},
		{"crl_grace", serve + `crl_grace = "1w"`, `a.toml:5:1: serve.crl_grace: "1w" is not a duration`},
		{"crl_required without crl", serve + `crl_required = true`, `a.toml:5:1: serve.crl_required: needs crl: without a list every client would be refused`},
		{"quoted boolean", serve + `cn_allowed = "true"`, `a.toml:5:1: serve.cn_allowed: must be true or false, without quotes`},
		{"public_url http", serve + `public_url = "http://h"`, `serve.public_url: "http://h" must begin with https://`},
		{"public_url path", serve + `public_url = "https://h/x"`, `has a path: write https://HOST:PORT only`},
		{"clients missing", "[clients]\nca_cert = \"x\"\nca_key = \"y\"\n", `a.toml:1:2: clients.dir: is required`},

		{"name", archiveWith("name", `"Debian"`), `a.toml:2:1: archive.name: "Debian" is not a name: letters a-z,`},
		{"name hyphen", archiveWith("name", `"-"`), `"-" is not a name`},
		{"name long", archiveWith("name", `"`+strings.Repeat("a", 65)+`"`), `at most 64`},
		{"name twice", archiveWith("", "") + archiveWith("", ""), `a.toml:12:1: archive.name: "a" is used twice`},
		{"no name", archiveWith("name", ""), `a.toml:1:3: archive.name: is required`},
		{"no uris", archiveWith("uris", ""), `archive.uris: is required`},
		{"no suites", archiveWith("suites", ""), `archive.suites: is required`},
		{"empty suites", archiveWith("suites", "[]"), `archive.suites: must have at least one entry`},
		{"no components", archiveWith("components", ""), `archive.components: is required`},
		{"empty components", archiveWith("components", "[]"), `archive.components: must have at least one entry`},
		{"no architectures", archiveWith("architectures", ""), `archive.architectures: is required`},
		{"no signed_by", archiveWith("signed_by", ""), `archive.signed_by: is required`},
		{"empty signed_by", archiveWith("signed_by", "[]"), `archive.signed_by: must have at least one entry`},
		{"fingerprints only", archiveWith("signed_by", `["0123456789abcdef0123456789abcdef01234567"]`), `archive.signed_by: names fingerprints only`},
		{"short key ID", archiveWith("signed_by", `["k.gpg", "0xDEADBEEF"]`), `a.toml:8:23: archive.signed_by: "0xDEADBEEF" is not a whole fingerprint`},
		{"spaced fingerprint", archiveWith("signed_by", `["k.gpg", "0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"]`), `is not a whole fingerprint`},
		{"suite twice", archiveWith("suites", `["s", "t", "s"]`), `a.toml:4:21: archive.suites: "s" is listed twice`},
		{"suite absolute", archiveWith("suites", `["/s"]`), `"/s" is not a suite`},
		{"suite up", archiveWith("suites", `["s/../t"]`), `is not a suite`},
		{"suite blank", archiveWith("suites", `["a b"]`), `is not a suite`},
		{"suite empty", archiveWith("suites", `[""]`), `is not a suite`},
		{"suite ..", archiveWith("suites", `["../"]`), `is not a suite`},
		{"suite long", archiveWith("suites", `["`+strings.Repeat("a", 300)+`"]`), `is not a suite`},
		{"mixed flat", archiveWith("suites", `["s", "./"]`), `archive.suites: flat repositories (that end in "/") and suites below dists/ need an archive each`},
		{"flat components", archiveWith("suites", `["./"]`), `a.toml:5:1: archive.components: flat repositories`},
		{"component", archiveWith("components", `["main/"]`), `"main/" is not a component`},
		{"architecture", archiveWith("architectures", `["AMD64"]`), `"AMD64" is not an architecture`},
		{"language none", archiveWith("languages", `["none"]`), `write [] for no translations`},
		{"language environment", archiveWith("languages", `["environment"]`), `name the languages`},
		{"language", archiveWith("languages", `["en/../x"]`), `is not a language`},
		{"refresh unit", archiveWith("refresh", `"15"`), `a.toml:9:1: archive.refresh: "15" is not a duration: write a number and s, m, h or d`},
		{"refresh short", archiveWith("refresh", `"59s"`), `"59s" is too short: at least 1m`},
		{"refresh long", archiveWith("refresh", `"4000d"`), `"4000d" is longer than 3650d`},
		{"max_age", archiveWith("download", "\"all\"\nmax_age = \"59m\""), `archive.max_age: "59m" is too short: at least 1h`},
		{"private", archiveWith("download", "\"all\"\nallow_private = 1"), `archive.allow_private: must be true or false`},
		{"proxy scheme", archiveWith("download", "\"all\"\nproxy = \"ftp://h:1\""), `archive.proxy: "ftp://h:1" must begin with http:// or https:// or socks5://`},
		{"proxy path", archiveWith("download", "\"all\"\nproxy = \"http://h:1/x\""), `has a path: write SCHEME://HOST:PORT only`},
		{"proxy password", archiveWith("download", "\"all\"\nproxy = \"http://u:secret@h:1\""), `write "http://h:1", and them into the file that an archive's key auth names`},
		{"client_cert alone", archiveWith("download", "\"all\"\nclient_cert = \"c\""), `archive.client_key: is required`},
		{"client_key alone", archiveWith("download", "\"all\"\nclient_key = \"k\""), `archive.client_cert: is required`},
		{"bandwidth", archiveWith("download", "\"all\"\nbandwidth = \"10MB\""), `archive.bandwidth: "10MB" is not a rate`},
		{"bandwidth low", archiveWith("download", "\"all\"\nbandwidth = \"1kB/s\""), `"1kB/s" is too slow: at least 10kB/s`},
		{"connections", archiveWith("download", "\"all\"\nconnections = 101"), `archive.connections: must be a whole number from 1 to 100, without quotes`},
		{"connections none", archiveWith("download", "\"all\"\nconnections = 0"), `must be a whole number from 1`},
		{"connections text", archiveWith("download", "\"all\"\nconnections = \"8\""), `must be a whole number from 1`},
		{"refresh number", archiveWith("refresh", `15`), `archive.refresh: must be a string in quotes`},
		{"refresh of nothing", archiveWith("uris", "[]"), `a.toml:9:1: archive.refresh: leave it out: an archive without uris`},
		{"installer", archiveWith("download", "\"all\"\ninstaller = \"true\""), `archive.installer: must be true or false`},
		{"download", archiveWith("download", `"lazy"`), `"lazy" is not allowed: write "on-demand" or "all"`},

		{"repository archive", archiveWith("name", `"debian"`) + "[[repository]]\nname = \"r\"\narchive = \"debina\"", `a.toml:13:1: repository.archive: there is no archive "debina"; did you mean "debian"?`},
		{"repository twice", archiveWith("", "") + strings.Repeat("[[repository]]\nname = \"r\"\narchive = \"a\"\n", 2), `a.toml:15:1: repository.name: "r" is used twice`},
		{"grant kind", "[[grant]]\nidentity = \"host.example.org\"\nread = [\"*\"]", `a.toml:2:1: grant.identity: "host.example.org" is not an identity: write dns:NAME`},
		{"grant digest", "[[grant]]\nidentity = \"sha256:AB:CD\"\nread = [\"*\"]", `has 64 hexadecimal digits and no colons`},
		{"grant empty", "[[grant]]\nidentity = \"dns:\"\nread = [\"*\"]", `is not an identity`},
		{"grant blank", "[[grant]]\nidentity = \"dns:a b\"\nread = [\"*\"]", `blanks cannot be part of a dns name`},
		{"grant nothing", "[[grant]]\nidentity = \"dns:a\"\nread = []", `grant.read: must have at least one entry`},
		{"grant repository", archiveWith("", "") + "[[repository]]\nname = \"site\"\narchive = \"a\"\n[[grant]]\nidentity = \"dns:a\"\nread = [\"sites\"]", `a.toml:16:9: grant.read: there is no repository "sites"; did you mean "site"?`},
		{"grant suite", archiveWith("suites", `["bookworm"]`) + "[[repository]]\nname = \"site\"\narchive = \"a\"\n[[grant]]\nidentity = \"dns:a\"\nread = [\"site/bokworm\"]", `repository "site" has no suite "bokworm"; did you mean "bookworm"?`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(t, tt.text)
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("problems:\n%s\nwant one with:\n%s\nof:\n%s", strings.Join(got, "\n"), tt.want, tt.text)
			}
		})
	}
}

func TestURIs(t *testing.T) {
	good := map[string]string{
		"http://h":                          "http://h",
		"HTTP://H.Example.org/":             "http://h.example.org",
		"https://h:8443/debian///":          "https://h:8443/debian",
		"http://[2001:db8::1]:80/debian":    "http://[2001:db8::1]:80/debian",
		"http://h/x%20y/~u/a+b":             "http://h/x%20y/~u/a+b",
		"https://h/debian/@1:2;v=(3)!*',$&": "https://h/debian/@1:2;v=(3)!*',$&",
	}
	for in, want := range good {
		if got, err := CleanURI(in); err != nil || got != want {
			t.Errorf("CleanURI(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	bad := []string{
		"", "h", "/debian", "//h/debian", "ftp://h/debian", "http:h", "http:///debian", "http://h:/x", "http://h:0/", "http://h:99999/",
		"http://h:http/", "http://h/a/../b", "http://h/./b", "http://h/a//b", "http://h/%2e%2e/b", "http://h/a%2fb", "http://h/a%5cb",
		`http://h/a\b`, "http://h/a b", "http://h/a?q", "http://h/a?", "http://h/a#", "http://h/a#f", "http://user@h/", "http://user:pw@h/",
		"http://@h/", "http://h/\x00", "http://h/ä", "http://hä/", "http://-h/", "http://h_/", "http://h/%zz", "http://[::1%25eth0]/",
		"http://h/" + strings.Repeat("a", 5000),
	}
	for _, in := range bad {
		if got, err := CleanURI(in); err == nil {
			t.Errorf("CleanURI(%.60q) = %q, want an error", in, got)
		}
	}
	_, err := CleanURI("https://user:secret@h/debian")
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), `write "https://h/debian"`) {
		t.Errorf("user and password: %v, want the URI without the secret", err)
	}
}

func TestAllProblemsComeAtOnceInOrder(t *testing.T) {
	got := problemsOf(t, `stat = "x"
[serve]
listen = ["nowhere", ":99999"]
[[archive]]
name = "A"
uris = ["ftp://mirror.example.org"]
suites = []
refesh = "1s"
`)
	want := []string{
		`a.toml:1:1: stat: unknown key; did you mean "state"?`,
		`a.toml:2:2: serve.cert: is required`,
		`a.toml:2:2: serve.key: is required`,
		`a.toml:2:2: serve.client_ca: is required`,
		`a.toml:3:11: serve.listen: "nowhere" is not an address`,
		`a.toml:3:22: serve.listen: ":99999": the port`,
		`a.toml:4:3: archive.architectures: is required`,
		`a.toml:4:3: archive.signed_by: is required`,
		`a.toml:5:1: archive.name: "A" is not a name`,
		`a.toml:6:9: archive.uris: "ftp://mirror.example.org" must begin with http:// or https://`,
		`a.toml:7:1: archive.suites: must have at least one entry`,
		`a.toml:8:1: archive.refesh: unknown key; did you mean "refresh"?`,
	}
	short := make([]string, len(got))
	for i, g := range got {
		short[i] = g
		if i < len(want) && len(g) > len(want[i]) {
			short[i] = g[:len(want[i])]
		}
	}
	if diff := cmp.Diff(want, short); diff != "" {
		t.Errorf("problems (-want +got):\n%s\nin full:\n%s", diff, strings.Join(got, "\n"))
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxProblems + 5 {
		fmt.Fprintf(&b, "key%d = 1\n", i)
	}
	_, err := Parse("a.toml", []byte(b.String()))
	e, ok := errors.AsType[*Error](err)
	if !ok || len(e.Problems) != maxProblems || e.More != 5 || !strings.HasSuffix(e.Error(), "\nand 5 more problems") {
		t.Errorf("Parse: %d problems, more %v", len(e.Problems), e.More)
	}
	many := "[" + strings.Repeat(`"a", `, maxItems+1) + "]"
	if got := problemsOf(t, archiveWith("components", many)); len(got) != 1 || !strings.Contains(got[0], "more than 1000 entries") {
		t.Errorf("long list: %.300q", got)
	}
}

func TestEditDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "", 2}, {"suites", "suite", 1}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := editDistance(tt.a, tt.b); got != tt.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
