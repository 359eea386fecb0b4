package upstream

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/compress"
	"aptmirror/upstream/debian"
)

// Some archives sign files by SHA-512 alone, but the store knows files by their
// SHA-256. Such a file is read once, when it is first seen, before a generation
// names it; it is judged by its SHA-512, and what its SHA-256 is stays noted in
// the catalog. From then on it is a file like any other.

// unnamed is a file of which no SHA-256 is signed.
type unnamed struct {
	path   string // in the repository
	size   int64
	sha512 []byte
}

// standIn is a key for a file of which the SHA-256 is not known: the first half
// of its SHA-512, which nobody can make two files for either.
func (n unnamed) standIn() blob.Digest { return blob.Digest(n.sha512[:len(blob.Digest{})]) }

// noteOf names what the catalog has noted of a SHA-512.
func noteOf(sha512 []byte) string { return fmt.Sprintf("sha512 %x", sha512) }

// known gives the SHA-256 of a file that was read before; the error is
// catalog.ErrNotFound for others.
func (in *intake) known(n unnamed) (blob.Digest, error) {
	if n.size == 0 && bytes.Equal(n.sha512, emptySHA512[:]) {
		return blob.Sum(nil), nil
	}
	var text string
	if err := in.u.Catalog.Note(noteOf(n.sha512), &text); err != nil {
		return blob.Digest{}, err
	}
	return blob.ParseDigest(text)
}

var emptySHA512 = sha512.Sum512(nil)

// name gives the SHA-256 of a file, reading it into the store if need be.
func (in *intake) name(ctx context.Context, n unnamed, kind catalog.Kind) (blob.Digest, error) {
	d, err := in.known(n)
	if !errors.Is(err, catalog.ErrNotFound) {
		return d, err
	}
	if in.brought != nil {
		return in.nameBrought(n)
	}
	file := catalog.File{
		Entry:   catalog.Entry{Path: n.path, Plain: n.path, Kind: kind, Size: n.size, Digest: n.standIn()},
		Archive: in.archive.Name, Suite: in.suite, ByHash: in.release.AcquireByHash,
	}
	f, _, err := in.u.start(ctx, file, demand{first: in.release.uri, evict: true, ahead: true, sha512: n.sha512})
	if err == nil {
		err = f.wait(ctx)
	}
	if err != nil {
		return blob.Digest{}, err
	}
	in.fetched.Add(n.size)
	return f.stored, nil
}

// nameIndexes learns the SHA-256 of the indexes in scope that lack one, of each
// in the first form that some mirror has. Those that no mirror has in any form
// are left out, unless clients cannot do without.
func (in *intake) nameIndexes(ctx context.Context) error {
	groups := in.unnamedIndexes()
	needed := in.neededIndexes()
	in.named = true
	failed := make([]error, len(groups))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelIndexes)
	for i, forms := range groups {
		group.Go(func() error {
			failed[i] = in.nameAnyForm(groupCtx, forms)
			if errors.Is(failed[i], fs.ErrNotExist) && !needed[baseOf(forms[0])] {
				return nil
			}
			return failed[i]
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, err := range failed {
		if err != nil {
			in.missing = append(in.missing, in.dir+groups[i][0].Path)
			in.u.Log.Warn("an index of which only the SHA-512 is signed cannot be had, the suite is taken in without it", "archive", in.archive.Name, "suite", in.suite, "error", err)
		}
	}
	return nil
}

func baseOf(f *debian.IndexFile) string {
	base, _ := compress.FormatOf(f.Path)
	return base
}

// unnamedIndexes gives the indexes in scope that have no SHA-256, the forms of
// each together in the order in which apt tries them.
func (in *intake) unnamedIndexes() (groups [][]*debian.IndexFile) {
	scope := in.scope()
	at := map[string]int{}
	for i := range in.release.Files {
		f := &in.release.Files[i]
		if f.HasSHA256 || !scope.has(f.Path) {
			continue
		}
		base := baseOf(f)
		if _, ok := at[base]; !ok {
			at[base] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[base]] = append(groups[at[base]], f)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b *debian.IndexFile) int { return cmp.Compare(rank(a), rank(b)) })
	}
	return groups
}

func rank(f *debian.IndexFile) int {
	return slices.Index(forms, strings.TrimPrefix(f.Path, baseOf(f)))
}

