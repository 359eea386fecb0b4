package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChangedNamesWhatDiffers(t *testing.T) {
	tests := map[string]struct {
		change func(*Config)
		want   []string
	}{
		"nothing":             {func(*Config) {}, nil},
		"a line":              {func(c *Config) { c.Grants[0].Line++; c.Policies[0].Line++ }, nil},
		"a rule":              {func(c *Config) { c.Policies[0].Rules += "deny ?true" }, []string{"policy.workstations.rules"}},
		"key of a suite":      {func(c *Config) { c.Repositories[1].Suites[0].Policy = "servers" }, []string{"repository.site.suite.stable.policy"}},
		"no built repository": {func(c *Config) { c.Repositories = c.Repositories[:1] }, []string{"repository.site", "repository.tools", "repository.production"}},
		"rate":                {func(c *Config) { c.Grants[0].Rate = 0 }, []string{"grant"}},
		"state":               {func(c *Config) { c.State = "/srv" }, []string{"state"}},
		"keys of serve":       {func(c *Config) { c.Serve.CRLGrace, c.Serve.Listen = time.Hour, []string{":1"} }, []string{"serve.listen", "serve.crl_grace"}},
		"no serve":            {func(c *Config) { c.Serve = Serve{} }, []string{"serve"}},
		"no clients":          {func(c *Config) { c.Clients = Clients{} }, []string{"clients"}},
		"key of an archive":   {func(c *Config) { c.Archives[1].Suites = []string{"x/"} }, []string{"archive.vendor.suites"}},
		"archive renamed":     {func(c *Config) { c.Archives[1].Name = "other" }, []string{"archive.vendor", "archive.other"}},
		"repository":          {func(c *Config) { c.Repositories[0].Archive = "vendor" }, []string{"repository.debian.archive"}},
		"a grant less":        {func(c *Config) { c.Grants = c.Grants[1:] }, []string{"grant"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := fullConfig()
			tt.change(c)
			if diff := cmp.Diff(tt.want, Changed(fullConfig(), c)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A key that Changed did not know would be passed over without a word.
func TestChangedSeesEveryField(t *testing.T) {
	seen := map[string]bool{}
	for _, table := range []func(*Config) any{
		func(c *Config) any { return c },
		func(c *Config) any { return &c.Serve },
		func(c *Config) any { return &c.Status },
		func(c *Config) any { return &c.Cache },
		func(c *Config) any { return &c.Clients },
		func(c *Config) any { return &c.Bundles },
		func(c *Config) any { return &c.Archives[0] },
		func(c *Config) any { return &c.Pools[0] },
		func(c *Config) any { return &c.Keys[0] },
		func(c *Config) any { return &c.Keys[1] },
		func(c *Config) any { return &c.Policies[0] },
		func(c *Config) any { return &c.Policies[1] },
		func(c *Config) any { return &c.Repositories[0] },
		func(c *Config) any { return &c.Repositories[1] },
		func(c *Config) any { return &c.Repositories[1].Suites[0] },
		func(c *Config) any { return &c.Snapshots[0] },
		func(c *Config) any { return &c.Snapshots[1] },
		func(c *Config) any { return &c.Grants[0] },
	} {
		fields := reflect.ValueOf(table(fullConfig())).Elem()
		for i := range fields.NumField() {
			name := fields.Type().String() + "." + fields.Type().Field(i).Name
			c := fullConfig()
			field := reflect.ValueOf(table(c)).Elem().Field(i)
			set := !field.IsZero()
			field.SetZero()
			seen[name] = seen[name] || set
			if set && name != "config.Config.Path" && len(Changed(fullConfig(), c)) == 0 {
				t.Errorf("%s is passed over", name)
			}
		}
	}
	passedOver := []string{"config.Config.Path", "config.Grant.Line", "config.Policy.Line"}
	for name, set := range seen {
		if set == slices.Contains(passedOver, name) && name != "config.Config.Path" {
			t.Errorf("%s: set in the test's configuration: %v", name, set)
		}
	}
}

func TestGrantsKnowTheirLine(t *testing.T) {
	c := mustParse(t, "/etc/aptmirror/aptmirror.toml", full)
	for i, g := range c.Grants {
		lines := strings.Split(full, "\n")
		if g.Line < 1 || lines[g.Line-1] != "[[grant]]" || !strings.Contains(strings.ToLower(lines[g.Line]), g.Identity) {
			t.Errorf("grant %d is said to be in line %d", i, g.Line)
		}
	}
}
