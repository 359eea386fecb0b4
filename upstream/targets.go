package upstream

import (
	"crypto/sha256"
	"path"
	"slices"
	"strings"

	"aptmirror/upstream/compress"
	"aptmirror/upstream/debian"
)

// content is what kind of files an index names.
type content uint8

const (
	packages content = iota // Packages
	sources                 // Sources
	patches                 // the Index of an index's patches
	images                  // the SHA256SUMS of an installer
)

// extra is content that apt can do without: nothing about it keeps a suite away.
func (c content) extra() bool { return c == patches || c == images }

// target is an index whose text tells which further files there are.
type target struct {
	// file is the form that is in the store, or the first one to ask for.
	file    debian.IndexFile
	others  []debian.IndexFile // the other forms, to be asked for where no mirror has that one
	plain   debian.IndexFile   // the uncompressed form, where Release lists it
	content content
	// optional targets are ones that apt itself never asks for, or does
	// without: the suite works without them.
	optional bool
}

func (t target) format() compress.Format {
	_, format := compress.FormatOf(t.file.Path)
	return format
}

// forms are tried in the order in which apt does, so that what is fetched here
// is what clients ask for first.
var forms = []string{".xz", ".bz2", ".gz", ".lz4", ".zst", ""}

// targets picks all indexes that name files; without a single one of packages
// the archive is not what the configuration says.
func (in *intake) targets() ([]target, error) {
	found := in.packageTargets()
	if len(found) == 0 {
		return nil, in.refuseEmpty()
	}
	return slices.Concat(found, in.patchTargets(), in.imageTargets()), nil
}

// packageTargets picks the indexes of the configured components and
// architectures.
func (in *intake) packageTargets() []target {
	var found []target
	for _, name := range in.indexNames() {
		t := target{optional: strings.Contains(name, installerDir)}
		if path.Base(name) == "Sources" {
			t.content = sources
		}
		if in.findForms(name, &t) {
			found = append(found, t)
		}
	}
	return found
}

// findForms looks up in which forms Release has an index. An empty one is
// taken as it is: apt never asks for any form of it, so that archives need not
// have them.
func (in *intake) findForms(name string, t *target) bool {
	t.plain, _ = in.release.File(name)
	if t.plain.HasSHA256 && t.plain.SHA256 == sha256.Sum256(nil) {
		t.file = t.plain
		return true
	}
	for _, ending := range forms {
		f, ok := in.release.File(name + ending)
		switch {
		case !ok || !f.HasSHA256 && in.named:
		case t.file.Path == "":
			t.file = f
		default:
			t.others = append(t.others, f)
		}
	}
	return t.file.Path != ""
}

// installerDir is where a component keeps the udebs of debian-installer.
const installerDir = "/debian-installer/"

func (in *intake) indexNames() []string {
	if in.flat() {
		return []string{"Packages", "Sources"}
	}
	var names []string
	for _, c := range in.archive.Components {
		c = in.folderOf(c)
		if in.hasSeparateAll() {
			names = append(names, c+"/binary-all/Packages")
		}
		for _, arch := range in.archive.Architectures {
			if arch == "source" {
				names = append(names, c+"/source/Sources")
			} else {
				names = append(names, c+"/binary-"+arch+"/Packages", c+installerDir+"binary-"+arch+"/Packages")
			}
		}
	}
	return names
}

func (in *intake) scope() scope { return scope{in.archive, in.release.Release, in.flat()} }

func (in *intake) flat() bool { return strings.HasSuffix(in.suite, "/") }

// folderOf gives the folder of a component: a security archive may have the
// files of "updates/main" under "main".
func (in *intake) folderOf(component string) string {
	inFolder := func(f debian.IndexFile) bool { return strings.HasPrefix(f.Path, component+"/") }
	if slices.ContainsFunc(in.release.Files, inFolder) {
		return component
	}
	return path.Base(component)
}

// hasSeparateAll says whether clients read binary-all/Packages. Archives whose
// other indexes have the packages of architecture all as well often list one
// that no client ever asks for.
func (in *intake) hasSeparateAll() bool {
	listed := in.release.Architectures
	return !in.release.NoSupportForArchitectureAll && (len(listed) == 0 || slices.Contains(listed, "all"))
}
