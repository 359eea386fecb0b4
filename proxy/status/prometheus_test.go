package status

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const systemd = "../../systemd"

var metricName = regexp.MustCompile(`\baptmirror_\w+`)

// exists says whether a name in a query is that of a metric, or of a series of
// a histogram.
func exists(t *testing.T) func(name string) bool {
	all := gathered(t, everything(t))
	return func(name string) bool {
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && all[base] != nil {
				return true
			}
		}
		return false
	}
}

func TestAlertRules(t *testing.T) {
	dir := filepath.Join(systemd, "prometheus")
	rules, err := os.ReadFile(filepath.Join(dir, "aptmirror.rules.yml"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile(filepath.Join(dir, "aptmirror.rules.test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	known := exists(t)
	for _, name := range metricName.FindAllString(string(rules)+string(tests), -1) {
		if !known(name) {
			t.Errorf("there is no metric %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(string(rules), -1) {
		if !strings.Contains(string(tests), `"`+m[1]+`"`) {
			t.Errorf("nothing tests when %s fires", m[1])
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so that the rules are not run")
	}
	for _, args := range [][]string{{"check", "rules", "aptmirror.rules.yml"}, {"test", "rules", "aptmirror.rules.test.yml"}} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// What is exported has the names and texts that Prometheus asks for.
func TestMetricsPassTheLinter(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so that nobody looks at the names of metrics")
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = get(t, everything(t).Handler(), "/metrics").Body
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestDashboard(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(systemd, "grafana", "aptmirror.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
			GridPos struct{ X, Y, W, H int }
		}
	}
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	known, ids := exists(t), map[int]bool{}
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || ids[p.ID] {
			t.Errorf("panel %q: nothing to show, not on the grid, or a number twice", p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			checkQuery(t, p.Title, target.Expr, known)
		}
	}
	var queries []string
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			queries = append(queries, strings.NewReplacer("$__rate_interval", "5m").Replace(target.Expr))
		}
	}
	if len(queries) == 0 {
		t.Fatal("no panels")
	}
	parse(t, queries)
}

// parse has promtool read queries, as rules that record them.
func parse(t *testing.T, queries []string) {
	t.Helper()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed, so that nobody parses the dashboard's queries")
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for i, q := range queries {
		rules = append(rules, rule{fmt.Sprint("query", i), q})
	}
	// JSON is YAML, too.
	raw, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func checkQuery(t *testing.T, panel, query string, known func(string) bool) {
	t.Helper()
	names := metricName.FindAllString(query, -1)
	for _, name := range names {
		if !known(name) {
			t.Errorf("panel %q: there is no metric %s", panel, name)
		}
	}
	if len(names) == 0 && !strings.Contains(query, "process_") && !strings.Contains(query, "go_") {
		t.Errorf("panel %q asks for nothing of ours: %s", panel, query)
	}
}
