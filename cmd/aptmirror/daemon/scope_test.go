package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// Repositories stand for the archives that they are made from, through others too,
// and for nothing else that is built.
func TestWhatASyncWorksOn(t *testing.T) {
	a := games(t)
	second := upstreamtest.New(t)
	second.Publish()
	s := newBuiltSite(t, a, fmt.Sprintf(`
[[archive]]
name = "second"
uris = [%q]
suites = ["stable"]
components = ["main"]
architectures = [%q]
signed_by = [%q]

[[repository]]
name = "second"
archive = "second"

[[pool]]
name = "internal"

[[repository]]
name = "own"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["pool:internal"]
  architectures = [%[2]q]

[[repository]]
name = "site"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable", "repository:own/stable"]

[[repository]]
name = "both"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["archive:debian/stable", "archive:second/stable"]

[[repository]]
name = "production"
sign_with = ["keys/site.asc"]
  [[repository.suite]]
  name = "stable"
  from = ["repository:site/stable"]
  publish = "manual"
`, second.URL(), a.Arch, second.KeyringFile()))
	for _, test := range []struct{ names, archives, built string }{
		{"", "debian second", "own site both"},
		{"second", "second", "own site both"},
		{"own", "", "own"},
		{"site", "debian", "own site"},
		{"production", "debian", "own site"},
		{"both", "debian second", "both"},
		{"both own", "debian second", "own both"},
		{"own second", "second", "own site both"},
	} {
		names := strings.Fields(test.names)
		archives, without, err := s.chosen(names)
		if err != nil {
			t.Fatal(err)
		}
		var chosen []string
		for _, a := range archives {
			chosen = append(chosen, a.Name)
		}
		var built []string
		for _, b := range s.inForce.Load().Order() {
			if !without[b] && b.Repository != "production" {
				built = append(built, b.Repository)
			}
		}
		want := strings.Fields(test.built)
		slices.Sort(want)
		slices.Sort(built)
		if got := strings.Join(chosen, " "); got != test.archives || !slices.Equal(built, want) {
			t.Errorf("%q: refreshes %q and builds %q, want %q and %q", test.names, got, built, test.archives, want)
		}
	}
	_, err := s.Sync(t.Context(), me, admin.SyncRequest{Archives: []string{"siet"}}, nobody)
	if exit(err) != admin.ExitUsage || !strings.Contains(err.Error(), `no archive and no repository is called "siet"`) || !strings.Contains(err.Error(), `"site"`) {
		t.Errorf("got %v", err)
	}
	r, err := s.Sync(t.Context(), me, admin.SyncRequest{Archives: []string{"site"}}, nobody)
	if err != nil {
		t.Fatal(err)
	}
	var did []string
	for _, suite := range r.Suites {
		did = append(did, suite.Archive+suite.Repository)
	}
	if got := strings.Join(did, " "); got != "debian own site" {
		t.Errorf("it worked on %s", got)
	}
}
