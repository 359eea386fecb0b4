package upstream

import (
	"io"
	"path"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// patchTargets picks the Index of the patches (pdiffs) of every index in scope.
// Release lists it, but not the patches.
func (in *intake) patchTargets() (found []target) {
	scope := in.scope()
	for _, f := range in.release.Files {
		if strings.HasSuffix(f.Path, ".diff/Index") && f.HasSHA256 && scope.has(f.Path) {
			found = append(found, target{file: f, plain: f, content: patches, optional: true})
		}
	}
	return found
}

// addPatches lists the patches that an Index names. A client that cannot have
// one fetches the whole index instead, so that those without a usable digest
// are left out.
func (in *intake) addPatches(m *catalog.Manifest, t target, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, debian.MaxDiffIndexBytes+1))
	if err != nil {
		return err
	}
	files, err := debian.ParseDiffIndex(text)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := path.Join(path.Dir(t.file.Path), f.Path)
		if _, listed := in.release.File(name); listed || !f.HasSHA256 {
			continue
		}
		p := in.dir + name
		m.Add(catalog.Entry{Path: p, Plain: p, Kind: catalog.KindPatch, Size: f.Size, Digest: f.SHA256})
	}
	return nil
}
