package upstream

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

const (
	// parallelDownloads is how many files of one suite are fetched at a time.
	parallelDownloads = 8
	// toldFailures is how many failed files an error names.
	toldFailures = 3
	// patience is after how many failures in a row the files that are left are
	// not asked for: nothing comes from an archive that is down.
	patience = 50
	// progressInterval is how often Download tells how far it is.
	progressInterval = 500 * time.Millisecond
)

// Downloaded counts files, each content once, and their bytes. A file of which
// nothing signed tells the size counts no bytes until it is there.
type Downloaded struct {
	Wanted, Present           int // files of the generation; those in the store
	WantedBytes, PresentBytes int64
}

func (d *Downloaded) add(f catalog.File, stored int64) {
	d.Present++
	d.PresentBytes += stored
	if f.Size == catalog.UnknownSize {
		d.WantedBytes += stored
	}
}

// Download brings all packages of a generation, its installer images and its
// translations into languages into the store; those that are there it leaves
// alone, so that it goes on where an earlier one was interrupted. It tells now
// and then how far it is, one call at a time, files that are half here counted
// by their bytes. Files that could not be had do not stop the others; the error
// counts them. Files for which there is no room are such: what may be wanted some
// day takes nothing from what was.
func (u *Upstream) Download(ctx context.Context, g catalog.Generation, languages []string, progress func(Downloaded)) (Downloaded, error) {
	t, err := u.Catalog.Table(ctx, g)
	if err != nil {
		return Downloaded{}, err
	}
	count, missing, err := u.lookFor(wantedAhead(t, languages), g)
	if err != nil || len(missing) == 0 {
		return count, err
	}
	d := &download{u: u, count: count, fills: map[*fill]bool{}, progress: progress}
	return d.all(ctx, missing)
}

// lookFor tells what of these files is in the store, and what is not.
func (u *Upstream) lookFor(wanted func(func(catalog.Entry) bool), g catalog.Generation) (count Downloaded, missing []catalog.File, err error) {
	seen := map[blob.Digest]bool{}
	for e := range wanted {
		if seen[e.Digest] {
			continue
		}
		seen[e.Digest] = true
		f := g.File(e)
		count.Wanted++
		count.WantedBytes += max(e.Size, 0)
		info, err := u.Blobs.Stat(e.Digest)
		switch {
		case err == nil:
			count.add(f, info.Size)
		case errors.Is(err, blob.ErrNotFound):
			missing = append(missing, f)
		default:
			return count, nil, err
		}
	}
	return count, missing, nil
}

// download is one call of Download.
type download struct {
	u        *Upstream
	mu       sync.Mutex // guards the fields below, and orders progress
	count    Downloaded
	failures []error
	inARow   int            // failures since the last file that came
	fills    map[*fill]bool // under way
	progress func(Downloaded)
}

func (d *download) all(ctx context.Context, files []catalog.File) (Downloaded, error) {
	stop := d.tellNowAndThen()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelDownloads)
	for _, f := range files {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return d.note(ctx, f, d.one(ctx, f))
		})
	}
	err := group.Wait()
	stop()
	d.tell()
	return d.count, d.outcome(err)
}

// outcome says what is missing; stopped is why the rest was not asked for.
func (d *download) outcome(stopped error) error {
	if stopped != nil && !errors.Is(stopped, errGaveUp) {
		return stopped
	}
	missing := d.count.Wanted - d.count.Present
	if missing == 0 {
		return nil
	}
	told := errors.Join(d.failures[:min(len(d.failures), toldFailures)]...)
	if stopped != nil {
		return fmt.Errorf("%d of %d files are missing: %w: %w", missing, d.count.Wanted, stopped, told)
	}
	return fmt.Errorf("%d of %d files could not be fetched, among them: %w", missing, d.count.Wanted, told)
}

// one brings one file into the store, unless another suite has brought it.
func (d *download) one(ctx context.Context, f catalog.File) error {
	if _, err := d.u.Blobs.Stat(f.Digest); !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	running, _, err := d.u.start(ctx, f, demand{ahead: true})
	if errors.Is(err, errStored) {
		return nil
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.fills[running] = true
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		delete(d.fills, running)
		d.mu.Unlock()
	}()
	return running.wait(ctx)
}

var errGaveUp = errors.New("gave up")

// note counts a file that came or did not. Its error ends the download: ctx has
// ended, or nothing comes any more.
func (d *download) note(ctx context.Context, f catalog.File, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var info blob.Info
	if err == nil {
		info, err = d.u.Blobs.Stat(f.Digest)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.inARow = 0
		d.count.add(f, info.Size)
		return nil
	}
	d.failures = append(d.failures, err)
	if errors.Is(err, blob.ErrNoSpace) { // a smaller file may find room, and asking costs nothing
		return nil
	}
	if d.inARow++; d.inARow == patience {
		return fmt.Errorf("%w after %d failures in a row", errGaveUp, patience)
	}
	return nil
}

// tell says how far it is, with what has come of files that are under way.
func (d *download) tell() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.count
	for f := range d.fills {
		now.PresentBytes += f.received.Load()
	}
	d.progress(now)
}

// tellNowAndThen tells until stop is called; nothing is told after that.
func (d *download) tellNowAndThen() (stop func()) {
	ticker := time.NewTicker(progressInterval)
	end := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		for {
			select {
			case <-ticker.C:
				d.tell()
			case <-end:
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		close(end)
		telling.Wait()
	}
}

// fetchWhole brings one file into the store and waits until it is there.
func (u *Upstream) fetchWhole(ctx context.Context, f catalog.File, d demand) error {
	running, _, err := u.start(ctx, f, d)
	if errors.Is(err, errStored) {
		return nil
	}
	if err != nil {
		return err
	}
	return running.wait(ctx)
}

// wait returns when the fill has ended, or ctx has.
func (f *fill) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wantedAhead yields what clients will ask for: packages, installer images, and
// of each translation the form that apt prefers.
func wantedAhead(t *catalog.Table, languages []string) func(yield func(catalog.Entry) bool) {
	return func(yield func(catalog.Entry) bool) {
		for e := range t.All() {
			wanted := e.Kind == catalog.KindPackage || e.Kind == catalog.KindImage || isPreferredTranslation(t, e, languages)
			if wanted && !yield(e) {
				return
			}
		}
	}
}

func isPreferredTranslation(t *catalog.Table, e catalog.Entry, languages []string) bool {
	base, _, _ := strings.Cut(path.Base(e.Path), ".")
	language, ok := strings.CutPrefix(base, "Translation-")
	if e.Kind != catalog.KindIndex || !ok || !slices.Contains(languages, language) {
		return false
	}
	for _, form := range forms {
		p := path.Join(path.Dir(e.Path), base+form)
		if _, ok := t.Find(p); ok {
			return p == e.Path
		}
	}
	return false
}
