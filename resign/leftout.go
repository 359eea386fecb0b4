package resign

import (
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/deb822"
	"aptmirror/upstream/debian"
)

// LeftOut is a package of an archive's index of which a file is no part of the
// mirrored generation, because nobody could verify it. A site's index would name
// in vain what cannot be served: no rule is asked about it.
type LeftOut struct {
	Name, Version, Architecture string
	SourceName                  string
	Kind                        policy.Kind
	Input                       *policy.Input
	File                        string // the path in the archive of the file that is left out
	Why                         string
}

// nobodyHas is for files of which the SHA-256 is not signed, and was never found out.
const nobodyHas = "named by its SHA-512 alone, and no mirror has it"

// leftOut says which file of a package the input's generation leaves out, if any.
func (in *input) leftOut(s *deb822.Stanza, p *policy.Package) (file, why string, err error) {
	mirrored := in.Generation != nil && in.origin() != ""
	if !mirrored || p.Digest != (blob.Digest{}) && len(in.Generation.LeftOut) == 0 {
		return "", "", nil
	}
	files, err := filesOf(s, p.Kind)
	if err != nil {
		return "", "", err
	}
	for _, f := range files {
		if why := in.flawOf(f); why != "" {
			return f.Path, why, nil
		}
	}
	return "", "", nil
}

// flawOf is "" for a file that can be served.
func (in *input) flawOf(f debian.SourceFile) string {
	if !f.HasSHA256 && f.SHA512 == nil {
		return catalog.NoDigest.String()
	}
	if flaw, ok := in.Generation.LeftOutAs(f.Path); ok && flaw != catalog.NoDigest {
		return flaw.String()
	}
	if _, ok := in.table.Find(f.Path); !ok && !f.HasSHA256 {
		return nobodyHas
	}
	return ""
}

// filesOf gives the files that a stanza names.
func filesOf(s *deb822.Stanza, kind policy.Kind) ([]debian.SourceFile, error) {
	if kind == policy.Source {
		var src debian.Source
		err := debian.ParseSource(s, &src)
		return src.Files, err
	}
	var p debian.Package
	err := debian.ParsePackage(s, &p)
	return []debian.SourceFile{{Path: p.Filename, Size: p.Size, SHA256: p.SHA256, HasSHA256: p.HasSHA256, SHA512: p.SHA512}}, err
}

// leaveOut copies what is told: the text of the index is used again.
func (r *reader) leaveOut(p *policy.Package, o uint32, file, why string) {
	r.LeftOut = append(r.LeftOut, LeftOut{
		Name: strings.Clone(p.Name), Version: strings.Clone(p.Version), Architecture: strings.Clone(p.Architecture),
		SourceName: strings.Clone(p.SourceName), Kind: p.Kind,
		Input: r.origins[o].facts, File: file, Why: why,
	})
}
