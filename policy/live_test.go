package policy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"aptmirror/upstream/deb822"
)

// realPackages reads the indexes that apt has on this machine.
func realPackages(t *testing.T) []Package {
	t.Helper()
	if os.Getenv("AM_LIVE") != "1" {
		t.Skip("reads this machine's own apt lists: set AM_LIVE=1")
	}
	files, err := filepath.Glob("/var/lib/apt/lists/*_binary-amd64_Packages*")
	if err != nil || len(files) == 0 {
		t.Skip("this machine has no apt lists: run apt-get update")
	}
	var list []Package
	for _, file := range files {
		text, err := exec.CommandContext(t.Context(), "/usr/lib/apt/apt-helper", "cat-file", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		for sc := deb822.NewBytesScanner(text, deb822.Limits{}); sc.Scan(); {
			p := Package{Input: stable}
			if err := p.Read(sc.Stanza(), Deb); err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
	}
	return list
}

// TestLiveClosure lets apt install well-known packages from what the
// closure of each allows of this machine's own archives.
func TestLiveClosure(t *testing.T) {
	list := realPackages(t)
	set := &Set{Packages: list, Architectures: []string{"amd64"}}
	for _, root := range []string{"openssh-server", "git", "nginx", "postgresql", "python3-flask", "apache2", "docker.io", "gimp", "openjdk-17-jre", "gnome-core", "libreoffice", "build-essential"} {
		if !slices.ContainsFunc(list, func(p Package) bool { return p.Name == root }) {
			continue
		}
		t.Run(root, func(t *testing.T) {
			d := mustParse(t, "allow ?exact-name("+root+") with dependencies\ndeny ?true").decide(t, set, noon)
			for _, u := range d.Unmet {
				t.Errorf("unmet %s %s", list[u.Package].FullName(), u)
			}
			h := newAptHome(t, "amd64")
			h.add(t, stable, allowedPackages(d))
			h.update(t)
			got, err := h.install(t, root)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("the closure has %d packages, apt installs %d of them", len(allowed(d)), len(got))
		})
	}
}

// TestLivePatterns compares with apt list on this machine's own archives.
func TestLivePatterns(t *testing.T) {
	list := realPackages(t)
	h := newAptHome(t, "amd64")
	h.add(t, stable, list)
	h.update(t)
	set := &Set{Packages: list, Architectures: h.archs}
	for _, pattern := range []string{
		"?section(^games$) !~D~nlibc6", "~E", "?source-package(^linux) ?version(^6)", "~D~npython3$ ~soldlibs", "?reverse-depends(~nlibreoffice)",
		"?narrow(~V^1:, ~pextra)", "~RRecommends:~nfirefox", "?depends(?virtual) ~sadmin", "~DConflicts:~nsystemd", "?name(^lib.*[0-9]-dev$) ~elibx", "?source-version(\"~deb12u\")", "?all-versions(~V^0)",
	} {
		t.Run(pattern, func(t *testing.T) { compareWithApt(t, h, set, pattern) })
	}
}
