package migrate

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/config"
)

var amd64 = Machine{Architecture: "amd64", HasKeyring: func(path string) bool { return strings.Contains(path, "debian") }}

const mirrorListText = `############# config ##################
set base_path    /var/spool/apt-mirror
# set mirror_path  $base_path/mirror
set run_postmirror 0
set nthreads     20
set limit_rate 500k
set use_proxy on
set http_proxy 127.0.0.1:8080
deb http://mirror.example.org/debian bookworm main contrib main/debian-installer
deb-src http://mirror.example.org/debian bookworm main
deb-i386 http://mirror.example.org/debian bookworm main contrib
deb [arch=arm64,amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.example.org/tools stable main
deb ftp://old.example.org/debian sid main
deb http://flat.example.org/repo ./
deb http://mirror.example.org
clean http://mirror.example.org/debian
mirror_path http://x y
set frobnicate yes
frobnicate
`

const wantMirrorList = `[[archive]]
name = "debian"
uris = ["http://mirror.example.org/debian"]
suites = ["bookworm"]
components = ["main", "contrib"]
architectures = ["amd64", "i386", "source"]
languages = ["en"]
signed_by = ["/usr/share/keyrings/debian-archive-keyring.gpg"]
refresh = "15m"
download = "all"
proxy = "http://127.0.0.1:8080"
bandwidth = "10240kB/s"
connections = 20

[[archive]]
name = "tools"
uris = ["https://vendor.example.org/tools"]
suites = ["stable"]
components = ["main"]
architectures = ["arm64", "amd64"]
languages = ["en"]
signed_by = ["/usr/share/keyrings/vendor.gpg"]
refresh = "15m"
download = "all"
proxy = "http://127.0.0.1:8080"
bandwidth = "10240kB/s"
connections = 20

[[archive]]
name = "repo"
uris = ["http://flat.example.org/repo"]
suites = ["./"]
architectures = ["amd64"]
languages = ["en"]
signed_by = ["/etc/aptmirror/keys/repo.gpg"]
refresh = "15m"
download = "all"
proxy = "http://127.0.0.1:8080"
bandwidth = "10240kB/s"
connections = 20

[[repository]]
name = "debian"
archive = "debian"

[[repository]]
name = "tools"
archive = "tools"

[[repository]]
name = "repo"
archive = "repo"
`

