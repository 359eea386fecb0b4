package debian

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestCompareVersionsOrder(t *testing.T) {
	// Each line is in ascending order; "=" joins equal ones.
	for _, line := range []string{
		"~~ ~~a ~ a",
		"0~ 0 = 00 = 0-0 = 0:0 = 00:0 = 0- 0-1",
		"1.0~rc1 = 1.0~rc1-0 1.0~rc1-1 1.0 = 1.0-0 = 1.00 1.0-1 1.0-1+b1 1.0-1.1 1.0-2 1.0+b 1.0.1 1.1 1.9 1.10",
		"1.0-2 1.0+b-1 1.0-1-1",
		"3.0-5+b3 3.0-1-1",
		"2 1:1 = 1:1-0 1:2 2:0 10:0 4294967296:0 99999999999999999999:0",
		"1.99999999999999999998 1.99999999999999999999 1.100000000000000000000",
		"1 1A 1Z 1a 1a1 1a2 1a10 1ab 1b 1z 1+",
		"a:1 = a:01 b:1",
		"0-1 = -1 1 :1",
	} {
		checkAscending(t, line)
	}
}

func checkAscending(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	rank, ranks := 0, map[string]int{}
	for i, w := range words {
		if w == "=" {
			rank--
			continue
		}
		if i > 0 {
			rank++
		}
		ranks[w] = rank
	}
	for a, ra := range ranks {
		for b, rb := range ranks {
			if got := CompareVersions(a, b); sign(got) != sign(ra-rb) {
				t.Errorf("CompareVersions(%q, %q) = %d, want the sign of %d", a, b, got, ra-rb)
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		"1":                  {0, "1", ""},
		"0:1-0":              {0, "1", "0"},
		"0~":                 {0, "0~", ""},
		"9.0":                {0, "9.0", ""},
		"2147483647:1.2-3-4": {2147483647, "1.2-3", "4"},
		"1:2:3-4":            {1, "2:3", "4"},
		"0:2:3":              {0, "2:3", ""},
		"1.0~rc1+dfsg-~":     {0, "1.0~rc1+dfsg", "~"},
	} {
		got, err := ParseVersion(in)
		if err != nil || got != want {
			t.Errorf("ParseVersion(%q) = %+v, %v, want %+v", in, got, err, want)
		}
		if again, err := ParseVersion(got.String()); err != nil || again != got {
			t.Errorf("ParseVersion(%q) is written as %q and read again as %+v, %v", in, got, again, err)
		}
	}
}

var badVersions = []string{"", "1.0-", "1:", ":1", "1.0_", " a", "a1", "1:a", "1.0-1_2", "1-1:2", "9999999999:1", "2147483648:1",
	"-1", "1-", "~1", "a:1", "1 2", "1/2", "1:-1", "1\u00e4"}

func TestParseVersionRefuses(t *testing.T) {
	for _, in := range badVersions {
		if got, err := ParseVersion(in); err == nil {
			t.Errorf("ParseVersion(%q) = %+v, want an error", in, got)
		}
	}
}

// versions makes n version strings that are likely to be near each other.
func versions(n int) []string {
	rnd := rand.New(rand.NewPCG(7, 7))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	list := make([]string, n)
	for i := range list {
		v := pick("", "", "", "0:", "1:", "01:", "10:") + strconv.Itoa(rnd.IntN(3))
		for range rnd.IntN(4) {
			v += pick(".", "+", "~", "~~", "-", "a", "b", "Z", "rc", "+b", "") + pick("", "0", "1", "9", "10", "010", "123456789012")
		}
		if rnd.IntN(3) > 0 {
			v += "-" + pick("0", "1", "1.1", "1~", "1+b1", "a", "~", "00")
		}
		if _, err := ParseVersion(v); err != nil {
			v = "1"
		}
		if i > 0 && i%8 == 0 && !strings.Contains(list[i-1], ":") {
			v = "0:" + list[i-1]
		}
		list[i] = v
	}
	return list
}

func TestCompareVersionsAgreesWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not installed")
	}
	list := versions(300)
	var script bytes.Buffer
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		fmt.Fprintf(&script, "if dpkg --compare-versions '%s' lt '%s'; then echo -1; elif dpkg --compare-versions '%s' eq '%s'; then echo 0; else echo 1; fi\n", a, b, a, b)
	}
	checkPairs(t, list, run(t, script.String(), "sh"))
}

func TestCompareVersionsAgreesWithDpkgVersionInPerl(t *testing.T) {
	const program = `use Dpkg::Version; my $a; while (<STDIN>) { chomp; print version_compare($a, $_), "\n" if defined $a; $a = $_ }`
	if exec.CommandContext(t.Context(), "perl", "-MDpkg::Version", "-e", "1").Run() != nil {
		t.Skip("perl with Dpkg::Version is not installed")
	}
	list := versions(20_000)
	checkPairs(t, list, run(t, strings.Join(list, "\n")+"\n", "perl", "-e", program))
}

// checkPairs compares the order of neighbours with what the tool said.
func checkPairs(t *testing.T, list, want []string) {
	t.Helper()
	if len(want) != len(list)-1 {
		t.Fatalf("%d answers for %d pairs", len(want), len(list)-1)
	}
	seen := map[string]int{}
	for i, w := range want {
		a, b := list[i], list[i+1]
		if got := strconv.Itoa(sign(CompareVersions(a, b))); got != w {
			t.Errorf("CompareVersions(%q, %q) = %s, the tool says %s", a, b, got, w)
		}
		va, _ := ParseVersion(a)
		vb, _ := ParseVersion(b)
		if got := strconv.Itoa(sign(va.Compare(vb))); got != w {
			t.Errorf("%q and %q in parts: %s, the tool says %s", a, b, got, w)
		}
		seen[w]++
	}
	if len(seen) != 3 {
		t.Errorf("the list does not have all three outcomes: %v", seen)
	}
}

func TestParseVersionAgreesWithDpkg(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("dpkg is not installed")
	}
	list := append(versions(100), badVersions...)
	var script bytes.Buffer
	for _, v := range list {
		fmt.Fprintf(&script, "dpkg --validate-version -- '%s' 2>/dev/null && echo good || echo bad\n", v)
	}
	for i, want := range run(t, script.String(), "sh") {
		if _, err := ParseVersion(list[i]); (err == nil) != (want == "good") {
			t.Errorf("ParseVersion(%q): %v, dpkg says %s", list[i], err, want)
		}
	}
}

// run gives text to a program and returns the lines that it prints.
func run(t *testing.T, text, program string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func FuzzCompareVersions(f *testing.F) {
	f.Add("1.0-1", "1.0-2", "1:0")
	f.Add("1~", "1", "1+")
	f.Add("a:1", ":", "-")
	f.Add("0:0:", "0", "0")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		ab, bc, ac := CompareVersions(a, b), CompareVersions(b, c), CompareVersions(a, c)
		if sign(ab) != -sign(CompareVersions(b, a)) {
			t.Errorf("%q, %q: order depends on the side", a, b)
		}
		if ab <= 0 && bc <= 0 && ac > 0 || ab >= 0 && bc >= 0 && ac < 0 {
			t.Errorf("%q, %q, %q: no order", a, b, c)
		}
		if v, err := ParseVersion(a); err == nil && CompareVersions(a, v.String()) != 0 {
			t.Errorf("%q is written as %q", a, v)
		}
	})
}

func BenchmarkCompareVersions(b *testing.B) {
	list := versions(1000)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		CompareVersions(list[i%1000], list[(i+1)%1000])
		i++
	}
}
