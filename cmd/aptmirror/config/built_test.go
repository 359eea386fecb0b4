package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// base is a valid file to which a test adds what it is about: 24 lines.
const base = `[[archive]]
name = "debian"
uris = ["http://mirror.example.org/debian"]
suites = ["bookworm", "trixie"]
components = ["main"]
architectures = ["amd64"]
signed_by = ["k.gpg"]
[[repository]]
name = "plain"
archive = "debian"
[[pool]]
name = "internal"
[[key]]
name = "site"
private = "k.asc"
[[policy]]
name = "desk"
rules = "allow ?true"
[[repository]]
name = "site"
sign_with = ["key:site"]
[[repository.suite]]
name = "stable"
from = ["archive:debian/bookworm"]
`

// suiteWith is a repository of one suite whose keys are given.
func suiteWith(lines ...string) string {
	return base + "[[repository]]\nname = \"r\"\nsign_with = [\"k\"]\n[[repository.suite]]\n" + strings.Join(lines, "\n") + "\n"
}

func snapshotWith(lines string) string {
	return base + "[[snapshot]]\nname = \"n\"\nrepositories = [\"site\"]\n" + lines
}

func TestProblemsOfWhatTheSiteMakes(t *testing.T) {
	ring := suiteWith(`name = "stable"`, `publish = "manual"`, `from = ["repository:site/stable"]`)
	tests := []struct{ name, text, want string }{
		{"nothing", base, ""},
		{"ring", ring, ""},
		{"ring of a ring", ring + "[[repository]]\nname = \"r2\"\nsign_with = [\"k\"]\n[[repository.suite]]\nname = \"stable\"\nfrom = [\"repository:r/stable\"]\npublish = \"manual\"\n", ""},

		{"pool named as an archive", base + "[[pool]]\nname = \"debian\"", `a.toml:26:1: pool.name: "debian" is the name of an archive: files of both are below pool/debian`},
		{"pool twice", base + "[[pool]]\nname = \"internal\"", `a.toml:26:1: pool.name: "internal" is used twice`},
		{"pool without name", base + "[[pool]]\nincoming = \"/srv\"", `a.toml:25:3: pool.name: is required`},
		{"pool names", base + "[[pool]]\nname = \"p\"\nnames = [\"Corp-*\"]", `a.toml:27:10: pool.names: "Corp-*" is not a pattern of package names`},
		{"pool signed by a fingerprint", base + "[[pool]]\nname = \"p\"\nsigned_by = [\"0123456789abcdef0123456789abcdef01234567\"]", `pool.signed_by: names fingerprints only`},
		{"pool component", base + "[[pool]]\nname = \"p\"\ncomponent = \"/\"", `is not a component`},

		{"key of nothing", base + "[[key]]\nname = \"k\"", `a.toml:25:3: key.private: is required; leave it out only for a key that a program signs with`},
		{"key without command", base + "[[key]]\nname = \"k\"\npublic = \"p\"", `a.toml:25:3: key.command: is required`},
		{"key without public", base + "[[key]]\nname = \"k\"\ncommand = [\"p\"]", `key.public: is required`},
		{"key of both kinds", base + "[[key]]\nname = \"k\"\nprivate = \"p\"\npublic = \"p\"", `a.toml:28:1: key.public: leave it out, or private`},
		{"empty command", base + "[[key]]\nname = \"k\"\npublic = \"p\"\ncommand = []", `key.command: must have at least one entry`},
		{"command of a string", base + "[[key]]\nname = \"k\"\npublic = \"p\"\ncommand = \"sign\"", `key.command: must be a list of strings`},
		{"passphrase for nothing", base + "[[key]]\nname = \"k\"\npublic = \"p\"\ncommand = [\"x\"]\npassphrase = \"file:x\"", `key.passphrase: leave it out: it is for the file that private names`},
		{"credential", base + "[[key]]\nname = \"k\"\nprivate = \"p\"\npassphrase = \"credential:a/b\"", `key.passphrase: must say where the passphrase is: credential:NAME`},

		{"no rules", base + "[[policy]]\nname = \"p\"", `a.toml:25:3: policy.rules: is required`},
		{"rules twice", base + "[[policy]]\nname = \"p\"\nrules = \"x\"\nfile = \"x\"", `a.toml:28:1: policy.file: leave it out, or rules`},
		{"empty rules", base + "[[policy]]\nname = \"p\"\nrules = \" \"", `policy.rules: is empty: write rules`},
		{"long rules", base + "[[policy]]\nname = \"p\"\nrules = \"" + strings.Repeat("x", maxRules+1) + "\"", `move the rules to a file`},

		{"neither kind", base + "[[repository]]\nname = \"r\"", `a.toml:25:3: repository.archive: is required; leave it out only for a repository that is built`},
		{"both kinds", base + "[[repository]]\nname = \"r\"\narchive = \"debian\"\nsign_with = [\"k\"]", `a.toml:28:1: repository.sign_with: leave it out: a repository with the key archive is served as upstream signed it`},
		{"suites of an archive", base + "[[repository]]\nname = \"r\"\narchive = \"debian\"\n[[repository.suite]]\nname = \"s\"", `a.toml:28:14: repository.suite: leave it out`},
		{"no suites", base + "[[repository]]\nname = \"r\"\nsign_with = [\"k\"]", `a.toml:25:3: repository.suite: is required`},
		{"no key", base + "[[repository]]\nname = \"r\"\n[[repository.suite]]\nname = \"s\"\nfrom = [\"pool:internal\"]", `repository.sign_with: is required`},
		{"suite is a table", base + "[[repository]]\nname = \"r\"\nsign_with = [\"k\"]\n[repository.suite]\nname = \"s\"", `repository.suite: is a list of tables: write [[repository.suite]], once for each`},
		{"unknown key of a suite", suiteWith(`name = "s"`, `from = ["pool:internal"]`, `polcy = "desk"`), `a.toml:31:1: repository.suite.polcy: unknown key; did you mean "policy"?; allowed in [[repository.suite]]: name, codename, from,`},
		{"key of a suite outside", base + "[[policy]]\nname = \"p\"\nrules = \"x\"\nbut_automatic_upgrades = true", `unknown key; it belongs in [[repository.suite]]`},
		{"key of the file", base + "[[repository]]\nname = \"r\"\nsign_with = [\"key:sit\"]\n[[repository.suite]]\nname = \"s\"\nfrom = [\"pool:internal\"]", `a.toml:27:14: repository.sign_with: there is no [[key]] "sit"; did you mean "site"?`},
		{"valid_for", strings.Replace(base, "sign_with", "valid_for = \"59m\"\nsign_with", 1), `repository.valid_for: "59m" is too short: at least 1h`},
		{"origin", strings.Replace(base, "sign_with", "origin = \"a\\nb\"\nsign_with", 1), `repository.origin: "a\nb": one line without blanks around it`},

		{"flat suite", suiteWith(`name = "./"`, `from = ["pool:internal"]`), `a.toml:29:1: repository.suite.name: "./" is not the suite of a built repository`},
		{"suite twice", suiteWith(`name = "s"`, `from = ["pool:internal"]`, `[[repository.suite]]`, `name = "s"`, `from = ["pool:internal"]`), `a.toml:32:1: repository.suite.name: "s" is used twice`},
		{"from nothing", suiteWith(`name = "s"`, `from = []`), `a.toml:30:1: repository.suite.from: must have at least one entry`},
		{"no from", suiteWith(`name = "s"`), `a.toml:28:14: repository.suite.from: is required`},
		{"from what", suiteWith(`name = "s"`, `from = ["debian/bookworm"]`), `a.toml:30:9: repository.suite.from: "debian/bookworm" is not a source: write archive:NAME/SUITE`},
		{"from without suite", suiteWith(`name = "s"`, `from = ["archive:debian"]`), `"archive:debian" has no suite: write archive:NAME/SUITE`},
		{"pool with suite", suiteWith(`name = "s"`, `from = ["pool:internal/x"]`), `a pool has no suites: write pool:internal`},
		{"from unknown archive", suiteWith(`name = "s"`, `from = ["archive:debina/bookworm"]`), `a.toml:30:9: repository.suite.from: there is no archive "debina"; did you mean "debian"?`},
		{"from unknown suite", suiteWith(`name = "s"`, `from = ["pool:internal", "archive:debian/trixi"]`), `a.toml:30:26: repository.suite.from: archive "debian" has no suite "trixi"; did you mean "trixie"?`},
		{"from unknown pool", suiteWith(`name = "s"`, `from = ["pool:debian"]`), `there is no pool "debian"`},
		{"from unknown repository", suiteWith(`name = "s"`, `from = ["repository:sites/stable"]`), `there is no repository "sites"; did you mean "site"?`},
		{"from verbatim repository", suiteWith(`name = "s"`, `from = ["repository:plain/bookworm"]`), `repository "plain" is not built: write archive:debian/bookworm`},
		{"from twice", suiteWith(`name = "s"`, `from = ["pool:internal", "pool:internal"]`), `"pool:internal" is listed twice`},
		{"unknown policy", suiteWith(`name = "s"`, `from = ["pool:internal"]`, `policy = "dsk"`), `a.toml:31:1: repository.suite.policy: there is no policy "dsk"; did you mean "desk"?`},
		{"upgrades alone", suiteWith(`name = "s"`, `from = ["pool:internal"]`, `but_automatic_upgrades = true`), `needs not_automatic = true`},
		{"publish", suiteWith(`name = "s"`, `from = ["pool:internal"]`, `publish = "never"`), `"never" is not allowed: write "auto" or "manual"`},
		{"itself", suiteWith(`name = "s"`, `from = ["repository:r/s"]`), `a.toml:30:9: repository.suite.from: r/s would be made from itself`},
		{"circle", suiteWith(`name = "s"`, `from = ["pool:internal", "repository:r/t"]`, `[[repository.suite]]`, `name = "t"`, `from = ["repository:r/s"]`), `a.toml:33:9: repository.suite.from: r/t would be made from itself`},

		{"ring of a pool", suiteWith(`name = "stable"`, `publish = "manual"`, `from = ["pool:internal"]`), `a.toml:31:1: repository.suite.from: a suite with publish = "manual" has exactly one source, repository:NAME/stable`},
		{"ring of two", suiteWith(`name = "stable"`, `publish = "manual"`, `from = ["repository:site/stable", "pool:internal"]`), `has exactly one source`},
		{"ring of another name", suiteWith(`name = "s"`, `publish = "manual"`, `from = ["repository:site/stable"]`), `a.toml:31:9: repository.suite.from: a suite with publish = "manual" takes the one of the same name: write repository:site/s`},
		{"ring with a policy", ring + `policy = "desk"`, `a.toml:32:1: repository.suite.policy: leave it out: a suite with publish = "manual" is what was published to it`},

		{"snapshot of what", base + "[[snapshot]]\nname = \"n\"\nrepositories = [\"sit\"]\nevery = \"daily\"", `a.toml:27:17: snapshot.repositories: there is no repository "sit"; did you mean "site"?`},
		{"snapshot when", snapshotWith(""), `a.toml:25:3: snapshot.every: is required`},
		{"snapshot every", snapshotWith(`every = "day"`), `"day" is not allowed: write "hourly" or "daily" or "weekly" or "monthly"`},
		{"snapshot at", snapshotWith("every = \"daily\"\nat = \"3am\""), `a.toml:29:1: snapshot.at: "3am" is not a time of day`},
		{"snapshot at without quotes", snapshotWith("every = \"daily\"\nat = 03:00:00"), `snapshot.at: must be a string in quotes`},
		{"snapshot hourly at", snapshotWith("every = \"hourly\"\nat = \"03:00\""), `snapshot.at: leave it out: hourly is on the hour`},
		{"snapshot keep", snapshotWith("every = \"daily\"\nkeep = 0"), `snapshot.keep: must be a whole number from 1 to 1000`},
		{"snapshot keeps", snapshotWith("every = \"daily\"\nkeep = 1\nkeep_daily = 2"), `a.toml:29:1: snapshot.keep: leave it out, or keep_daily`},

		{"status for all", "[status]\nlisten = \":8480\"", `a.toml:2:1: status.listen: ":8480" can be reached from other machines`},
		{"status for some", "[status]\nlisten = \"192.0.2.1:8480\"", `write 127.0.0.1:PORT`},
		{"status off", "[status]\nlisten = \"\"", ""},
		{"bundles", base + "[bundles]\nsign_with = [\"key:x\"]", `a.toml:26:14: bundles.sign_with: there is no [[key]] "x"`},
		{"aliases", strings.Replace(base, "suites", "aliases = [\"debian\"]\nsuites", 1), `archive.aliases: "debian" must begin with http://`},
		{"max_connections", "[serve]\ncert = \"c\"\nkey = \"k\"\nclient_ca = [\"c\"]\nmax_connections = 1", `must be a whole number from 16 to 100000`},

		{"grant of nothing", base + "[[grant]]\nidentity = \"dns:a\"", `a.toml:25:3: grant.read: is required, unless the grant has upload, status or admin`},
		{"grant of status", base + "[[grant]]\nidentity = \"dns:a\"\nstatus = true", ""},
		{"grant of false", base + "[[grant]]\nidentity = \"dns:a\"\nstatus = false", `grant.read: is required`},
		{"grant upload", base + "[[grant]]\nidentity = \"dns:a\"\nupload = [\"intrenal\"]", `a.toml:27:11: grant.upload: there is no pool "intrenal"; did you mean "internal"?`},
		{"grant built suite", base + "[[grant]]\nidentity = \"dns:a\"\nread = [\"site/testing\"]", `repository "site" has no suite "testing"`},
		{"grant rate", base + "[[grant]]\nidentity = \"dns:a\"\nread = [\"*\"]\nrate = \"50MB\"", `grant.rate: "50MB" is not a rate`},
		{"grant connections", base + "[[grant]]\nidentity = \"dns:a\"\nread = [\"*\"]\nconnections = 0", `grant.connections: must be a whole number from 1 to 10000`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(t, tt.text)
			if tt.want == "" && len(got) == 0 {
				return
			}
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("problems:\n%s\nwant one with:\n%s\nof:\n%s", strings.Join(got, "\n"), tt.want, tt.text)
			}
		})
	}
}

