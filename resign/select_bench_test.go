package resign

import (
	"strings"
	"testing"
	"time"

	"aptmirror/policy"
)

// BenchmarkSelect is what `why` and `policy diff` do with a large suite: select
// from the inputs, and compare that with what was published.
func BenchmarkSelect(b *testing.B) {
	text := bigIndex(suiteSize())
	s := newStore(b)
	r := bigRecipe(b, s, text)
	g := s.build(r).Generation
	published := Recipe{Repository: "site", Suite: "stable", From: []Input{{Name: "repository:site/stable", Generation: &g}}}
	other := r
	other.Policy = rules(b, "deny ?section(admin)\nallow ?true\n")
	for _, c := range []struct {
		name string
		do   func(*Builder) error
	}{
		{"why", func(sel *Builder) error {
			return sel.Select(b.Context(), r, func(*Selection) error { return nil })
		}},
		{"policy diff", func(sel *Builder) error {
			var seen *policy.Decision
			err := sel.Select(b.Context(), published, func(s *Selection) error {
				var err error
				seen, err = (*policy.Policy)(nil).Decide(b.Context(), named(s.Set), time.Time{})
				return err
			})
			if err != nil {
				return err
			}
			return sel.Select(b.Context(), other, func(s *Selection) error {
				if len(policy.Diff(seen, s.Decision)) == 0 {
					b.Error("there is no difference")
				}
				return nil
			})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var cpu time.Duration
			for b.Loop() {
				before := cpuTime(b)
				if err := c.do(s.builder()); err != nil {
					b.Fatal(err)
				}
				cpu += cpuTime(b) - before
			}
			b.ReportMetric(float64(cpu.Milliseconds())/float64(b.N), "cpu-ms/op")
			b.SetBytes(int64(len(text)))
		})
	}
}

// named copies what names the packages, since their texts are used again.
func named(s *policy.Set) *policy.Set {
	out := &policy.Set{}
	for _, p := range s.Packages {
		out.Packages = append(out.Packages, policy.Package{
			Name: strings.Clone(p.Name), Version: strings.Clone(p.Version), Architecture: strings.Clone(p.Architecture), Kind: p.Kind, Input: p.Input,
		})
	}
	return out
}
