package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aptmirror/upstream/debian"
)

func TestWithDependencies(t *testing.T) {
	const base = `
		Package: app
		Version: 1
		Depends: libfoo (>= 2), mail-agent | exim, data:any
		Recommends: manual
		Pre-Depends: dpkg (>= 1)

		Package: libfoo
		Version: 1

		Package: libfoo
		Version: 2
		Depends: deep

		Package: libfoo
		Version: 3
		Depends: deep

		Package: deep
		Version: 1
		Architecture: all
		Section: games

		Package: postfix
		Version: 3
		Provides: mail-agent
		Priority: extra

		Package: exim
		Version: 4
		Provides: mail-agent (= 4)
		Priority: optional

		Package: data
		Version: 1
		Multi-Arch: allowed

		Package: manual
		Version: 1
		Recommends: more

		Package: more
		Version: 1

		Package: dpkg
		Version: 1
		Essential: yes

		Package: bash
		Version: 5
		Essential: yes

		Package: other
		Version: 1
		`
	for _, test := range []struct{ name, rules, more, want string }{
		{"the closure, with the newest of each", "allow ?exact-name(app) with dependencies\ndeny ?true", "",
			"app_1 bash_5 data_1 deep_1 dpkg_1 exim_4 libfoo_3"},
		{"recommends", "allow ?exact-name(app) with dependencies and recommends\ndeny ?true", "",
			"app_1 bash_5 data_1 deep_1 dpkg_1 exim_4 libfoo_3 manual_1 more_1"},
		{"what rules allow is preferred, and goes on", "allow ?exact-name(app) with dependencies\nallow ?name(postfix)\nallow ?version(^2) ~nlibfoo\ndeny ?true", "",
			"app_1 bash_5 data_1 deep_1 dpkg_1 libfoo_2 postfix_3"},
		{"earlier rules take away for good", "deny ?exact-name(exim)\ndeny ?exact-name(bash)\nkeep 1 ?name(libfoo)\nallow ?exact-name(app) with dependencies", "",
			"app_1 data_1 deep_1 dpkg_1 libfoo_3 postfix_3"},
		{"unmet relations are reported", "deny ?section(games)\nallow ?exact-name(app) with dependencies\ndeny ?true", "",
			"app_1 bash_5 data_1 dpkg_1 exim_4 libfoo_3\n" +
				"unmet libfoo_3_amd64 Depends: deep: deep_1_all is denied: rules:1 `deny ?section(games)`"},
		{"why nothing meets a relation", "allow ?exact-name(bad) with dependencies\ndeny ?true", `
		Package: bad
		Version: 1
		Depends: libfoo (>> 3), mail-agent (>= 5), nosuch, data:any (>= 2), postfix:any
		`, "bad_1 bash_5 dpkg_1\n" +
			"unmet bad_1_amd64 Depends: libfoo (>> 3): there is only libfoo_1_amd64, libfoo_2_amd64, libfoo_3_amd64\n" +
			"unmet bad_1_amd64 Depends: mail-agent (>= 5): there is only postfix_3_amd64, exim_4_amd64\n" +
			"unmet bad_1_amd64 Depends: nosuch: no package is or provides nosuch for amd64\n" +
			"unmet bad_1_amd64 Depends: data:any (>= 2): there is only data_1_amd64\n" +
			"unmet bad_1_amd64 Depends: postfix:any: no package is or provides postfix for amd64"},
		{"cycles end", "allow ?exact-name(a) with dependencies\ndeny ?true", `
		Package: a
		Version: 1
		Depends: b

		Package: b
		Version: 1
		Depends: a, b
		`, "a_1 b_1 bash_5 dpkg_1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := mustParse(t, test.rules).decide(t, makeSet(t, base+"\n"+strings.TrimPrefix(test.more, "\n")), noon)
			got := strings.Join(allowed(d), " ")
			for _, u := range d.Unmet {
				got += "\nunmet " + d.Set.Packages[u.Package].FullName() + " " + u.String()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// allowed lists name_version of what a decision allows, sorted.
func allowed(d *Decision) []string {
	var list []string
	for i, v := range d.Verdicts {
		if p := &d.Set.Packages[i]; v.Allowed() {
			list = append(list, p.Name+"_"+p.Version)
		}
	}
	slices.Sort(list)
	return list
}

func TestDependenciesOfEachArchitecture(t *testing.T) {
	set := makeSet(t, `
		Package: app
		Version: 1
		Architecture: all
		Depends: lib

		Package: lib
		Version: 1
		Architecture: amd64

		Package: lib
		Version: 2
		Architecture: arm64

		Package: lib
		Version: 3
		Architecture: i386
		`)
	set.Architectures = []string{"amd64", "arm64", "riscv64"}
	d := mustParse(t, "allow ~napp with dependencies\ndeny ~T").decide(t, set, noon)
	if diff := cmp.Diff([]string{"app_1", "lib_1", "lib_2"}, allowed(d)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(d.Unmet) != 1 || d.Unmet[0].Architecture != "riscv64" {
		t.Errorf("unmet: %v", d.Unmet)
	}
}

// TestClosureIsWhatAptInstalls makes a repository of what the closure allows,
// and lets apt install from it and from the whole. There is one way to meet each
// relation: among several, apt may choose otherwise.
func TestClosureIsWhatAptInstalls(t *testing.T) {
	whole := newAptHome(t, "amd64")
	list := layers(t, rand.New(rand.NewPCG(3, 4)), 300)
	whole.add(t, stable, list)
	whole.update(t)
	for i := range 12 {
		root := fmt.Sprintf("p%d", 299-i)
		t.Run(root, func(t *testing.T) {
			t.Parallel()
			d := mustParse(t, "allow ?exact-name("+root+") with dependencies\ndeny ~T").decide(t, &Set{Packages: list, Architectures: []string{"amd64"}}, noon)
			_, err := whole.install(t, root)
			if (err == nil) != (len(d.Unmet) == 0) {
				t.Fatalf("from the whole repository apt says %v, and unmet is %v", err, d.Unmet)
			}
			if err != nil {
				return
			}
			part := newAptHome(t, "amd64")
			part.add(t, stable, allowedPackages(d))
			part.update(t)
			got, err := part.install(t, root)
			if err != nil {
				t.Fatalf("from the closure: %v", err)
			}
			if diff := cmp.Diff(got, allowed(d)); diff != "" {
				t.Errorf("(-apt +ours)\n%s", diff)
			}
		})
	}
}

func allowedPackages(d *Decision) []Package {
	var list []Package
	for i, v := range d.Verdicts {
		if v.Allowed() {
			list = append(list, d.Set.Packages[i])
		}
	}
	return list
}

// install gives name_version of what apt would install.
func (h *aptHome) install(t testing.TB, root string) ([]string, error) {
	t.Helper()
	out, err := h.run(t, "apt-get", "install", "-s", "--no-install-recommends", root)
	if err != nil {
		return nil, fmt.Errorf("apt-get install: %w: %s", err, out)
	}
	var found []string
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "Inst" {
			found = append(found, words[1]+"_"+strings.TrimPrefix(words[2], "("))
		}
	}
	slices.Sort(found)
	return found, nil
}

// layers makes packages that depend on earlier ones in all the ways that there
// are, some of them on what does not exist.
func layers(t testing.TB, rng *rand.Rand, n int) []Package {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "Package: p%d\nVersion: %d\nMaintainer: M <m@example.org>\nDescription: d\nArchitecture: %s\n", i, 1+i%3, []string{"amd64", "amd64", "all"}[rng.IntN(3)])
		fmt.Fprintf(&text, "Priority: optional\nProvides: v%d, w%d (= %d)\nMulti-Arch: allowed\n", i, i, 1+i%3)
		if i > 20 {
			var list []string
			for range 1 + rng.IntN(3) {
				list = append(list, dependency(rng, i))
			}
			fmt.Fprintf(&text, "%s: %s\n", []string{"Depends", "Depends", "Pre-Depends"}[rng.IntN(3)], strings.Join(list, ", "))
		}
		fmt.Fprintf(&text, "Filename: pool/%d.deb\nSize: 10\nSHA256: %064x\n\n", i, i)
	}
	return readPackages(t, text.String())
}

func dependency(rng *rand.Rand, below int) string {
	on := rng.IntN(below)
	version := 1 + on%3
	switch rng.IntN(16) {
	case 0:
		return fmt.Sprintf("v%d", on)
	case 1:
		return fmt.Sprintf("w%d (>= %d)", on, version)
	case 2:
		return fmt.Sprintf("nosuch | p%d (>= %d)", on, version)
	case 3:
		return fmt.Sprintf("p%d (>> %d) | p%d (= %d)", on, version, on, version)
	case 4:
		return fmt.Sprintf("v%d (>= 1) | p%d:any", on, on)
	case 5:
		return fmt.Sprintf("w%d (<< %d) | p%d (<= %d) | nosuch", on, version, on, version)
	case 6:
		return fmt.Sprintf("p%d:any (>= %d)", on, version)
	case 7:
		if rng.IntN(20) == 0 {
			return fmt.Sprintf("p%d (>> %d)", on, version)
		}
	}
	return fmt.Sprintf("p%d", on)
}

func TestOnePackageProvidesANameInFewVersions(t *testing.T) {
	var many strings.Builder
	for n := range 5000 {
		fmt.Fprintf(&many, ", x (= 1.%d)", n)
	}
	s := makeSet(t, "Package: many\nVersion: 1\nProvides: y, y (= 2), y (= 2), y (= 3)"+many.String()+"\n\nPackage: other\nVersion: 1\nProvides: x (= 9)\n")
	for name, want := range map[string]int{"x": maxProvided + 1, "y": 3} {
		if got := s.named(debian.Relation{Name: name}, Deb, "amd64"); len(got) != want {
			t.Errorf("%s is provided %d times, want %d", name, len(got), want)
		}
	}
}