// neededIndexes are those of packages that apt asks for.
func (in *intake) neededIndexes() map[string]bool {
	needed := map[string]bool{}
	for _, name := range in.indexNames() {
		needed[name] = !strings.Contains(name, installerDir)
	}
	return needed
}

// nameAnyForm learns all forms that are known, or reads the first that can be had.
func (in *intake) nameAnyForm(ctx context.Context, all []*debian.IndexFile) error {
	if found, err := in.nameKnownForms(all); found || err != nil {
		return err
	}
	var first error
	for _, f := range all {
		d, err := in.name(ctx, in.unnamedIndex(f), catalog.KindIndex)
		if err == nil {
			f.SHA256, f.HasSHA256 = d, true
			return nil
		}
		first = cmp.Or(first, err)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return first
}

func (in *intake) nameKnownForms(all []*debian.IndexFile) (found bool, err error) {
	for _, f := range all {
		d, err := in.known(in.unnamedIndex(f))
		switch {
		case err == nil:
			f.SHA256, f.HasSHA256, found = d, true, true
		case !errors.Is(err, catalog.ErrNotFound):
			return false, err
		}
	}
	return found, nil
}

func (in *intake) unnamedIndex(f *debian.IndexFile) unnamed {
	return unnamed{in.dir + f.Path, f.Size, f.SHA512}
}

// namePackages lists the files that indexes name by SHA-512 alone. Those that
// no mirror has are left out.
func (in *intake) namePackages(ctx context.Context, m *catalog.Manifest) error {
	files := in.unnamedPackages()
	digests, failed := make([]blob.Digest, len(files)), make([]error, len(files))
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(parallelDownloads)
	for i, n := range files {
		group.Go(func() error {
			digests[i], failed[i] = in.name(groupCtx, n, catalog.KindPackage)
			if errors.Is(failed[i], fs.ErrNotExist) {
				return nil
			}
			return failed[i]
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, n := range files {
		if failed[i] != nil {
			in.missing = append(in.missing, n.path)
			continue
		}
		addPackage(m, n.path, n.size, digests[i])
	}
	return nil
}

// unnamedPackages orders what was met in the indexes, each path once, and leaves
// out those with different contents.
func (in *intake) unnamedPackages() (files []unnamed) {
	slices.SortStableFunc(in.unnamed, func(a, b unnamed) int { return strings.Compare(a.path, b.path) })
	for rest := in.unnamed; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].path == rest[0].path {
			n++
		}
		same := rest[:n]
		rest = rest[n:]
		if slices.ContainsFunc(same, same[0].differs) {
			in.leftOut.add(same[0].path, catalog.Disputed, n)
		} else {
			files = append(files, same[0])
		}
	}
	return files
}

func (n unnamed) differs(o unnamed) bool { return n.size != o.size || !bytes.Equal(n.sha512, o.sha512) }

// create begins to store what comes of a file.
func (f *fill) create(ctx context.Context, b *body) (*blob.Writer, error) {
	if f.sha512 != nil {
		return f.u.Blobs.CreateUnnamed(ctx, f.size, b.modified)
	}
	return f.u.Blobs.Create(ctx, f.file.Digest, f.size, b.modified)
}

// learn notes the SHA-256 of what came, for this fill's caller and for all time.
func (f *fill) learn(d blob.Digest) error {
	f.stored = d
	if f.sha512 == nil {
		return nil
	}
	return f.u.Catalog.SaveNote(noteOf(f.sha512), d.String())
}

// check compares the SHA-512 where that is what is signed; the SHA-256 and the
// size are the writer's business.
func (o *offering) check() error {
	if o.sum == nil {
		return nil
	}
	if got := o.sum.Sum(nil); !bytes.Equal(got, o.fill.sha512) {
		return &sha512Error{want: o.fill.sha512, got: got}
	}
	return nil
}

// sha512Error is blob.MismatchError for a file of which only this is signed.
type sha512Error struct{ want, got []byte }

func (e *sha512Error) Error() string {
	return fmt.Sprintf("wrong SHA-512: want %x, got %x", e.want, e.got)
}

// byHashPath names the file, an index, by its signed digest.
func (f *fill) byHashPath() string {
	if f.sha512 != nil {
		return path.Join(path.Dir(f.file.Plain), fmt.Sprintf("by-hash/SHA512/%x", f.sha512))
	}
	return byHashPath(f.file.Plain, f.file.Digest)
}
