package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is every edge between the packages of this module: a package may
// import those behind it, with what stands for a group in capitals. Data goes
// one way, from upstream through cache to proxy; only daemon sees all stages,
// and each of its parts what it works with.
const allowed = `
FORMATS = upstream/deb822 upstream/debian upstream/pgp upstream/compress
STORE = cache/blob cache/catalog
PARTS = cmd/aptmirror/daemon/wait cmd/aptmirror/daemon/outcome cmd/aptmirror/daemon/jobs cmd/aptmirror/daemon/inforce cmd/aptmirror/daemon/intake cmd/aptmirror/daemon/recipes cmd/aptmirror/daemon/explain cmd/aptmirror/daemon/snapshots cmd/aptmirror/daemon/builds cmd/aptmirror/daemon/gate cmd/aptmirror/daemon/listen cmd/aptmirror/daemon/bundles

upstream/deb822:
upstream/compress:
upstream/pgp:
upstream/debian: upstream/deb822
upstream/upstreamtest:
policy: upstream/deb822 upstream/debian
cache/blob:
cache/catalog: cache/blob
cache: STORE FORMATS
cache/compare: upstream/deb822 upstream/debian
cache/bundle: STORE FORMATS
upstream: STORE FORMATS
resign/deb: FORMATS
resign: STORE FORMATS resign/deb policy
resign/changelog: STORE FORMATS resign/deb
resign/pool: STORE FORMATS cache resign/deb
proxy/pki:
proxy/identity: proxy/pki
proxy/kit: proxy/pki resign/deb
proxy/admin:
proxy/status: proxy/admin proxy/identity
proxy: STORE proxy/identity
cmd/aptmirror/config:
systemd/deb: cmd/aptmirror/config
cmd/aptmirror/aptsources: cmd/aptmirror/config upstream/deb822
cmd/aptmirror/migrate: cmd/aptmirror/config cmd/aptmirror/aptsources
cmd/aptmirror/site: cmd/aptmirror/config cmd/aptmirror/aptsources proxy/identity proxy/pki proxy/kit resign upstream/pgp
cmd/aptmirror/daemon/wait:
cmd/aptmirror/daemon/listen:
cmd/aptmirror/daemon/outcome: STORE upstream upstream/pgp proxy/admin
cmd/aptmirror/daemon/inforce: cmd/aptmirror/config cmd/aptmirror/site upstream upstream/pgp proxy/pki policy resign resign/pool
cmd/aptmirror/daemon/intake: cmd/aptmirror/daemon/wait cmd/aptmirror/daemon/inforce cmd/aptmirror/config cache STORE upstream/debian proxy proxy/admin resign/pool
cmd/aptmirror/daemon/jobs: cache/catalog proxy/admin proxy/status
cmd/aptmirror/daemon/recipes: cmd/aptmirror/daemon/inforce cmd/aptmirror/config cache STORE policy resign resign/pool
cmd/aptmirror/daemon/explain: cmd/aptmirror/daemon/inforce cmd/aptmirror/daemon/recipes cmd/aptmirror/config cache/catalog policy resign proxy/admin upstream/debian
cmd/aptmirror/daemon/snapshots: cmd/aptmirror/daemon/wait cmd/aptmirror/daemon/jobs cmd/aptmirror/daemon/inforce cmd/aptmirror/config STORE cache/bundle cache/compare upstream upstream/compress proxy proxy/admin
cmd/aptmirror/daemon/builds: cmd/aptmirror/daemon/wait cmd/aptmirror/daemon/outcome cmd/aptmirror/daemon/jobs cmd/aptmirror/daemon/inforce cmd/aptmirror/daemon/recipes cmd/aptmirror/config STORE upstream resign proxy/admin
cmd/aptmirror/daemon/gate: cmd/aptmirror/daemon/inforce cmd/aptmirror/config cmd/aptmirror/site proxy proxy/admin proxy/pki
cmd/aptmirror/daemon/bundles: cmd/aptmirror/daemon/wait cmd/aptmirror/daemon/outcome cmd/aptmirror/daemon/jobs cmd/aptmirror/daemon/inforce cmd/aptmirror/daemon/recipes cmd/aptmirror/daemon/builds cmd/aptmirror/daemon/snapshots cmd/aptmirror/site cache STORE cache/bundle upstream resign proxy/admin
cmd/aptmirror/daemon: PARTS cmd/aptmirror/config cmd/aptmirror/site STORE FORMATS cache cache/bundle upstream proxy proxy/admin proxy/identity proxy/pki proxy/status resign policy resign/pool resign/changelog cache/compare
cmd/aptmirror/doctor: cmd/aptmirror/config cmd/aptmirror/site cmd/aptmirror/daemon cmd/aptmirror/daemon/inforce cmd/aptmirror/daemon/listen cmd/aptmirror/daemon/outcome upstream upstream/pgp proxy/admin proxy/identity proxy/pki
cmd/aptmirror: cmd/aptmirror/daemon/explain cmd/aptmirror/daemon/listen cmd/aptmirror/doctor cmd/aptmirror/daemon/inforce cmd/aptmirror/migrate cache/blob cache/bundle
cmd/aptmirror: cmd/aptmirror/config cmd/aptmirror/aptsources cmd/aptmirror/site cmd/aptmirror/daemon proxy/admin proxy/identity proxy/kit proxy/pki upstream upstream/pgp resign resign/pool
`

