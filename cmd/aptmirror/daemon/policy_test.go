package daemon

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// rewrite changes the configuration on disk, which does not count until load.
func (s *builtSite) rewrite(old, replacement string) {
	s.t.Helper()
	text, err := os.ReadFile(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		s.t.Fatalf("%q is not in the configuration", old)
	}
	if err := os.WriteFile(s.file, []byte(strings.ReplaceAll(string(text), old, replacement)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

func (s *builtSite) load() {
	s.t.Helper()
	c, err := config.Load(s.file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.force(c)
}

// force puts a configuration in force without a reload.
func (s *builtSite) force(c *config.Config) *inforce.Parts {
	s.t.Helper()
	f, err := inforce.Read(s.life, c, s.inForce.Load())
	if err != nil {
		s.t.Fatal(err)
	}
	s.intake.Open(f)
	s.inForce.Store(f)
	return f
}

// diff gives the changes in lines of effect and package.
func (s *builtSite) diff(r admin.PolicyDiffRequest) (admin.PolicyDiff, string) {
	s.t.Helper()
	out, err := s.PolicyDiff(s.t.Context(), r)
	if err != nil || len(out.Suites) != 1 || out.Suites[0].Error != "" {
		s.t.Fatalf("%+v, %v", out, err)
	}
	var lines []string
	for _, c := range out.Suites[0].Changes {
		lines = append(lines, strings.Join([]string{c.Effect, c.Package, c.Version, c.Kind}, " "))
	}
	return out.Suites[0], strings.Join(lines, ", ")
}

func (s *builtSite) why(name string) []admin.Candidate {
	s.t.Helper()
	out, err := s.Why(s.t.Context(), admin.WhyRequest{Repository: "site", Package: name})
	if err != nil || len(out.Suites) != 1 {
		s.t.Fatalf("%+v, %v", out, err)
	}
	return out.Suites[0].Candidates
}

func TestADiffIsWhatTheNextBuildDoes(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: "2.0"})
	s.archive.AddPackage(upstreamtest.Package{Name: "data", Arch: "all"})
	s.archive.Publish()
	s.sync("site", "stable")
	s.now = s.now.Add(4 * 24 * time.Hour)
	for _, step := range []struct{ old, replacement, want string }{
		{"hold 7d", "hold 7d", ""},
		{"hold 7d", "hold 3d", "unheld data 1.0 deb, unheld hello 2.0 deb"},
		{"deny ?section(games) # not here", "deny ~ndata", "added chess 1.0 deb, removed data 1.0 deb"},
		{"hold 3d", "hold 2w", "held hello 2.0 deb"},
		{"allow ?true", "allow ~nchess", "removed hello 1.0 deb"},
	} {
		before := s.sees("site", "stable")
		s.rewrite(step.old, step.replacement)
		d, got := s.diff(admin.PolicyDiffRequest{})
		if got != step.want {
			t.Errorf("%s: %s, want %s", step.replacement, got, step.want)
		}
		if now := s.sees("site", "stable"); !cmp.Equal(now, before) {
			t.Fatalf("%s: clients see %v already", step.replacement, now)
		}
		s.load()
		s.builds.Job(t.Context(), "test", nil)
		if now := s.sees("site", "stable"); len(now) != d.Packages || len(now) != len(before)+d.Added-d.Removed {
			t.Errorf("%s: clients see %v, after %v and %+v", step.replacement, now, before, d)
		}
		if _, again := s.diff(admin.PolicyDiffRequest{}); again != "" {
			t.Errorf("%s: after the build, there would still be %s", step.replacement, again)
		}
		for _, name := range []string{"hello", "chess", "data"} {
			for _, c := range s.why(name) {
				if c.Served != c.Allowed {
					t.Errorf("%s: why disagrees with what is served: %+v", step.replacement, c)
				}
			}
		}
	}
}

func TestADiffBeforeAnythingIsPublished(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	out, err := s.PolicyDiff(t.Context(), admin.PolicyDiffRequest{})
	if err == nil || len(out.Suites) != 1 || !strings.Contains(out.Suites[0].Error, "archive:debian/stable: nothing has come from there yet") {
		t.Fatalf("%+v, %v", out, err)
	}
	s.inForce.Load().Faults["repository site"] = os.ErrNotExist
	s.sync("site", "stable")
	if d, got := s.diff(admin.PolicyDiffRequest{}); d.Published || d.Packages != 1 || got != "added hello 1.0 deb" {
		t.Errorf("%+v: %s", d, got)
	}
}

func TestWhyOfSources(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0-1"})
	a.AddPackage(upstreamtest.Package{Name: "hello-doc", Version: "1.0-1", Arch: "all", Source: "hello"})
	a.AddPackage(upstreamtest.Package{Name: "chess", Version: "1.0-1", Section: "games"})
	a.AddSource("hello", "1.0-1")
	a.AddSource("chess", "1.0-1")
	a.Publish()
	s := newBuiltSite(t, a, fmt.Sprintf(`
[[archive]]
name = "all"
uris = [%q]
suites = ["stable"]
components = ["main"]
architectures = [%q, "source"]
signed_by = [%q]
`, a.URL(), a.Arch, a.KeyringFile())+strings.ReplaceAll(siteRepository, "archive:debian/", "archive:all/"))
	s.sync("site", "stable")
	var got []string
	for _, c := range slices.Concat(s.why("hello"), s.why("chess")) {
		got = append(got, fmt.Sprintf("%s %s %s %v %s", c.Kind, c.Package, c.Reason, c.Served, c.File))
		if c.Served != c.Allowed || len(c.SHA256) != 64 || strings.Trim(c.SHA256, "0") == "" {
			t.Errorf("%+v", c)
		}
	}
	want := []string{
		"deb hello allowed true pool/all/pool/main/h/hello/hello_1.0-1_" + a.Arch + ".deb",
		"source hello built true pool/all/pool/main/h/hello/hello_1.0-1.dsc",
		"deb hello-doc allowed true pool/all/pool/main/h/hello/hello-doc_1.0-1_all.deb",
		"deb chess denied false pool/all/pool/main/c/chess/chess_1.0-1_" + a.Arch + ".deb",
		"source chess not-built false pool/all/pool/main/c/chess/chess_1.0-1.dsc",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.rewrite("deny ?section(games) # not here", "deny ?source-package(hello)")
	if _, got := s.diff(admin.PolicyDiffRequest{}); got != "added chess 1.0-1 deb, added chess 1.0-1 source, removed hello 1.0-1 deb, removed hello 1.0-1 source, removed hello-doc 1.0-1 deb" {
		t.Error(got)
	}
}

func TestPolicyCheckTriesRulesOnPackages(t *testing.T) {
	s := newBuiltSite(t, games(t), siteRepository)
	s.sync("site", "stable")
	s.archive.AddPackage(upstreamtest.Package{Name: "lonely", Depends: "nowhere, hello (>= 7)"})
	s.archive.Publish()
	s.sync("site", "stable")
	s.rewrite("allow ?true\n", "allow ~nlonely with dependencies\ndeny ~nnobody\nallow ~T\n")
	out, err := s.PolicyCheck(t.Context())
	if err != nil || len(out.Policies) != 1 {
		t.Fatal(out, err)
	}
	check := out.Policies[0]
	if check.Packages != 3 || check.Error != "" || !cmp.Equal(check.Suites, []string{"site/stable"}) || check.Rules != 5 {
		t.Errorf("%+v", check)
	}
	if len(check.Findings) != 1 || check.Findings[0].Problem != "`deny ~nnobody` matches no package that there is" {
		t.Errorf("findings %+v", check.Findings)
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	if line := strings.Split(string(text), "\n")[check.Findings[0].Line-1]; line != "deny ~nnobody" {
		t.Errorf("the place is that of %q", line)
	}
	if len(check.Unmet) != 0 {
		t.Errorf("what is held needs nothing, and yet %v is unmet", check.Unmet)
	}
	s.now = s.now.Add(8 * 24 * time.Hour)
	if out, err = s.PolicyCheck(t.Context()); err != nil || len(out.Policies[0].Unmet) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
}
