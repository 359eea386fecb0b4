package recipes

import (
	"slices"
	"testing"

	"aptmirror/cmd/aptmirror/config"
)

// A suite that is made from another has the languages of the archives behind it.
func TestLanguagesComeFromArchives(t *testing.T) {
	archive := config.Source{Kind: config.FromArchive, Name: "debian", Suite: "stable"}
	c := &config.Config{
		Archives:     []config.Archive{{Name: "debian", Languages: []string{"en", "de"}}, {Name: "other", Languages: []string{"fr"}}},
		Repositories: []config.Repository{{Name: "site", SignWith: []string{"key"}, Suites: []config.Suite{{Name: "stable", From: []config.Source{archive, {Kind: config.FromPool, Name: "own"}}}}}},
	}
	got := languagesOf(c, config.Source{Kind: config.FromRepository, Name: "site", Suite: "stable"})
	if !slices.Equal(got, []string{"en", "de"}) {
		t.Errorf("got %v", got)
	}
}

// Nobody else's package takes the place of the one with the keys.
func TestTheKeyringPackageComesFromNowhereElse(t *testing.T) {
	c := &config.Config{
		Pools:        []config.Pool{{Name: "own", Names: []string{"corp-*"}}},
		Repositories: []config.Repository{{Name: "debian", Archive: "debian"}, {Name: "site", SignWith: []string{"key"}, Suites: []config.Suite{{Name: "stable"}}}},
	}
	pools := poolsOf(c)
	if len(pools) != 2 || pools[0].Name != "own" || pools[1].Name != keyringPool("site") || len(pools[1].Names) != 1 {
		t.Errorf("got %+v", pools)
	}
}
