package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/upstream/upstreamtest"
)

// What the word behind the quotes of a code block means:
//
//	sh          is run on the page's host, see pageHost, and must succeed
//	sh HOST     likewise on one of several: inside, outside
//	toml        goes into that host's configuration; HOST may follow
//	text        what the block before printed has these lines, in this order;
//	            three dots stand for anything
//	sh root     is run as root in a Debian system, by TestLivePages
//	others      are those of elsewhere
//
// The host has the folders of the pages in a folder of its own, and an archive
// of the test's. A block of any other kind fails the test.
var elsewhere = map[string]string{
	"sh package":     "TestLivePages",
	"sh kit":         "TestLiveBootstrap",
	"dockerfile kit": "TestLiveBootstrap",
	"sh bundle":      "TestABundleIsReadByHand of cache/bundle",
	"toml example":   "TestReadmeShowsEveryKey of config, and TestBlocksThatAreNotRun",
	"control":        "TestReadme of policy",
	"rules":          "TestReadme of policy",
	"verdicts":       "TestReadme of policy",
	"json":           "nobody: a shape",
	"apt.conf":       "TestBlocksThatAreNotRun",
	"ini":            "nobody: a file of another program",
	"promql":         "nobody: a query",
	"diagram":        "nobody: a picture",
}

// codeBlock is one fenced block of a page.
type codeBlock struct {
	line       int
	kind, text string
}

// page is a Markdown file of the tree.
type markdown struct {
	name, text string // relative to the tree
	blocks     []codeBlock
}

func markdownPages(t *testing.T) (all []markdown) {
	t.Helper()
	tree := filepath.Join("..", "..")
	err := filepath.WalkDir(tree, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && (e.Name() == ".git" || e.Name() == "testdata") {
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(tree, path)
		all = append(all, markdown{name, string(text), codeBlocks(t, name, string(text))})
		return err
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

func codeBlocks(t *testing.T, name, text string) (all []codeBlock) {
	t.Helper()
	number, inside := 0, false
	for line := range strings.Lines(text) {
		number++
		kind, fence := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "```")
		switch {
		case fence && !inside:
			all = append(all, codeBlock{line: number, kind: kind})
			inside = true
		case fence:
			inside = false
		case inside:
			all[len(all)-1].text += line
		}
	}
	if inside {
		t.Errorf("%s: the last code block has no end", name)
	}
	return all
}

// TestPages does what the pages say.
func TestPages(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "apt-get", "openssl", "jq", "curl", "setsid"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
	for _, m := range markdownPages(t) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.run(t)
		})
	}
}

// withDaemon are the pages that begin where a site serves already; other hosts
// are fresh.
var withDaemon = []string{"proxy/README.md", "proxy/kit/README.md", "resign/README.md", "upstream/README.md", "cmd/aptmirror/SECURITY.md"}

// fresh are the pages that make the site themselves.
var fresh = []string{"README.md", "cmd/aptmirror/migrate/README.md"}

func (m markdown) run(t *testing.T) {
	hosts, printed := map[string]*pageHost{}, ""
	media, a := t.TempDir(), pageArchive(t)
	host := func(name string) *pageHost {
		if hosts[name] == nil {
			hosts[name] = newPageHost(t, a, media)
			hosts[name].prepare(m.name, name)
		}
		return hosts[name]
	}
	for _, b := range m.blocks {
		kind, name, _ := strings.Cut(b.kind, " ")
		switch {
		case elsewhere[b.kind] != "" || b.kind == "sh root":
		case kind == "sh" && slices.Contains([]string{"", "inside", "outside"}, name):
			printed = host(name).sh(m.name, b)
		case kind == "toml" && slices.Contains([]string{"", "inside", "outside"}, name):
			host(name).configure(b.text)
		case b.kind == "text":
			host(name).shows(m.name, b, printed)
		default:
			t.Errorf("%s:%d: a code block of the unknown kind %q", m.name, b.line, b.kind)
		}
		if t.Failed() {
			return // what follows builds upon it
		}
	}
}

// pageHost is a machine as the pages have it.
type pageHost struct {
	t          *testing.T
	dir, media string // media is what several hosts share
	env        []string
	words      *strings.Replacer
}

var absolute = regexp.MustCompile(`(?m)(^|[\s"'=])/(etc|srv|var/lib|media)/`)

