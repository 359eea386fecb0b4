package explain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
)

func TestCheckRules(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(file, []byte("allow ~nhello\nforbid ~nchess\nallow ?true\ndeny ~ndata\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	check := CheckRules(file)
	if len(check.Faults) != 1 || check.Faults[0].File != file || check.Faults[0].Line != 2 || check.File != file {
		t.Errorf("a word that is none: %+v", check)
	}
	if err := os.WriteFile(file, []byte("allow ?true\ndeny ~ndata\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if check = CheckRules(file); len(check.Faults) != 0 || check.Rules != 2 || len(check.Findings) == 0 || check.Findings[0].Line != 2 {
		t.Errorf("a rule that never decides: %+v", check)
	}
	if check = CheckRules(file + ".none"); len(check.Faults) != 1 || !strings.Contains(check.Faults[0].Problem, "no such file") {
		t.Errorf("no file: %+v", check)
	}
}

func TestWhatADiffIsAbout(t *testing.T) {
	c := &config.Config{Repositories: []config.Repository{
		{Name: "debian", Archive: "debian"},
		{Name: "site", SignWith: []string{"key"}, Suites: []config.Suite{{Name: "stable", Policy: "office"}, {Name: "testing", Policy: "lab"}}},
		{Name: "ring", SignWith: []string{"key"}, Suites: []config.Suite{{Name: "stable", Publish: config.Manual}}},
	}}
	for _, test := range []struct {
		policy, repository string
		want               int // suites; 0 is a refusal
	}{{"", "", 2}, {"lab", "", 1}, {"", "site", 2}, {"", "debian", 0}, {"none", "", 0}, {"", "ring", 0}} {
		r := admin.PolicyDiffRequest{Policy: test.policy}
		if test.repository != "" {
			r.Repositories = []string{test.repository}
		}
		if suites, err := concerned(c, r); len(suites) != test.want || (err == nil) != (test.want > 0) {
			t.Errorf("policy %q, repository %q: %v, %v", test.policy, test.repository, suites, err)
		}
	}
}
