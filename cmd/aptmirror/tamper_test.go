package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"aptmirror/upstream/upstreamtest"
)

// debsigned adds the signature of who made a package, as debsigs does.
func debsigned(t *testing.T, deb []byte, key *upstreamtest.Key) []byte {
	t.Helper()
	const header = 60 // bytes before each member of an archive; names are the first 16 of them
	var signed []byte
	for rest := deb[len("!<arch>\n"):]; len(rest) > 0; {
		var size int
		if _, err := fmt.Sscan(string(rest[48:58]), &size); err != nil {
			t.Fatal(err)
		}
		signed = append(signed, rest[header:header+size]...)
		rest = rest[header+size+size%2:]
	}
	signature := upstreamtest.DetachSign(t, signed, time.Now().Add(-time.Minute), key)
	if len(signature)%2 == 1 {
		signature = append(signature, '\n')
	}
	return append(fmt.Appendf(bytes.Clone(deb), "%-16s%-12d%-6d%-6d%-8s%-10d`\n", "_gpgorigin", 0, 0, 0, "100644", len(signature)), signature...)
}

// A package that was changed after it was made comes in by none of the ways.
func TestTamperedPackagesAreRefused(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "libx"})
	key := upstreamtest.NewKey(t)
	a.SignWith(key)
	a.Trust(key)
	a.Publish()
	h, _ := newPoolHost(t, a)
	h.moveClock(0)
	signedFolder := filepath.Join(h.dir, "signed")
	if err := h.mkdir(signedFolder); err != nil {
		t.Fatal(err)
	}
	h.edit(func(text string) string {
		text = replaceOnce(t, text, "name = \"strict\"\n", fmt.Sprintf("name = \"strict\"\nincoming = %q\n", signedFolder))
		return strings.ReplaceAll(text, `"pool:internal"]`, `"pool:internal", "pool:strict"]`)
	})
	h.must("sync")
	maker, machine := h.client("maker"), h.client("machine")
	h.serve()

	good := makeDeb(t, "corp-tool", "1.0", "libx")
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6] ^= 1
	// The parts of one package with the signature of another: each is whole.
	signed := debsigned(t, good, key)
	swapped := append(makeDeb(t, "corp-tool", "1.0", "bash"), signed[len(good):]...)
	for _, c := range []struct {
		name, pool, want string
		data             []byte
	}{
		{"damaged", "internal", "data.tar.gz", damaged},
		{"swapped", "strict", "does not match", swapped},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := c.name + ".deb"
			if err := os.WriteFile(filepath.Join(h.dir, file), c.data, 0o644); err != nil {
				t.Fatal(err)
			}
			if r := h.run("package", "add", c.pool, file); r.code != 4 || !strings.Contains(r.stderr, c.want) {
				t.Errorf("package add: exit code %d, want 4 and %q\n%s", r.code, c.want, r.stderr)
			}
			if out, ok := maker.curl(file, c.data, c.pool+"/corp-tool.deb"); ok || !strings.Contains(out, c.want) {
				t.Errorf("an upload: %q, want %q", out, c.want)
			}
		})
	}
	if list := h.must("package", "list").stdout; list != "" {
		t.Errorf("the pools have\n%s", list)
	}
	machine.sees("corp-tool", "")
	// What they were made of is taken.
	if out, ok := maker.curl("corp-tool.deb", signed, "strict/"); !ok || out != "kept\n" {
		t.Fatalf("curl said %q", out)
	}
	machine.sees("corp-tool", "1.0")
	machine.mustApt("apt-get", "download", "corp-tool")
	machine.wantFile("corp-tool_1.0_all.deb", signed)
	list := h.must("package", "list").stdout

	// The folders wait a minute for who still writes. Nothing is published after
	// that, which apt would take for dated in the future.
	reasons := map[string]string{filepath.Join(h.dir, "incoming", "damaged.deb"): "data.tar.gz", filepath.Join(signedFolder, "swapped.deb"): "does not match"}
	for file := range reasons {
		if err := os.Rename(filepath.Join(h.dir, filepath.Base(file)), file); err != nil {
			t.Fatal(err)
		}
	}
	ahead := time.Duration(0)
	for file, want := range reasons {
		var reason []byte
		eventually(t, file+" is rejected", func() (rejected bool) {
			ahead += time.Second
			h.moveClock(ahead)
			reason, _ = os.ReadFile(filepath.Join(filepath.Dir(file), "rejected", filepath.Base(file)+".reason"))
			return len(reason) > 0
		})
		if !strings.Contains(string(reason), want) {
			t.Errorf("the folder's reason is %q, want %q", reason, want)
		}
	}
	if now := h.must("package", "list").stdout; now != list {
		t.Errorf("the pools had\n%sand now\n%s", list, now)
	}
	h.checkStore()
}