// owners names the libraries that only some packages may know.
var owners = map[string][]string{
	"github.com/dgraph-io/badger":     {"cache/blob", "cache/catalog"},
	"github.com/ProtonMail/go-crypto": {"upstream/pgp", "resign", "upstream/upstreamtest"},
	"github.com/urfave/cli":           {"cmd/aptmirror"},
	"github.com/goreleaser/nfpm":      {"systemd/deb"},
	"github.com/vbauerster/mpb":       {"cmd/aptmirror"},
	"github.com/pelletier/go-toml":    {"cmd/aptmirror/config"},
	"github.com/coreos/go-systemd":    {"cmd/aptmirror/daemon", "cmd/aptmirror/daemon/listen"},
	"github.com/prometheus":           {"proxy/status"},
}

func TestImportsGoOneWay(t *testing.T) {
	edges := parseAllowed(t)
	for pkg, imports := range importsOf(t) {
		may, known := edges[pkg]
		if !known {
			t.Errorf("package %s is not in the table: say what it may import", pkg)
			continue
		}
		for _, i := range imports {
			if own, ok := strings.CutPrefix(i, "aptmirror/"); ok && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which is against the direction of the stages", pkg, own)
			}
			for library, by := range owners {
				if strings.HasPrefix(i, library) && !slices.Contains(by, pkg) {
					t.Errorf("%s imports %s, which only %v may", pkg, i, by)
				}
			}
		}
		delete(edges, pkg)
	}
	for pkg := range edges {
		t.Errorf("the table has %s, which does not exist", pkg)
	}
}

func parseAllowed(t *testing.T) map[string][]string {
	t.Helper()
	groups, edges := map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(allowed) {
		if name, members, ok := strings.Cut(line, " = "); ok {
			groups[name] = strings.Fields(members)
			continue
		}
		pkg, imports, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		edges[pkg] = append(edges[pkg], []string{}...) // a package may have several lines
		for _, i := range strings.Fields(imports) {
			if g := groups[i]; g != nil {
				edges[pkg] = append(edges[pkg], g...)
			} else {
				edges[pkg] = append(edges[pkg], i)
			}
		}
	}
	return edges
}

// importsOf reads the imports of all files that are not tests.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string][]string{}
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(name)
		found[pkg] = append(found[pkg], []string{}...)
		for _, i := range file.Imports {
			unquoted, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			found[pkg] = append(found[pkg], unquoted)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
