package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// aptHome is a folder in which the real apt works on archives of files, without
// anything of the machine's own.
type aptHome struct {
	dir     string
	archs   []string
	sources strings.Builder
}

func newAptHome(t testing.TB, archs ...string) *aptHome {
	t.Helper()
	for _, tool := range []string{"apt", "apt-get"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine", tool)
		}
	}
	h := &aptHome{dir: t.TempDir(), archs: archs}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.write(t, "status", "")
	h.write(t, "apt.conf", fmt.Sprintf(`
Dir::State "%[1]s/state"; Dir::State::status "%[1]s/status"; Dir::Cache "%[1]s/cache";
Dir::Etc "%[1]s/etc"; Dir::Etc::sourcelist "%[1]s/sources.list"; Dir::Etc::sourceparts "/dev/null";
APT::Architecture "%[2]s"; APT::Architectures { "%[3]s"; };
APT::Sandbox::User "root"; APT::Color "0";
#clear APT::Update; #clear DPkg::Post-Invoke; #clear APT::NeverAutoRemove;
`, h.dir, archs[0], strings.Join(archs, `"; "`)))
	return h
}

func (h *aptHome) write(t testing.TB, name, text string) {
	t.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// add makes one archive of the packages of one input, with an index for each
// architecture.
func (h *aptHome) add(t testing.TB, in *Input, list []Package) {
	t.Helper()
	folder := "archives/" + in.Archive + "-" + in.Codename
	var sums strings.Builder
	for _, arch := range h.archs {
		var text bytes.Buffer
		for i := range list {
			if p := &list[i]; p.Input == in && p.fits(arch) {
				text.WriteString(p.Stanza + "\n")
			}
		}
		index := in.Component + "/binary-" + arch + "/Packages"
		h.write(t, folder+"/dists/"+in.Codename+"/"+index, text.String())
		fmt.Fprintf(&sums, " %x %d %s\n", sha256.Sum256(text.Bytes()), text.Len(), index)
	}
	h.write(t, folder+"/dists/"+in.Codename+"/Release", fmt.Sprintf(
		"Origin: %s\nLabel: %s\nSuite: %s\nCodename: %s\nDate: %s\nArchitectures: %s\nComponents: %s\nSHA256:\n%s",
		in.Origin, in.Label, in.Suite, in.Codename, time.Now().UTC().Format(time.RFC1123), strings.Join(h.archs, " "), in.Component, sums.String()))
	fmt.Fprintf(&h.sources, "deb [trusted=yes] file:%s/%s %s %s\n", h.dir, folder, in.Codename, in.Component)
}

func (h *aptHome) update(t testing.TB) {
	t.Helper()
	h.write(t, "sources.list", h.sources.String())
	if out, err := h.run(t, "apt-get", "update"); err != nil || strings.Contains(out, "W:") {
		t.Fatalf("apt-get update: %v\n%s", err, out)
	}
}

// run gives what the command wrote, its errors included.
func (h *aptHome) run(t testing.TB, command string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(h.dir, "apt.conf"), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// list gives the packages that apt list selects, as name:architecture.
func (h *aptHome) list(t testing.TB, pattern string) ([]string, error) {
	t.Helper()
	out, err := h.run(t, "apt", "list", pattern)
	if err != nil || strings.Contains(out, "E: ") {
		return nil, fmt.Errorf("apt list: %v: %s", err, out)
	}
	var found []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		name, _, ok := strings.Cut(line, "/")
		if !ok || len(words) != 3 {
			continue
		}
		arch := words[2]
		if arch == "all" {
			arch = h.archs[0]
		}
		found = append(found, name+":"+arch)
	}
	slices.Sort(found)
	return found, nil
}

// generate makes packages that differ in all that patterns look at. Their
// versions begin with 1, 2 or 3.
func generate(t testing.TB, rng *rand.Rand, names int) []Package {
	t.Helper()
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	name := func() string {
		return fmt.Sprintf("%s%s%d", one("lib", "lib", "python3-", "", "X"), one("foo", "bar", "c++", "qux"), rng.IntN(names))
	}
	relation := func() string {
		r := one(name(), name(), "virtual"+one("1", "2"), "missing")
		r += one("", "", "", ":any", " (>= 2)", " (<< 2)", " (= 1.0)", " (>> 2.1-1)")
		return r
	}
	relations := func(field string) string {
		list := []string{relation()}
		for rng.IntN(2) == 0 {
			list = append(list, relation())
			if rng.IntN(3) == 0 && strings.HasSuffix(field, "Depends") {
				list[len(list)-1] += " | " + relation()
			}
		}
		return strings.Join(list, ", ")
	}
	var text strings.Builder
	seen := map[string]bool{}
	for range names * 3 {
		n, v := name(), one("1.0", "1:1.5-2", "2.0", "2.1-1", "2~rc1", "3.0+dfsg-1+deb12u1")
		arch := one("amd64", "amd64", "i386", "all")
		if id := n + v; seen[id] {
			continue
		}
		seen[n+v] = true
		fmt.Fprintf(&text, "Package: %s\nVersion: %s\nArchitecture: %s\nX-Input: %s\nMaintainer: M <m@example.org>\n", strings.ToLower(n), v, arch, one("stable", "stable", "updates", "fixes", "vendor"))
		for _, field := range []string{"Depends", "Pre-Depends", "Recommends", "Suggests", "Enhances", "Conflicts", "Breaks", "Replaces"} {
			if rng.IntN(3) == 0 {
				fmt.Fprintf(&text, "%s: %s\n", field, relations(field))
			}
		}
		text.WriteString(one("", "", "Section: games\n", "Section: contrib/Libs\n", "Section: admin\n"))
		text.WriteString(one("", "Priority: optional\n", "Priority: Required\n", "Priority: source\n", "Priority: extra\n", "Priority: standard\n", "Priority: important\n"))
		text.WriteString(one("", "", "Source: other\n", "Source: other (1.7)\n", "Source: Mixed+Case (3:2)\n"))
		text.WriteString(one("", "", "", "", "", "", "", "", "Essential: yes\n"))
		text.WriteString(one("", "", "Multi-Arch: foreign\n", "Multi-Arch: allowed\n"))
		text.WriteString(one("", "", "Provides: virtual1\n", "Provides: virtual1 (= 2), virtual2\n"))
		fmt.Fprintf(&text, "Filename: pool/%s_%d.deb\nSize: 10\nSHA256: %064x\nDescription: d\n\n", strings.ToLower(n), len(seen), len(seen))
	}
	return readPackages(t, text.String())
}

// selectable are patterns of every sort. Those with version true are compared
// for single versions, too.
var selectable = []struct {
	pattern string
	version bool
}{
	{"?true", true}, {"~T", false}, {"?false", true}, {"~F", false},
	{"?name(foo)", true}, {"~nfoo", false}, {"~nFOO1", false}, {"?name(^libc\\+\\+)", true}, {"?name(c++)", false},
	{`?name("^(libfoo1|python3-bar2|qux3)$")`, true}, {`?name("(foo|bar)[0-9]{2,}$")`, true}, {"?name([[:digit:]]$)", false},
	{"?name(o?b)", false}, {"?name(^[^lp])", false}, {"?name([]x])", false}, {"?name([\\d])", false}, {"?name(^...$)", false}, {"?name(\\bbar)", false},
	{"?exact-name(libfoo1)", true}, {"?exact-name(LIBFOO1)", false}, {"?x-name-fnmatch(lib*1?)", true}, {"?x-name-fnmatch(LIB[f-h]*)", false},
	{"?architecture(amd64)", true}, {"~ri386", false}, {"?architecture(all)", true}, {"~rany-i386", false}, {"?architecture(linux-any)", false}, {"?architecture(any)", false}, {"?architecture(musl-any-any)", false}, {"?architecture(a*)", false}, {"?architecture(gnu-linux-i386)", false},
	{"?archive(stable-security)", true}, {"?archive(^stable$)", true}, {"~Aupdates", false}, {"?codename(bookworm)", true}, {"?codename(^bookworm$)", false},
	{"?origin(vendor)", true}, {"~ODebian", false},
	{"?section(games)", true}, {"~slibs", false}, {"?section(^admin$)", false}, {"?section(.*)", true}, {"?section(/)", false},
	{"?priority(required)", true}, {"~poptional", false}, {"?priority(extra)", true}, {"~pimportant", false}, {"~pstandard", false},
	{"?source-package(^other$)", true}, {"~eMIXED", false}, {"?source-package(foo)", true}, {"?source-version(^1.7$)", true}, {"?source-version(^3:)", false},
	{"?version(^1)", true}, {"~V^2", false}, {"?version(deb12u1$)", true}, {"?version(:)", false},
	{"?essential", true}, {"~E", false}, {"?virtual", false}, {"~v", false},
	{"?depends(?name(foo))", true}, {"~D~nbar", false}, {"?depends(?virtual)", true}, {"~D?exact-name(virtual1)", true}, {"?depends(?exact-name(missing))", true},
	{"?depends(~V^1)", true}, {"?depends(?all-versions(~V^1))", true}, {"?depends(?not(~V^1))", true}, {"?depends(?name(:any))", true}, {"?depends(~ri386)", false},
	{"~DSuggests:~nfoo1", false}, {"?recommends(~nfoo1)", true}, {"~DConflicts:~nbar", false}, {"?breaks(?essential)", true}, {"~DReplaces:~E", false}, {"~DReplaces:?virtual", true}, {"?enhances(~nqux)", true}, {"?obsoletes(?true)", true}, {"?predepends(~nbar)", true},
	{"?depends(?depends(~nfoo2))", true}, {"?depends(~sgames)", true},
	{"?reverse-depends(~nfoo)", true}, {"~R~E", false}, {"~RSuggests:~V^3", false}, {"?reverse-conflicts(~sadmin)", true}, {"?reverse-breaks(?narrow(~V^1, ~Astable))", false}, {"?reverse-predepends(?true)", true}, {"~RRecommends:~pextra", false},
	{"?and(?version(1), ?version(2))", true}, {"?narrow(~V^1, ~nfoo)", false}, {"?narrow()", false}, {"?any-version(?and(~V0, ~V2))", true}, {"?all-versions(~V^[12])", true}, {"?not(?version(^1))", true}, {"?not(?any-version(~V^2))", true},
	{"!~nfoo !~nbar", true}, {"~nfoo | ~nbar ~V^1", true}, {"(~nfoo|~nbar) ~V^1", true}, {"?or(~nfoo, ~nqux,)", true}, {"?and()", false}, {"?or()", false}, {"!(~nfoo|~nbar)", false}, {"~nfoo~V^1", true}, {"?not(~sgames|~sadmin)", true}, {" ~nfoo", false}, {"?name (foo)", false}, {`?name("foo")`, false}, {"?and(?true,?not(?false))", false},
}

func TestPatternsSelectWhatAptListDoes(t *testing.T) {
	for _, archs := range [][]string{{"amd64"}, {"amd64", "i386"}} {
		h := newAptHome(t, archs...)
		list := generate(t, rand.New(rand.NewPCG(1, 2)), 100)
		for _, in := range []*Input{stable, updates, fixes, vendor} {
			h.add(t, in, list)
		}
		h.update(t)
		list = slices.DeleteFunc(list, func(p Package) bool { return p.Architecture != "all" && !slices.Contains(archs, p.Architecture) })
		set := &Set{Packages: list, Architectures: h.archs}
		for _, test := range selectable {
			if (len(archs) > 1) == dependsOnOrder(test.pattern) {
				continue
			}
			t.Run(test.pattern+" for "+strings.Join(archs, " and "), func(t *testing.T) {
				t.Parallel()
				compareWithApt(t, h, set, test.pattern)
				for class := range 3 {
					if test.version {
						compareWithApt(t, h, set, fmt.Sprintf("?narrow(%s, ?version(^%d))", test.pattern, class+1))
					}
				}
			})
		}
	}
}

// dependsOnOrder reports patterns whose answer depends, for apt on a machine of
// several architectures, on the order in which it has read the indexes: a
// conflict with a package that only another architecture has. They are compared
// on a machine of one.
func dependsOnOrder(pattern string) bool {
	return strings.Contains(pattern, "onflicts") || strings.Contains(pattern, "reaks") || strings.Contains(pattern, "eplaces")
}

func compareWithApt(t *testing.T, h *aptHome, set *Set, pattern string) {
	t.Helper()
	p, err := ParsePattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	want, err := h.list(t, pattern)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, arch := range h.archs {
		for _, name := range p.Packages(set, arch, noon) {
			got = append(got, name+":"+arch)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: (-apt list +ours)\n%s", pattern, diff)
	}
}

// unread are patterns that apt refuses and we do.
var unread = []string{
	"", "foo(", "?", "?name", "?name()", "?name(a, b)", "?true()", "?not(foo)", "?not", "?name(~nfoo)", "?name(?true)", "~", "~X", "~n", "~nfoo |", "| ~nfoo",
	"!", "!!~nfoo", "(~nfoo", "~nfoo)", "()", "?and(~nfoo", "?and(~nfoo ~nbar ?version)", `?name("foo)`, "?nosuch", "?nosuch(foo)", "?and(,)",
	"?name(*foo)", "?name(^*)", "?name([a)", "?name([z-a])", `?name("a(b")`, `?name("(?i)x")`, "?name([[:nosuch:]])", "?name(a{2,1})", "?name(+)", "?priority", "~Dbar", "?version(~)", "?narrow", "?and", "?or",
}

func TestPatternsThatAptRefusesAreRefused(t *testing.T) {
	h := newAptHome(t, "amd64")
	h.update(t)
	for _, pattern := range unread {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			if _, err := ParsePattern(pattern); err == nil {
				t.Errorf("taken: %s", pattern)
			}
			if pattern == "" {
				return // apt lists everything then
			}
			if found, err := h.list(t, pattern); err == nil {
				t.Errorf("apt takes %s, and lists %v", pattern, found)
			}
		})
	}
}
