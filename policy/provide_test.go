package policy

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// provideTest has an archive, a vendor's and two pools.
const provideTest = `
	Package: openssl
	Version: 3
	Priority: optional

	Package: exim4
	Version: 4
	Priority: optional
	Provides: default-mta, mail-transport-agent

	Package: corp-app
	Version: 1
	X-Input: internal
	Depends: corp-tool (>= 2)
	Provides: corp-api, web-api (= 1)

	Package: fake-ssl
	Version: 1
	X-Input: internal
	Priority: required
	Provides: other-name, openssl:amd64 (= 99)

	Package: fake-mta
	Version: 1
	X-Input: internal
	Priority: required
	Provides: default-mta

	Package: null-mta
	Version: 1
	X-Input: internal
	Provides: mail-transport-agent

	Package: better-nginx
	Version: 1
	X-Input: internal
	Provides: nginx (= 2)

	Package: nginx
	Version: 1

	Package: everywhere
	Version: 1
	X-Input: internal
	Essential: yes

	Package: nginx-base
	Version: 1
	X-Input: internal
	Essential: yes

	Package: vendor-tool
	Version: 9
	X-Input: vendor
	Provides: corp-tool (= 9)

	Package: vendor-odd
	Version: 9
	X-Input: vendor
	Provides: X$, corp-odd:any (= 9_9) | z

	Package: own-app
	Version: 1
	X-Input: internal
	Provides: lab-thing

	Package: fake-udeb
	Version: 1
	X-Kind: udeb
	X-Input: internal
	Provides: openssl
	`

func TestWhatIsProvidedIsGuarded(t *testing.T) {
	set := makeSet(t, provideTest)
	set.Pools = []Pool{
		{Name: "internal", Names: []string{"corp-*"}, Shadows: []string{"nginx*"}, Provides: []string{"mail-transport-*"}},
		{Name: "lab", Names: []string{"lab-*"}},
	}
	want := unindent(`
		openssl_3_amd64 allowed, the suite has no policy
		exim4_4_amd64 allowed, the suite has no policy
		corp-app_1_amd64 allowed, the suite has no policy
		fake-ssl_1_amd64 refused, it provides openssl in the place of openssl_3_amd64 from debian/bookworm; name that in ` + "`provides`" + ` of the pool to allow it
		fake-mta_1_amd64 refused, it provides default-mta in the place of exim4_4_amd64 from debian/bookworm; name that in ` + "`provides`" + ` of the pool to allow it
		null-mta_1_amd64 allowed, the suite has no policy
		better-nginx_1_amd64 allowed, the suite has no policy
		nginx_1_amd64 allowed, the suite has no policy
		everywhere_1_amd64 refused, it is essential, so that every machine would install it; name it in ` + "`shadows`" + ` of the pool to allow that
		nginx-base_1_amd64 allowed, the suite has no policy
		vendor-tool_9_amd64 refused, it provides corp-tool, which is reserved for another pool
		vendor-odd_9_amd64 refused, it provides corp-odd, which is reserved for another pool
		own-app_1_amd64 refused, it provides lab-thing, which is reserved for another pool
		fake-udeb_1_amd64 allowed, the suite has no policy
		`)
	if diff := cmp.Diff(want, explained((*Policy)(nil).decide(t, set, noon))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d := mustParse(t, "allow ~ncorp with dependencies\ndeny ~T").decide(t, set, noon)
	if diff := cmp.Diff([]string{"corp-app_1", "nginx-base_1"}, allowed(d)); diff != "" || len(d.Unmet) != 1 {
		t.Errorf("what is refused is brought in, or %v (-want +got)\n%s", d.Unmet, diff)
	}
}

// TestAptInstallsWhatProvidesAName is why: without the guard, packages that
// nobody named come with others, and with each upgrade.
func TestAptInstallsWhatProvidesAName(t *testing.T) {
	list := readPackages(t, stanzasOf(
		"Package: openssl\nVersion: 3\nPriority: optional\n",
		"Package: exim4\nVersion: 4\nPriority: optional\nProvides: default-mta\n",
		"Package: needs-mta\nVersion: 1\nDepends: default-mta\n",
		"Package: needs-ssl\nVersion: 1\nDepends: openssl (>= 50)\n",
		"Package: fake\nVersion: 1\nPriority: required\nProvides: default-mta, openssl (= 99)\n",
		"Package: everywhere\nVersion: 1\nEssential: yes\n",
	))
	h := newAptHome(t, "amd64")
	h.add(t, stable, list)
	h.update(t)
	for root, want := range map[string][]string{"needs-mta": {"fake_1", "needs-mta_1"}, "needs-ssl": {"fake_1", "needs-ssl_1"}} {
		got, err := h.install(t, root)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", root, err, diff)
		}
	}
	if out, err := h.run(t, "apt-get", "dist-upgrade", "-s"); err != nil || !strings.Contains(out, "Inst everywhere ") {
		t.Errorf("%v: %s", err, out)
	}
}

// stanzasOf adds what apt wants of each package.
func stanzasOf(packages ...string) string {
	var text strings.Builder
	for _, p := range packages {
		text.WriteString(p + "Architecture: amd64\nMaintainer: M <m@example.org>\nDescription: d\nFilename: pool/p.deb\nSize: 10\nSHA256: " + strings.Repeat("0", 64) + "\n\n")
	}
	return text.String()
}

func BenchmarkDecideWithPools(b *testing.B) {
	set, raw := manyPackages(b, 60_000)
	more := makeSet(b, provideTest)
	set.Packages = append(set.Packages, more.Packages...)
	pools := []Pool{{Name: "internal", Names: []string{"corp-*"}, Shadows: []string{"nginx*"}}}
	p := mustParse(b, "allow ?true")
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		p.decide(b, &Set{Packages: set.Packages, Architectures: set.Architectures, Pools: pools}, noon)
	}
}
