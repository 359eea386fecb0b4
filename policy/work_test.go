package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// crossed makes packages that each name the next ones many times over, and
// provide each other's names.
func crossed(t testing.TB, packages, relations int) *Set {
	t.Helper()
	var text strings.Builder
	for i := range packages {
		var depends []string
		for v := range relations {
			depends = append(depends, fmt.Sprintf("shared (>= %d)", v))
		}
		fmt.Fprintf(&text, "Package: p%d\nVersion: 1\nProvides: shared (= 100), shared (= 101), shared (= 102)\nDepends: %s, p%d\n\n", i, strings.Join(depends, ", "), (i+1)%packages)
	}
	return makeSet(t, text.String())
}

func TestTooMuchWorkIsRefused(t *testing.T) {
	set := crossed(t, 30, 30)
	for _, test := range []struct{ rules, want string }{
		{"allow ?exact-name(p0) with dependencies\ndeny ?true", "at rules:1 `allow ?exact-name(p0) with dependencies`, at p"},
		{"deny ~D~sgames\nallow ?exact-name(p7) with dependencies\ndeny ?true", "deny it in a rule above, as with `deny ?exact-name(p"},
		{"allow ~D~D~D~sgames", "at rules:1"},
	} {
		p := mustParse(t, test.rules)
		if _, err := p.decideWithin(newWork(t.Context(), 1000), set, noon); err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "more than 1000 steps") {
			t.Errorf("%q: %v, want %q", test.rules, err, test.want)
		}
		p.decide(t, set, noon)
	}
}

func TestOnePackageDoesNotTakeTheWorkOfAll(t *testing.T) {
	var depends, others strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&depends, "shared (>= %d), ", 1000+i)
	}
	for i := range 50 {
		fmt.Fprintf(&others, "Package: p%d\nVersion: 1\nProvides: shared (= 1)\n\n", i)
	}
	set := makeSet(t, "Package: greedy\nVersion: 1\nDepends: "+depends.String()+"last\n\nPackage: modest\nVersion: 1\nDepends: other\n\nPackage: other\nVersion: 1\n\n"+others.String())
	w := newWork(t.Context(), maxWork)
	d, err := mustParse(t, "allow ?exact-name(greedy) | ?exact-name(modest) with dependencies\ndeny ?true").decideWithin(w, set, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(allowed(d), " "); got != "greedy_1 modest_1 other_1" {
		t.Errorf("allowed are %s", got)
	}
	if last := d.Unmet[len(d.Unmet)-1]; !strings.HasPrefix(last.Relation, "shared (>= ") || !strings.Contains(last.Why, "not looked at") {
		t.Errorf("the last that is unmet: %s", last)
	}
	if taken := w.most - w.left; taken > 2*maxWorkOfOne {
		t.Errorf("%d steps", taken)
	}
}

func TestADecisionEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("somebody has stopped it")
	cancel(stop)
	set := crossed(t, 3, 3)
	for _, rules := range []string{"allow ?true", "keep 2 ?true\nallow ?true", "allow ~D~np with dependencies"} {
		if _, err := mustParse(t, rules).Decide(ctx, set, noon); !errors.Is(err, stop) {
			t.Errorf("%q: %v, want that it was stopped", rules, err)
		}
	}
	if err := NewLinter(mustParse(t, "allow ?true")).Try(ctx, set, noon); !errors.Is(err, stop) {
		t.Errorf("lint: %v", err)
	}
}

// TestNestedRelationsAreAskedOnce needs a step for each way through the relations
// where answers are forgotten: 20 to the power of 8.
func TestNestedRelationsAreAskedOnce(t *testing.T) {
	var text strings.Builder
	for layer := range 10 {
		for i := range 20 {
			fmt.Fprintf(&text, "Package: p%d-%d\nVersion: 1\n", layer, i)
			var depends []string
			for j := range 20 {
				depends = append(depends, fmt.Sprintf("p%d-%d", layer+1, j))
			}
			fmt.Fprintf(&text, "Depends: %s\n\n", strings.Join(depends, ", "))
		}
	}
	set := makeSet(t, text.String())
	for _, pattern := range []string{strings.Repeat("~D", 8) + "~nnothing", strings.Repeat("~R", 8) + "~nnothing", strings.Repeat("~D~R", 4) + "~nnothing"} {
		if _, err := mustParse(t, "allow "+pattern).decideWithin(newWork(t.Context(), 200_000), set, noon); err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

func TestWhatIsToldOfUnmetRelationsIsBounded(t *testing.T) {
	var relations, alternatives []string
	for i := range maxUnmet {
		relations = append(relations, fmt.Sprintf("no%d", i))
		alternatives = append(alternatives, fmt.Sprintf("no%d", i))
	}
	set := makeSet(t, "Package: p\nVersion: 1\nDepends: "+strings.Join(alternatives[:5000], " | ")+", "+strings.Join(relations[:5000], ", ")+"\nRecommends: "+strings.Join(relations[:6000], ", ")+"\n")
	d := mustParse(t, "allow ?true with dependencies and recommends").decide(t, set, noon)
	if len(d.Unmet) != maxUnmet {
		t.Errorf("%d unmet relations are told", len(d.Unmet))
	}
	if text := d.Unmet[0].String(); len(text) > 2*maxRelation || !strings.Contains(text, "and 4997 more") {
		t.Errorf("one has %d bytes: %s", len(text), text)
	}
}