func TestMirrorList(t *testing.T) {
	r := MirrorList("mirror.list", mirrorListText, amd64)
	text := config.Excerpt(r.Archives, r.Repositories)
	if diff := cmp.Diff(wantMirrorList, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := config.Parse("a.toml", text); err != nil {
		t.Error(err)
	}
	checkNotes(t, r.Notes, []string{
		"mirror.list:2: set base_path: state says where the store is",
		"mirror.list:9: main/debian-installer: packages of the installer come with their component",
		"mirror.list:9: archive debian: signed_by goes by the address",
		"mirror.list:13: ftp: cannot be mirrored",
		"mirror.list:14: archive repo: put the archive's key into /etc/aptmirror/keys/repo.gpg",
		"mirror.list:15: no suite",
		"mirror.list:16: clean: aptmirror gc",
		"mirror.list:17: mirror_path: ",
		"mirror.list:18: set frobnicate: has no counterpart",
		"mirror.list:19: frobnicate: not known",
	})
}

func checkNotes(t *testing.T, notes []Remark, want []string) {
	t.Helper()
	for i, n := range notes {
		if i >= len(want) || !strings.HasPrefix(n.String(), want[i]) {
			t.Errorf("note %d is %q", i, n)
		}
	}
	if len(notes) != len(want) {
		t.Errorf("%d notes, want %d", len(notes), len(want))
	}
}

const cacherNGText = `CacheDir: /var/cache/apt-cacher-ng
Port:9999
Remap-debrep: file:deb_mirror*.gz /debian http://ftp.example.org/debian ; file:backends_debian # Debian Archives
Remap-uburep: file:ubuntu_mirrors /ub ; http://archive.example.org/ubuntu
Remap-cygwin: file:cygwin_mirrors /cygwin # ; file:backends_cygwin
Proxy = http://proxy.example.org:3128/
Remap-debrep: /x ; http://second.example.org/
PassThroughPattern: .*
debug:3
Weird: 7
no key
`

const wantCacherNG = `[[archive]]
name = "debian"
uris = ["http://deb.example.org/debian"]
#suites = ["bookworm", "bookworm-updates"]
#components = ["main"]
architectures = ["amd64"]
languages = ["en"]
signed_by = ["/usr/share/keyrings/debian-archive-keyring.gpg"]
refresh = "15m"
download = "on-demand"
proxy = "http://proxy.example.org:3128"
aliases = ["http://ftp.example.org/debian"]

[[archive]]
name = "ubuntu"
uris = ["http://archive.example.org/ubuntu"]
#suites = ["bookworm", "bookworm-updates"]
#components = ["main"]
architectures = ["amd64"]
languages = ["en"]
signed_by = ["/usr/share/keyrings/ubuntu-archive-keyring.gpg"]
refresh = "15m"
download = "on-demand"
proxy = "http://proxy.example.org:3128"
aliases = ["http://a.example.org/ubuntu", "http://b.example.org/ubuntu"]

[[repository]]
name = "debian"
archive = "debian"

[[repository]]
name = "ubuntu"
archive = "ubuntu"
`

func TestCacherNG(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"backends_debian": "# ours\nhttp://deb.example.org/debian/\nftp://deb.example.org/debian/\n",
		"ubuntu_mirrors":  "a.example.org/ubuntu/\n\nSite: b.example.org\nType: leaf\nArchive-http: /ubuntu/\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := CacherNG(filepath.Join(dir, "acng.conf"), cacherNGText, amd64)
	text := config.Excerpt(r.Archives, r.Repositories)
	if diff := cmp.Diff(wantCacherNG, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, n := range r.Notes {
		r.Notes[i].File = filepath.Base(n.File)
	}
	checkNotes(t, r.Notes, []string{
		"acng.conf:1: CacheDir: state says",
		"acng.conf:2: Port: serve.listen",
		`acng.conf:3: Remap-debrep: "ftp://deb.example.org/debian/" must begin with http`,
		"acng.conf:3: file:deb_mirror*.gz: lists of all mirrors",
		"acng.conf:3: Remap-debrep: apt-cacher-ng passes on whatever is asked for",
		"acng.conf:3: archive debian: signed_by goes by the address",
		"acng.conf:4: Remap-uburep: clients that ask the proxy itself for /ub ask for /ubuntu now",
		"acng.conf:4: Remap-uburep: apt-cacher-ng passes on",
		"acng.conf:4: archive ubuntu: the keyring /usr/share/keyrings/ubuntu-archive-keyring.gpg is not on this machine",
		"acng.conf:5: file:cygwin_mirrors: cannot be read",
		"acng.conf:5: Remap-cygwin: it names no address to fetch from",
		"acng.conf:7: Remap-debrep: clients that ask the proxy itself for /x",
		"acng.conf:7: Remap-debrep: the name cannot be taken, or is taken already",
		"acng.conf:8: PassThroughPattern: proxy mode",
		"acng.conf:9: debug: aptmirror log",
		"acng.conf:10: Weird: has no counterpart",
	})
}

func TestPasswordsAreNotRepeated(t *testing.T) {
	a := CacherNG("acng.conf", "Proxy: http://user:hunter2@proxy.example.org:3128\nRemap-x: /x ; http://user:hunter2@h/x http://user:hunter2@h/%zz\n", amd64)
	b := MirrorList("mirror.list", "set http_proxy http://user:hunter2@h:1\nset use_proxy on\nset proxy_password hunter2\ndeb http://h/debian s main\ndeb http://user:hunter2@h/debian t main\n", amd64)
	for _, r := range []Result{a, b} {
		text := string(config.Excerpt(r.Archives, r.Repositories))
		for _, n := range r.Notes {
			text += n.String()
		}
		if strings.Contains(text, "hunter2") || len(r.Notes) == 0 {
			t.Errorf("got %s", text)
		}
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	list, conf, other := filepath.Join(dir, "list"), filepath.Join(dir, "conf"), filepath.Join(dir, "other")
	for name, text := range map[string]string{list: "# x\n\nset a b\n", conf: "#\nCacheDir: x\n", other: "nothing\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := File(list, ""); err != nil || len(r.Notes) != 1 {
		t.Errorf("list: %+v, %v", r, err)
	}
	if r, err := File(conf, ""); err != nil || len(r.Notes) != 1 {
		t.Errorf("conf: %+v, %v", r, err)
	}
	for _, name := range []string{other, dir, filepath.Join(dir, "none")} {
		if _, err := File(name, ""); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "x": 0, "-1k": 0, "500k": 512000, "1m": 1 << 20, "1K": 10240, "100000": 99328} {
		if got := wgetRate(text); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

// What has suites is valid, whatever the other program's file says.
func FuzzMigrate(f *testing.F) {
	f.Add(mirrorListText)
	f.Add(cacherNGText)
	f.Add("Remap-\x00: /\"\n ; http://h/\\")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range []Result{MirrorList("/nonexistent/file", text, amd64), CacherNG("/nonexistent/file", text, amd64)} {
			r.Archives = slices.DeleteFunc(r.Archives, func(a config.Archive) bool { return len(a.Suites) == 0 })
			names := map[string]bool{}
			for _, a := range r.Archives {
				names[a.Name] = true
			}
			r.Repositories = slices.DeleteFunc(r.Repositories, func(r config.Repository) bool { return !names[r.Archive] })
			out := config.Excerpt(r.Archives, r.Repositories)
			if _, err := config.Parse("a.toml", out); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
	})
}
