package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/proxy/admin"
)

func TestJudge(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *admin.SuiteStatus)
		want   verdict
	}{
		"fresh":        {func(*admin.SuiteStatus) {}, verdict{good, "fresh"}},
		"warning":      {func(s *admin.SuiteStatus) { s.Warning = "x" }, verdict{warn, "ends soon"}},
		"unreachable":  {func(s *admin.SuiteStatus) { s.Error = "x" }, verdict{warn, "not refreshed"}},
		"refused":      {func(s *admin.SuiteStatus) { s.Error, s.Advice = "x", "y" }, verdict{warn, "refused"}},
		"held":         {func(s *admin.SuiteStatus) { s.Error, s.Held = "x", &admin.Held{} }, verdict{warn, "held"}},
		"expired":      {func(s *admin.SuiteStatus) { s.ValidUntil, s.Held = ago(1), &admin.Held{} }, verdict{bad, "expired"}},
		"damaged":      {func(s *admin.SuiteStatus) { s.Reason, s.Error = damaged, "x" }, verdict{bad, "damaged"}},
		"new":          {func(s *admin.SuiteStatus) { *s = admin.SuiteStatus{} }, verdict{bad, "not fetched yet"}},
		"not built":    {func(s *admin.SuiteStatus) { s.Error, s.Built = "x", true }, verdict{warn, "not built"}},
		"unmet":        {func(s *admin.SuiteStatus) { s.Unmet = []string{"x"} }, verdict{note, "lacks something"}},
		"never worked": {func(s *admin.SuiteStatus) { s.Generation, s.Error = 0, "x" }, verdict{bad, "nothing to serve"}},
	} {
		s := suite("debian", "bookworm", 1)
		test.change(&s)
		if got := judge(s, noon); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestConcernsAreTheWorstFirstAndNameCommands(t *testing.T) {
	type line struct{ Level, Subject, Command string }
	var got []line
	for _, c := range concerns(troubled(), noon) {
		got = append(got, line{c.Level.String(), c.Subject, c.Command})
	}
	want := []line{
		{"bad", "vendor main", "aptmirror sync vendor"},
		{"bad", `new "><img src=x onerror=alert(1)>`, "aptmirror sync new"},
		{"warn", "debian bookworm", ""},
		{"warn", "ubuntu noble", "aptmirror archive accept ubuntu noble"},
		{"warn", "ubuntu noble-updates", "aptmirror sync ubuntu"},
		{"warn", "Configuration", "aptmirror reload"},
		{"warn", "Certificates", ""},
		{"warn", "Disk", ""},
		{"warn", "Pool internal", "aptmirror package list internal"},
		{"warn", "Job 4400 (snapshot)", "aptmirror jobs"},
		{"note", "site stable", ""},
		{"note", "Configuration", "systemctl restart aptmirror"},
		{"note", "Mirror of debian", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("concerns (-want +got):\n%s", diff)
	}
	if all := concerns(calm(), noon); len(all) != 0 {
		t.Errorf("a calm mirror has %v", all)
	}
}

func TestConcernsAboutEnds(t *testing.T) {
	s := &State{Expiries: []Expiry{
		{SiteKey, "site", noon.Add(29 * day)}, {SiteKey, "far", noon.Add(31 * day)}, {ArchiveKey, "debian", ago(day)},
		{ClientCertificate, "dns:a.example.org", noon.Add(day)}, {ServerCertificate, "told elsewhere", noon},
	}}
	type line struct{ Level, Subject, What, Command string }
	var got []line
	for _, c := range concerns(s, noon) {
		got = append(got, line{c.Level.String(), c.Subject, c.What, c.Command})
	}
	want := []line{
		{"warn", "Site key site", "Ends on 2026-04-13 12:07 UTC", ""},
		{"warn", "Archive key debian", "Ended on 2026-03-14 12:07 UTC", ""},
		{"note", "Client certificate dns:a.example.org", "Ends on 2026-03-16 12:07 UTC", "aptmirror client renew a.example.org"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("concerns (-want +got):\n%s", diff)
	}
}

// Lists of a month's life do not look as if somebody were needed all the time.
func TestEndOf(t *testing.T) {
	v := &view{now: noon}
	for _, test := range []struct {
		kind string
		left time.Duration
		want string
	}{
		{RevocationList, 29 * day, ""}, {RevocationList, 6 * day, "ends soon"}, {RevocationList, -day, "ended"},
		{ServerCertificate, 31 * day, ""}, {ServerCertificate, 29 * day, "ends soon"}, {ServerCertificate, -day, "ended"},
	} {
		got := ""
		if badge := v.EndOf(Expiry{test.kind, "x", noon.Add(test.left)}); badge != nil {
			got = badge.Word
		}
		if got != test.want {
			t.Errorf("%s, %s left: %q, want %q", test.kind, test.left, got, test.want)
		}
	}
}

func TestConcernsAboutTheDisk(t *testing.T) {
	for free, want := range map[int64]level{200: good, 51: good, 49: warn, 9: bad, 0: bad} {
		l := good
		for _, c := range storeConcerns(Store{DiskFree: free, DiskSize: 1000}) {
			l = c.Level
		}
		if l != want {
			t.Errorf("%d of 1000 free: %v, want %v", free, l, want)
		}
	}
	if len(storeConcerns(Store{})) != 0 {
		t.Error("an unknown disk is a concern")
	}
}

func TestConcernsAboutPools(t *testing.T) {
	for _, test := range []struct {
		use  admin.PoolUse
		want int
	}{
		{admin.PoolUse{Bytes: 89, Max: 100}, 0}, {admin.PoolUse{Bytes: 90, Max: 100}, 1}, {admin.PoolUse{Bytes: 200, Max: 100}, 1}, {admin.PoolUse{Bytes: 1e15}, 0},
	} {
		if got := poolConcerns([]admin.PoolUse{test.use}); len(got) != test.want {
			t.Errorf("%+v: %v", test.use, got)
		}
	}
}

// A job that failed is forgotten once one of its kind went well.
func TestConcernsAboutJobs(t *testing.T) {
	failedGC, doneGC := admin.Job{Number: 1, Kind: "gc", Error: "x", Finished: ago(time.Hour)}, admin.Job{Number: 2, Kind: "gc", Finished: noon}
	for _, test := range []struct {
		jobs []admin.Job
		want int
	}{{[]admin.Job{failedGC}, 1}, {[]admin.Job{doneGC, failedGC}, 0}, {[]admin.Job{failedGC, failedGC}, 1}, {[]admin.Job{{Kind: "sync", Error: "x"}}, 0}, {[]admin.Job{{Kind: "snapshot delete", Error: "x"}}, 0}} {
		if got := jobConcerns(test.jobs); len(got) != test.want {
			t.Errorf("%v: %v", test.jobs, got)
		}
	}
}
