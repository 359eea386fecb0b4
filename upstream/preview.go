package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// Preview is what a refresh of a suite, and a download of what it then names,
// would bring.
type Preview struct {
	// New says that a refresh would make a generation.
	New     bool
	Date    time.Time // of upstream's Release
	Signers []catalog.Signer
	// Indexes and IndexBytes count the indexes that a refresh would fetch.
	Indexes    int
	IndexBytes int64
	// Missing are optional indexes that no mirror has.
	Missing []string
	// Packages is the number of files that the indexes name, Files what Download
	// would want and what of it is in the store; zero unless asked for.
	Packages int
	Files    Downloaded
}

// Preview does what Refresh does but leaves nothing behind, and with files looks
// for what Download would fetch. For that, indexes that are not in the store are
// read as they come from a mirror; otherwise Release is all that is fetched.
// Errors are those of Refresh.
func (u *Upstream) Preview(ctx context.Context, a *Archive, suite string, languages []string, files bool) (Preview, error) {
	seen, err := u.Catalog.Check(a.Name, suite)
	if err != nil {
		return Preview{}, fmt.Errorf("archive %s, suite %s: reading its state: %w", a.Name, suite, err)
	}
	r, latest, current, err := u.look(ctx, a, suite, seen)
	if err != nil {
		return Preview{}, err
	}
	in := &intake{u: u, archive: a, suite: suite, dir: catalog.SuiteDir(suite), release: r}
	p := Preview{New: !current, Date: r.Date, Signers: signersOf(r)}
	switch {
	case files:
		err = in.previewFiles(ctx, &p, latest, languages)
	case !current:
		err = in.previewIndexes(&p)
	}
	return p, err
}

// previewIndexes counts the indexes that are not in the store, without looking
// for them.
func (in *intake) previewIndexes(p *Preview) error {
	unknown, err := in.nameKnown()
	if err != nil {
		return err
	}
	for _, f := range unknown {
		p.Indexes++
		p.IndexBytes += f.Size
	}
	targets, err := in.targets()
	if err != nil && len(unknown) == 0 {
		return err
	}
	for _, t := range targets {
		_, err := in.u.Blobs.Stat(t.file.SHA256)
		switch {
		case errors.Is(err, blob.ErrNotFound) && t.file.Size > 0:
			p.Indexes++
			p.IndexBytes += t.file.Size
		case err != nil && !errors.Is(err, blob.ErrNotFound):
			return err
		}
	}
	return nil
}

// previewFiles looks for what the latest generation, or the one that would be
// made, names.
func (in *intake) previewFiles(ctx context.Context, p *Preview, latest catalog.Generation, languages []string) (err error) {
	var t *catalog.Table
	if p.New {
		t, err = in.preview(ctx, p)
		p.Packages = in.packages
		p.New = latest.Scope != in.archive.scope() || !in.release.sameAs(latest) || !slices.Equal(p.Missing, latest.Missing)
	} else {
		t, err = in.u.Catalog.Table(ctx, latest)
		p.Packages = latest.Packages
	}
	if err == nil {
		p.Files, _, err = in.u.lookFor(wantedAhead(t, languages), latest)
	}
	return err
}

// preview makes the table of a generation that will not be.
func (in *intake) preview(ctx context.Context, p *Preview) (*catalog.Table, error) {
	unknown, err := in.nameKnown()
	if err != nil {
		return nil, err
	}
	if needed := in.neededIndexes(); slices.ContainsFunc(unknown, func(f *debian.IndexFile) bool { return needed[baseOf(f)] }) {
		return nil, errUnforeseeable
	}
	targets, err := in.targets()
	if err != nil {
		return nil, err
	}
	var m catalog.Manifest
	for _, t := range targets {
		if err := in.previewAnyForm(ctx, &m, t, p); err != nil {
			return nil, err
		}
	}
	if err := in.nameForPreview(&m); err != nil {
		return nil, err
	}
	in.addRelease(&m)
	in.addIndexes(&m)
	raw, err := in.encode(&m)
	if err != nil {
		return nil, err
	}
	return catalog.OpenTable(raw)
}

// previewAnyForm lists what an index names in the first form that can be had.
func (in *intake) previewAnyForm(ctx context.Context, m *catalog.Manifest, t target, p *Preview) (err error) {
	first := t.file
	for _, f := range append([]debian.IndexFile{first}, t.others...) {
		t.file = f
		if err = in.previewForm(ctx, m, t, p); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case err == nil || !t.optional || ctx.Err() != nil:
		return err
	case t.content.extra() && !errors.Is(err, fs.ErrNotExist):
		return nil
	}
	p.Missing = append(p.Missing, in.dir+first.Path)
	return nil
}

func (in *intake) previewForm(ctx context.Context, m *catalog.Manifest, t target, p *Preview) error {
	err := in.addStored(ctx, m, t)
	if !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	if t.file.Size == 0 {
		return nil
	}
	index, err := in.arriving(ctx, t.file)
	if err != nil {
		return err
	}
	defer index.Close()
	p.Indexes++
	p.IndexBytes += t.file.Size
	return in.addNamed(ctx, m, t, index)
}

// arriving is an index that is read as it comes, and not stored. Its end cannot
// be read unless its digest is right.
type arriving struct {
	*io.PipeReader
	stop context.CancelFunc
	done chan struct{} // closed when nothing is asked of upstream any more
}

func (in *intake) arriving(ctx context.Context, f debian.IndexFile) (*arriving, error) {
	ctx, stop := context.WithCancel(ctx)
	passing, err := in.u.Pass(ctx, in.fileOf(f))
	if err != nil {
		stop()
		return nil, err
	}
	reader, writer := io.Pipe()
	a := &arriving{reader, stop, make(chan struct{})}
	go func() {
		defer close(a.done)
		defer passing.Close()
		_, err := passing.WriteRange(writer, 0, f.Size)
		writer.CloseWithError(err)
	}()
	return a, nil
}

func (a *arriving) Close() error {
	a.stop()
	err := a.PipeReader.Close()
	<-a.done
	return err
}

var errUnforeseeable = errors.New("it signs indexes by SHA-512 alone, and what they name is known only once they have been taken in")

// nameKnown does what nameIndexes does as far as nothing has to be read; of the
// other indexes it gives the form that would be read first.
func (in *intake) nameKnown() (unknown []*debian.IndexFile, err error) {
	for _, all := range in.unnamedIndexes() {
		found, err := in.nameKnownForms(all)
		if err != nil {
			return nil, err
		}
		if !found {
			unknown = append(unknown, all[0])
		}
	}
	in.named = true
	return unknown, nil
}

// nameForPreview lists files that indexes name by SHA-512 alone. Those that were
// never read are not in the store under any name.
func (in *intake) nameForPreview(m *catalog.Manifest) error {
	for _, n := range in.unnamedPackages() {
		d, err := in.known(n)
		if errors.Is(err, catalog.ErrNotFound) {
			d, err = n.standIn(), nil
		}
		if err != nil {
			return err
		}
		addPackage(m, n.path, n.size, d)
	}
	return nil
}
