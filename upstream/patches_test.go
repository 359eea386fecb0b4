package upstream

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// patchName is how Debian's archive software names a patch from one state to another.
const patchName = "T-2026-10-22-2004.53-F-2025-08-09-2057.10"

// addPatch makes an archive that has published an index twice list and serve a
// patch from one text to the other. It skips the test without diff(1).
func addPatch(t *testing.T, a *upstreamtest.Archive, index string, old, now []byte) (patch string) {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"old": old, "new": now} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := exec.LookPath("diff"); err != nil {
		t.Skip("diff is not installed")
	}
	cmd := exec.CommandContext(t.Context(), "diff", "--ed", "old", "new")
	cmd.Dir = dir
	plain, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatal(err)
	}
	packed := gzipped(t, plain)
	if a.Suite.Files == nil {
		a.Suite.Files = map[string][]byte{}
	}
	a.Suite.Files[index+".diff/Index"] = fmt.Appendf(nil, `SHA256-Current: %s %d
SHA256-History:
 %s %d %[5]s
SHA256-Patches:
 %[6]s %[7]d %[5]s
SHA256-Download:
 %[8]s %[9]d %[5]s.gz
X-Patch-Precedence: merged
`, blob.Sum(now), len(now), blob.Sum(old), len(old), patchName, blob.Sum(plain), len(plain), blob.Sum(packed), len(packed))
	patch = "dists/stable/" + index + ".diff/" + patchName + ".gz"
	a.Set(patch, packed)
	return patch
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(data) // a bytes.Buffer takes everything
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// patched is an archive that was published in two states, with a patch between
// their Packages. The index is long enough for apt to prefer the patch.
func patched(t *testing.T) (a *upstreamtest.Archive, patch string) {
	t.Helper()
	a = upstreamtest.New(t)
	a.Suite.Compressions = []string{"", "xz"}
	for i := range 60 {
		a.AddPackage(upstreamtest.Package{Name: fmt.Sprintf("filler%d", i)})
	}
	a.Publish()
	index := "main/binary-" + a.Arch + "/Packages"
	old := a.Get("dists/stable/" + index)
	a.AddPackage(upstreamtest.Package{Name: "news"})
	a.Publish()
	patch = addPatch(t, a, index, old, a.Get("dists/stable/"+index))
	a.Replay(1)
	return a, patch
}

func TestPatchesAreServedAsLongAsAnIndexOfThemIs(t *testing.T) {
	a, patch := patched(t)
	m := newMirror(t, a)
	if _, ok := m.table(m.refresh().Generation).Find(patch); ok {
		t.Fatal("there before Release listed it")
	}
	a.Publish()
	with := m.refresh().Generation
	if n := a.Count(patch); n != 0 {
		t.Errorf("fetched %d times before anybody asked for it", n)
	}
	f := m.file(with, patch)
	if data, err := m.read(f); err != nil || !bytes.Equal(data, a.Get(patch)) || f.Kind != catalog.KindPatch {
		t.Errorf("kind %d, read %d bytes, %v", f.Kind, len(data), err)
	}
	if with.Packages != 61 {
		t.Errorf("%d packages, want 61: patches are none", with.Packages)
	}
	m.verify()
	m.publish(with)
	delete(a.Suite.Files, path.Dir(patch)[len("dists/stable/"):]+"/Index")
	a.Publish()
	m.publish(m.refresh().Generation)
	if _, err := m.Catalog.Resolve("test", patch, func(string) bool { return true }); err != nil {
		t.Errorf("gone with the generation that lists it still retained: %v", err)
	}
}

// Clients that cannot have a patch fetch the whole index: nothing that is wrong
// with patches keeps a suite away.
func TestPatchesThatCannotBeHad(t *testing.T) {
	index := func(a *upstreamtest.Archive) string { return "main/binary-" + a.Arch + "/Packages.diff/Index" }
	for name, spoil := range map[string]func(a *upstreamtest.Archive){
		"missing":  func(a *upstreamtest.Archive) { a.Fault("dists/stable/"+index(a), upstreamtest.NotFound) },
		"wrong":    func(a *upstreamtest.Archive) { a.Fault("dists/stable/"+index(a), upstreamtest.WrongBytes) },
		"no field": func(a *upstreamtest.Archive) { a.Suite.Files[index(a)] = []byte("SHA256-Current: what\n") },
		"garbage":  func(a *upstreamtest.Archive) { a.Suite.Files[index(a)] = []byte("\x00") },
		"absolute": func(a *upstreamtest.Archive) {
			a.Suite.Files[index(a)] = []byte("SHA256-Download:\n " + strings.Repeat("0", 64) + " 1 /etc/passwd\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, patch := patched(t)
			a.Suite.AcquireByHash = false
			spoil(a)
			a.Publish()
			m := newMirror(t, a)
			g := m.refresh().Generation
			if _, ok := m.table(g).Find(patch); ok || g.Packages != 61 {
				t.Errorf("patch there: %v, %d packages", ok, g.Packages)
			}
			if unread := name == "missing" || name == "wrong"; unread != (len(g.Missing) == 1) {
				t.Errorf("missing %q", g.Missing)
			}
			if again := m.refresh(); again.New {
				t.Error("the same state made another generation")
			}
		})
	}
}

func TestAptUpdatesWithPatches(t *testing.T) {
	apt := upstreamtest.NewAPT(t)
	a, patch := patched(t)
	m := newMirror(t, a)
	m.publish(m.refresh().Generation)
	server := m.serve()
	apt.Sources(fmt.Sprintf("deb [signed-by=%s] %s stable main", a.KeyringFile(), server.URL))
	update := func() string {
		t.Helper()
		if out, err := apt.Get("update", "--error-on=any", "-o", "Acquire::PDiffs=true"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return server.asked()
	}
	update()
	a.Publish()
	m.publish(m.refresh().Generation)
	if asked := update(); !strings.Contains(asked, patch) || strings.Contains(asked, "Packages.xz") || strings.Contains(asked, "binary-"+a.Arch+"/by-hash") {
		t.Errorf("apt did not make do with the patch, it asked for\n%s", asked)
	}
	if out, _ := apt.Run("apt-cache", "policy", "news"); !strings.Contains(out, "Candidate: 1.0") {
		t.Errorf("the patched index has no news:\n%s", out)
	}
}
