package config

import (
	"reflect"
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
		"nothing":           {func(*Config) {}, nil},
		"a line":            {func(c *Config) { c.Grants[0].Line++ }, nil},
		"state":             {func(c *Config) { c.State = "/srv" }, []string{"state"}},
		"keys of serve":     {func(c *Config) { c.Serve.CRLGrace, c.Serve.Listen = time.Hour, []string{":1"} }, []string{"serve.listen", "serve.crl_grace"}},
		"no serve":          {func(c *Config) { c.Serve = Serve{} }, []string{"serve"}},
		"no clients":        {func(c *Config) { c.Clients = Clients{} }, []string{"clients"}},
		"key of an archive": {func(c *Config) { c.Archives[1].Suites = []string{"x/"} }, []string{"archive.vendor.suites"}},
		"archive renamed":   {func(c *Config) { c.Archives[1].Name = "other" }, []string{"archive.vendor", "archive.other"}},
		"repository":        {func(c *Config) { c.Repositories[0].Archive = "vendor" }, []string{"repository.debian.archive"}},
		"a grant less":      {func(c *Config) { c.Grants = c.Grants[1:] }, []string{"grant"}},
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
	for _, table := range []func(*Config) any{
		func(c *Config) any { return c },
		func(c *Config) any { return &c.Serve },
		func(c *Config) any { return &c.Cache },
		func(c *Config) any { return &c.Clients },
		func(c *Config) any { return &c.Archives[0] },
		func(c *Config) any { return &c.Repositories[0] },
	} {
		fields := reflect.ValueOf(table(fullConfig())).Elem()
		for i := range fields.NumField() {
			if fields.Type().Field(i).Name == "Path" {
				continue // of the file itself
			}
			c := fullConfig()
			field := reflect.ValueOf(table(c)).Elem().Field(i)
			was := field.Interface()
			field.SetZero()
			if reflect.DeepEqual(was, field.Interface()) {
				t.Fatalf("%s.%s is not set in the test's configuration", fields.Type(), fields.Type().Field(i).Name)
			}
			if len(Changed(fullConfig(), c)) == 0 {
				t.Errorf("%s.%s is passed over", fields.Type(), fields.Type().Field(i).Name)
			}
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
