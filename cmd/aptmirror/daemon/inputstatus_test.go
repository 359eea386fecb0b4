package daemon

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// status gives the status of the only repository.
func (s *builtSite) status() admin.SuiteStatus {
	s.t.Helper()
	all, err := s.Status(s.t.Context())
	if err != nil || len(all.Suites) != 1 {
		s.t.Fatalf("%d suites, %v", len(all.Suites), err)
	}
	return all.Suites[0]
}

// An archive that is only made use of has no line of its own.
func TestABuiltSuiteTellsOfItsArchives(t *testing.T) {
	a := games(t)
	c := newSite(t, a, "stable")
	text, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	verbatim := regexp.MustCompile(`(?s)\n\[\[repository\]\]\n.*?\narchive = "debian"\n`)
	if err := os.WriteFile(c.Path, verbatim.ReplaceAll(text, []byte("\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &builtSite{t: t, archive: a, now: time.Now(), file: c.Path}
	s.write(siteRepository)
	s.open()
	s.sync("site", "stable")
	if x := s.status(); x.Error != "" || x.Warning != "" || x.Held != nil {
		t.Errorf("%+v", x)
	}
	a.Suite.Origin = "Somebody else"
	a.Publish()
	s.sync("site", "stable")
	if x := s.status(); x.Held == nil || x.Reason != "info-changed" || !strings.Contains(x.Error, "Somebody else") || !strings.Contains(x.Advice, "archive accept debian stable") || x.Generation != 1 {
		t.Errorf("%+v", x)
	}
	if _, err := s.Accept(t.Context(), admin.Caller{}, admin.AcceptRequest{Archive: "debian", Suite: "stable"}, nobody); err != nil {
		t.Fatal(err)
	}
	if x := s.status(); x.Error != "" || x.Held != nil || x.Advice != "" {
		t.Errorf("%+v", x)
	}
	a.Publish(upstreamtest.Tampered())
	s.sync("site", "stable")
	if x := s.status(); x.Error == "" || x.Reason == "" || x.Advice == "" || x.Held != nil {
		t.Errorf("%+v", x)
	}
}
