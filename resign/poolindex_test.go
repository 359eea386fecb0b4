package resign

import (
	"bytes"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/resign/deb"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// Whatever is taken as a package can stand in an index: one that cannot would
// keep every suite with its pool from being built.
func FuzzPackagesThatAreTakenCanBeListed(f *testing.F) {
	f.Add([]byte("Package: hello\nVersion: 1.0-1\nArchitecture: all\nDepends: a | b (>= 1)\nDescription: for tests\n More.\n"))
	f.Add([]byte("package: a0\nVERSION: 1:2~3\narchitecture: amd64\nSource: b0 (1.2)\nX-More:\n a\n .\n"))
	f.Fuzz(func(t *testing.T, control []byte) {
		p := deb.Package{Control: control, Time: time.Unix(1_700_000_000, 0)}
		var out bytes.Buffer
		if err := p.Write(&out); err != nil {
			return
		}
		d, err := deb.Read(t.Context(), bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			return
		}
		file := catalog.PoolFile{Kind: catalog.PoolDeb, Path: "main/x/x/x.deb", Size: 1, Digest: blob.Sum(control)}
		stanza, err := deb822.ParseOne(indexStanza(d.Control, file), deb822.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var listed debian.Package
		if err := debian.ParsePackage(stanza, &listed); err != nil {
			t.Fatal(err)
		}
		var seen policy.Package
		if err := seen.Read(stanza, policy.Deb); err != nil {
			t.Fatal(err)
		}
		if listed.Filename != file.Path || listed.Name != d.Name || seen.Version != d.Version || seen.Architecture != d.Arch {
			t.Errorf("%q is listed as %+v", d.Control, listed)
		}
	})
}