func TestPassphrasesAreNotRepeated(t *testing.T) {
	got := problemsOf(t, "[[key]]\nname = \"k\"\nprivate = \"k\"\npassphrase = \"hunter2\"\n")
	if len(got) != 1 || strings.Contains(got[0], "hunter2") {
		t.Errorf("problems %q, want one without the passphrase", got)
	}
}

// What is wrong with a rule is told with its line in the configuration.
func TestRulesKnowTheirLine(t *testing.T) {
	tests := []struct {
		name, value string
		line        int
	}{
		{"plain", `"deny ?true"`, 4},
		{"literal", `'deny ?true'`, 4},
		{"several lines", "'''\ndeny ?true\n'''", 5},
		{"basic", "\"\"\"\ndeny ?true\n\"\"\"", 5},
		{"line end of another system", "'''\r\ndeny ?true\r\n'''", 5},
		{"at once", "'''deny ?true\n'''", 4},
		{"after blank line", "'''\n\ndeny ?true'''", 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustParse(t, "/c/a.toml", fmt.Sprintf("# ä\n[[policy]]\nname = \"p\"\nrules = %s\n", tt.value))
			if got := c.Policies[0].Line; got != tt.line {
				t.Errorf("rules %q begin in line %d, want %d", c.Policies[0].Rules, got, tt.line)
			}
		})
	}
}

