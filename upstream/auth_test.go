package upstream

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const authFile = `# comment
machine mirror.example.org/private login one password secret1
machine mirror.example.org
  login two
  password secret#2
machine http://plain.example.org:8080 login three password secret3
machine esm.example.org/apps/ubuntu/ login bearer password secret6  # ubuntu-pro-client
machine tokens.example.org password token4 machine http://proxy.example.org login five password secret5
`

func TestAuthFindsTheFirstEntryThatFits(t *testing.T) {
	a, err := ReadAuth(strings.NewReader(authFile))
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"https://mirror.example.org/private/dists/x":  "Basic one:secret1",
		"https://mirror.example.org/private":          "Basic one:secret1",
		"https://MIRROR.example.org:8443/private/x":   "Basic one:secret1",
		"https://mirror.example.org/privateer/x":      "Basic two:secret#2",
		"https://mirror.example.org/":                 "Basic two:secret#2",
		"http://mirror.example.org/private/x":         "",
		"https://evil-mirror.example.org/":            "",
		"https://x.mirror.example.org/":               "",
		"http://plain.example.org:8080/x":             "Basic three:secret3",
		"http://plain.example.org/x":                  "",
		"https://plain.example.org:8080/x":            "",
		"https://tokens.example.org/x":                "Bearer token4",
		"https://esm.example.org/apps/ubuntu/dists/x": "Basic bearer:secret6",
		"https://esm.example.org/infra/ubuntu/x":      "",
		"https://user:pw@elsewhere.example.org/":      "",
		"https://elsewhere.example.org/tokens?x=y":    "",
		"https://mirror.example.org.evil.example.com": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{URL: u, Header: http.Header{"Authorization": {"Basic left-over"}}}
		a.authorise(r)
		got := r.Header.Get("Authorization")
		if name, password, ok := r.BasicAuth(); ok {
			got = "Basic " + name + ":" + password
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
	if got := a.user(&url.URL{Scheme: "http", Host: "proxy.example.org:3128"}); got.String() != "five:secret5" {
		t.Errorf("proxy: %v", got)
	}
	if got := (*Auth)(nil).user(&url.URL{Scheme: "http", Host: "proxy.example.org"}); got != nil {
		t.Errorf("without a file: %v", got)
	}
}

func TestAuthRefusesWhatIsNotOne(t *testing.T) {
	for text, want := range map[string]string{
		"login x password secret":                      "line 1: login stands before any machine",
		"machine h\nlogin x":                           "line 2: machine h has no password",
		"machine h login x\nmachine i password secret": "line 2: machine h before it has no password",
		"machine h login x password secret secret2":    `line 1: neither "machine"`,
		"\nmachine":                                          `line 2: nothing follows "machine"`,
		"machine h password":                                 `nothing follows "password"`,
		"machine ftp://h password secret":                    "a machine is",
		"machine u:secret@h password secret":                 "a machine is",
		"machine / password secret":                          "a machine is",
		"machine h password " + strings.Repeat("x", maxAuth): "line 1",
		strings.Repeat("#\n", maxAuth):                       "longer than",
	} {
		_, err := ReadAuth(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40q: the error tells a secret: %v", text, err)
		}
	}
}

func TestAFileOfPasswordsIsNotForEverybody(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth.conf")
	if err := os.WriteFile(file, []byte(authFile), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o400: true, 0o644: false, 0o604: false, 0o660: false, 0o601: false} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadAuth(file); good != (err == nil) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := LoadAuth(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func FuzzReadAuth(f *testing.F) {
	f.Add([]byte(authFile))
	f.Add([]byte("machine a password b machine"))
	f.Add([]byte("machine https://[::1]:80/x login machine password login"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ReadAuth(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		for _, e := range a.entries {
			if e.host == "" || e.password == "" || e.scheme == "" {
				t.Errorf("an entry that lacks something: %+v", e)
			}
		}
	})
}