// here translates a page's text: paths, addresses and ports are those of the test.
func (h *pageHost) here(text string) string {
	text = absolute.ReplaceAllStringFunc(text, func(found string) string {
		before, path, _ := strings.Cut(found, "/")
		if path == "media/" {
			return before + h.media + "/"
		}
		return before + h.dir + "/" + path
	})
	return h.words.Replace(text)
}

// pageArchive is what the pages call http://mirror.example.org/debian.
func pageArchive(t *testing.T) *upstreamtest.Archive {
	t.Helper()
	a := upstreamtest.New(t)
	a.Suite.Name = "bookworm"
	a.AddSuite("bookworm-updates").Codename = "bookworm-updates"
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.10-3"})
	a.AddPackage(upstreamtest.Package{Name: "nethack", Version: "3.6", Section: "games"})
	a.Publish()
	return a
}

func newPageHost(t *testing.T, a *upstreamtest.Archive, media string) *pageHost {
	t.Helper()
	h := &pageHost{t: t, dir: t.TempDir(), media: media}
	port, other, status := freePort(t), freePort(t), freePort(t)
	program, err := exec.LookPath("aptmirror")
	if err != nil {
		t.Fatal(err)
	}
	bin, err := filepath.Abs("testdata/pages/bin")
	if err != nil {
		t.Fatal(err)
	}
	h.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + h.dir, "TMPDIR=" + os.TempDir(), "LC_ALL=C", "GORACE=" + raceOptions,
		"APTMIRROR_CONFIG=" + h.dir + "/etc/aptmirror/aptmirror.toml", "PROGRAM=" + program, "PORT=" + port,
		"UPSTREAM=" + a.URL(), "KEYRING=" + a.KeyringFile(),
	}
	h.words = strings.NewReplacer("http://mirror.example.org/debian", a.URL(), "/usr/share/keyrings/debian-archive-keyring.gpg", a.KeyringFile(),
		"8443", port, "9443", other, "8480", status, "mirror.example.org", "localhost", `"amd64"`, strconv.Quote(aptsources.Architecture()),
		"-C / ", "-C "+h.dir+" ", "NAME", "host1.example.org")
	h.write("sources.toml", h.sources())
	for _, name := range []string{"corp-tool", "corp-agent"} {
		h.write(name+"_1.0_all.deb", string(makeDeb(t, name, "1.0", "hello")))
	}
	h.write("etc/apt/mirror.list", h.here("set base_path /var/spool/apt-mirror\ndeb http://mirror.example.org/debian bookworm main\n"))
	h.write("etc/apt-cacher-ng/acng.conf", h.here("CacheDir: /var/cache/apt-cacher-ng\nRemap-debrep: http://deb.example.org/debian /debian ; http://mirror.example.org/debian\n"))
	for _, dir := range []string{h.dir + "/srv/www", media + "/usb"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(h.end)
	return h
}

// sources are what init would take over from the machine.
func (h *pageHost) sources() string {
	return h.here(`
[[archive]]
name = "debian"
uris = ["http://mirror.example.org/debian"]
suites = ["bookworm", "bookworm-updates"]
components = ["main"]
architectures = ["amd64"]
signed_by = ["/usr/share/keyrings/debian-archive-keyring.gpg"]

[[repository]]
name = "debian"
archive = "debian"
`)
}

func (h *pageHost) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

// end stops what systemctl and quickstart have started.
func (h *pageHost) end() {
	defer h.noRaces()
	for _, file := range []string{"daemon.pid", "quickstart.pids"} {
		text, err := os.ReadFile(filepath.Join(h.dir, file))
		for word := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(word)
			for err == nil && h.owns(pid) {
				err = syscall.Kill(pid, syscall.SIGKILL)
				runtime.Gosched() // it is no child, which could be waited for
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.t.Error(err)
		}
	}
}

// noRaces looks at what daemons have said.
func (h *pageHost) noRaces() {
	logs, err := filepath.Glob(filepath.Join(h.dir, "daemon-*.log"))
	for _, name := range logs {
		if text, err := os.ReadFile(name); err != nil || bytes.Contains(text, []byte("DATA RACE")) {
			h.t.Errorf("%s: %v\n%s", name, err, lastLines(string(text), 40))
		}
	}
	if err != nil {
		h.t.Error(err)
	}
}

// owns tells a process that was started here from one that has its number now.
func (h *pageHost) owns(pid int) bool {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && bytes.Contains(env, []byte("HOME="+h.dir))
}

