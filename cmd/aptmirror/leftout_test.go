package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// sloppySample is sample with six files that nobody can verify.
func sloppySample(t *testing.T) *upstreamtest.Archive {
	t.Helper()
	a, _, _ := sample(t)
	a.AddPackage(upstreamtest.Package{Name: "weak"})
	a.AddPackage(upstreamtest.Package{Name: "none", Arch: "all"})
	a.AddSource("old", "1.0")
	for _, version := range []string{"1", "2"} {
		a.AddPackage(upstreamtest.Package{Name: "latest", Version: version, Filename: "pool/latest.deb"})
	}
	a.Suite.Rewrite = upstreamtest.WithoutFields(map[string][]string{"weak": {"SHA256"}, "none": {"SHA256", "MD5sum"}, "old": {"Checksums-Sha256"}})
	a.Publish()
	return a
}

// sloppyHost has all of it, as its archive signed it and built anew.
func sloppyHost(t *testing.T, a *upstreamtest.Archive) *host {
	t.Helper()
	h := newHost(t, a)
	h.exports()
	h.edit(func(text string) string {
		text = replaceOnce(t, text, "[[archive]]\nname = \"debian\"\n", "[[archive]]\nname = \"debian\"\ndownload = \"all\"\n")
		return text + "\n[[repository]]\nname = \"corp\"\nsign_with = [\"keys/site.asc\"]\n  [[repository.suite]]\n  name = \"prod\"\n  from = [\"archive:debian/stable\"]\n"
	})
	return h
}

// wantLeftOut looks at the status of all suites.
func (h *host) wantLeftOut() {
	h.t.Helper()
	status := data[admin.Status](h, "status")
	for _, s := range status.Suites {
		if s.Error != "" || s.LeftOut == nil || s.LeftOut.Files != 6 || len(s.LeftOut.First) != 5 {
			h.t.Errorf("status: %+v of %s %s", s.LeftOut, s.Repository, s.Suite)
			continue
		}
		if f := s.LeftOut.First[0]; !strings.HasSuffix(f.Path, "pool/latest.deb") || f.Reason != "disputed" || f.Why == "" {
			h.t.Errorf("status: %+v", f)
		}
	}
	if out := h.must("status").stdout; strings.Count(out, "6 files that nobody can verify") != len(status.Suites) || !strings.Contains(out, "pool/latest.deb: named with different contents") {
		h.t.Errorf("status says\n%s", out)
	}
}

func TestAnArchiveWithFilesThatNobodyCanVerify(t *testing.T) {
	t.Parallel()
	a := sloppySample(t)
	h := sloppyHost(t, a)
	if r := h.must("sync"); !strings.Contains(r.stderr, "; without 6 files that nobody can verify") || !strings.Contains(r.stderr, "all 5 files are here") || !strings.Contains(r.stderr, "corp prod: built and published; 4 packages") {
		t.Errorf("sync said\n%s%s", r.stdout, r.stderr)
	}
	h.wantLeftOut()
	h.checkStore()
	whyLeftOut(t, h)

	h.must("snapshot", "create", "monday", "debian", "--complete")
	bundle := filepath.Join(h.dir, "monday.tar")
	h.must("export", "monday", bundle)
	in := h.inside(a)
	in.must("import", bundle)
	in.wantLeftOut()
	in.checkStore()

	h.serve()
	as := h.client("client")
	child := as.site(a)
	child.must("sync")
	child.wantLeftOut()
	child.checkStore()
	aptLeavesOut(t, as.apt)
}

func TestLiveApt3AndFilesThatNobodyCanVerify(t *testing.T) {
	t.Parallel()
	r := newRoot(t, "trixie")
	h := sloppyHost(t, sloppySample(t))
	g := &guest{h.client("client"), r}
	h.must("sync")
	h.serve()
	aptLeavesOut(t, g.apt)
}

func whyLeftOut(t *testing.T, h *host) {
	t.Helper()
	for repository, in := range map[string]string{"debian": "", "corp": "pool/debian/"} {
		for name, want := range map[string][]string{"weak": {"no-digest"}, "none": {"no-digest"}, "latest": {"disputed", "disputed"}, "old": {"no-digest"}} {
			got := data[admin.WhyResult](h, "why", repository, name).Suites[0]
			if len(got.Candidates) != len(want) {
				t.Errorf("why %s %s: %+v", repository, name, got)
				continue
			}
			for _, c := range got.Candidates {
				if c.Reason != "left-out" || c.Allowed || c.Served || !strings.HasPrefix(c.File, in+"pool/") || c.From != "archive:debian/stable" {
					t.Errorf("why %s %s: %+v", repository, name, c)
				}
			}
		}
	}
	if out := h.must("why", "corp", "latest").stdout; !strings.Contains(out, "latest 2") || !strings.Contains(out, "left out, since nobody can verify its file: in the archive's index it is named with different contents") {
		t.Errorf("why says\n%s", out)
	}
}

// aptLeavesOut looks what apt makes of the suite as its archive signed it, and of
// the built one.
func aptLeavesOut(t *testing.T, apt func(...string) (string, bool)) {
	t.Helper()
	for _, args := range [][]string{{"apt-get", "update", "--error-on=any"}, {"apt-get", "download", "hello"}} {
		if out, ok := apt(args...); !ok {
			t.Fatalf("%v failed:\n%s", args, out)
		}
	}
	for name, want := range map[string]string{"weak": "Insufficient information available", "none": "Insufficient information available", "latest": "404  nobody can verify this file"} {
		if out, ok := apt("apt-get", "download", name); ok || !strings.Contains(out, want) {
			t.Errorf("downloading %s: %v\n%s", name, ok, out)
		}
	}
	out, _ := apt("apt-cache", "madison", "weak", "none", "latest", "hello")
	offered := slices.DeleteFunc(strings.Split(out, "\n"), func(line string) bool { return !strings.Contains(line, "/corp ") })
	if slices.ContainsFunc(offered, func(line string) bool { return !strings.Contains(line, "hello") }) || len(offered) == 0 {
		t.Errorf("the site offers\n%s", out)
	}
}