func TestRulesAreWrittenAsTheyAre(t *testing.T) {
	for _, rules := range []string{
		"deny ?true", "a\nb\n", "a\n'''\nb", "a\nb'", "\n\na\n", "a\tb\nc", "a\x1bb\nc", "a\r\nb\n", "it's\n\"so\"\n", "'\n'", "\\(\n\\)", "a\u0085\n",
	} {
		c := &Config{Path: "/c/a.toml", State: "/s", Policies: []Policy{{Name: "p", Rules: rules}}}
		if got := mustParse(t, c.Path, string(Format(c))).Policies[0].Rules; got != rules {
			t.Errorf("rules %q come back as %q", rules, got)
		}
	}
}

func TestDefaultsOfWhatTheSiteMakes(t *testing.T) {
	c := mustParse(t, "/c/a.toml", base+"[[snapshot]]\nname = \"n\"\nrepositories = [\"site\"]\nevery = \"weekly\"\n")
	if s := c.Snapshots[0]; s.Keep != 7 || s.At != DefaultSnapshotAt || s.Complete {
		t.Errorf("snapshot %+v", s)
	}
	r := c.Repositories[1]
	if !r.Built() || r.Origin != "site" || r.Label != "site" || r.ValidFor != 7*day {
		t.Errorf("repository %+v", r)
	}
	if s := r.Suites[0]; s.Codename != "stable" || s.Publish != Auto || s.Ring() || s.KeyringPackage {
		t.Errorf("suite %+v", s)
	}
	if c.Pools[0].Component != "main" || c.KeyOf("key:site").Private != "/c/k.asc" || c.KeyOf("/x").Private != "/x" {
		t.Errorf("pool %+v, key %+v", c.Pools[0], c.KeyOf("key:site"))
	}
}

func TestContentsOfBuiltSuites(t *testing.T) {
	c := fullConfig()
	c.Repositories[1].Suites[0].Components, c.Repositories[1].Suites[0].Architectures = nil, nil
	c.Repositories[1].Suites[1].Architectures = []string{"riscv64"}
	want := Contents{[]string{"main", "non-free-firmware", "local"}, []string{"amd64", "source"}}
	site, production := c.Repositories[1].Suites, c.Repositories[3].Suites
	for _, tt := range []struct {
		suite Suite
		want  Contents
	}{{site[0], want}, {production[0], want}, {site[1], Contents{want.Components, []string{"riscv64"}}}} {
		if diff := cmp.Diff(tt.want, c.ContentsOf(tt.suite)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.suite.Name, diff)
		}
	}
}