// prepare does what the page takes for granted.
func (h *pageHost) prepare(page, host string) {
	h.t.Helper()
	switch {
	case host == "inside":
		h.must("aptmirror init --host mirror.example.org --no-import")
	case !slices.Contains(fresh, page) || host != "":
		h.must("aptmirror init --host mirror.example.org")
	}
	if slices.Contains(withDaemon, page) {
		h.must("aptmirror sync && systemctl start aptmirror")
	}
	if page == "README.md" && host == "outside" {
		h.configure("[bundles]\nsign_with = [\"keys/site.asc\"]\n")
		h.must("aptmirror sync && aptmirror key export keys/site.asc --binary --out /media/usb/hq.gpg")
	}
	if page == "README.md" && host == "inside" {
		h.configure("[bundles]\nsigned_by = [\"/media/usb/hq.gpg\"]\n" + regexp.MustCompile(`uris = .*`).ReplaceAllString(h.sources(), "uris = []"))
	}
}

func (h *pageHost) must(commands string) {
	h.t.Helper()
	h.sh("preparing", codeBlock{text: commands})
}

func (h *pageHost) sh(page string, b codeBlock) (printed string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", h.here(b.text))
	cmd.Dir, cmd.Env = h.dir, h.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.t.Fatalf("%s:%d: %v\n%s\nprinted\n%s", page, b.line, err, b.text, lastLines(string(out), 40))
	}
	return string(out)
}

// shows wants each line of the block in the output, in this order.
func (h *pageHost) shows(page string, b codeBlock, printed string) {
	h.t.Helper()
	rest := printed
	for line := range strings.Lines(b.text) {
		words := strings.Fields(h.here(line))
		for i, w := range words {
			words[i] = strings.ReplaceAll(regexp.QuoteMeta(w), `\.\.\.`, ".*")
		}
		at := regexp.MustCompile(strings.Join(words, `\s+`)).FindStringIndex(rest)
		if at == nil {
			h.t.Fatalf("%s:%d: nothing printed is like %s\nit was\n%s", page, b.line, line, printed)
		}
		rest = rest[at[1]:]
	}
}

// configure changes the configuration as a person does who reads the block: keys
// of a table that is there are set, other tables are added.
func (h *pageHost) configure(block string) {
	h.t.Helper()
	path := filepath.Join(h.dir, "etc/aptmirror/aptmirror.toml")
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(mergeTables(string(text), h.here(block))), 0o644)
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func mergeTables(text, more string) string {
	lines, added := strings.Split(text, "\n"), strings.Split(strings.TrimRight(more, "\n"), "\n")
	for at := 0; at < len(added); at = tableEnd(added, at) {
		if header(added[at]) != "" {
			lines = mergeTable(lines, added[at:tableEnd(added, at)])
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func mergeTable(lines, table []string) []string {
	head := header(table[0])
	at := slices.IndexFunc(lines, func(l string) bool { return header(l) == head })
	if name := keyLine(table, "name"); strings.HasPrefix(head, "[[") {
		for at = 0; at < len(lines); at++ {
			if header(lines[at]) == head && name != "" && name == keyLine(lines[at+1:tableEnd(lines, at)], "name") {
				break
			}
		}
	}
	if at < 0 || at >= len(lines) || head == "[[repository.suite]]" {
		return append(append(lines, ""), table...)
	}
	for _, l := range table[1:] {
		key, _, ok := strings.Cut(strings.TrimSpace(l), " = ")
		if !ok || key == "name" {
			continue
		}
		for i := at + 1; i < tableEnd(lines, at); i++ {
			if strings.HasPrefix(strings.TrimSpace(lines[i]), key+" = ") {
				lines = slices.Delete(lines, i, i+1)
			}
		}
		lines = slices.Insert(lines, at+1, l)
	}
	return lines
}

func tableEnd(lines []string, at int) int {
	for i := at + 1; i < len(lines); i++ {
		if header(lines[i]) != "" {
			return i
		}
	}
	return len(lines)
}

// header gives the name of a table in its brackets, or "".
func header(line string) string {
	line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
	if line = strings.TrimSpace(line); strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		return line
	}
	return ""
}

func keyLine(lines []string, key string) string {
	for _, l := range lines {
		if value, ok := strings.CutPrefix(strings.TrimSpace(l), key+" = "); ok {
			return value
		}
	}
	return ""
}
