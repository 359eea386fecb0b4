package upstream

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

const (
	// parallelDownloads is how many files of one suite are fetched at a time.
	parallelDownloads = 8
	// toldFailures is how many failed files an error names.
	toldFailures = 3
)

// Downloaded counts files and their bytes.
type Downloaded struct {
	Wanted, Present           int // files of the generation; those in the store
	WantedBytes, PresentBytes int64
}

// Download brings all packages of a generation, and its translations into
// languages, into the store. It tells progress after every file, one call at a
// time. Files that could not be had do not stop the others; the error counts
// them. Files for which there is no room are such: what may be wanted some day
// takes nothing from what was.
func (u *Upstream) Download(ctx context.Context, g catalog.Generation, languages []string, progress func(Downloaded)) (Downloaded, error) {
	t, err := u.Catalog.Table(ctx, g)
	if err != nil {
		return Downloaded{}, err
	}
	var count Downloaded
	var missing []catalog.File
	for e := range wantedAhead(t, languages) {
		count.Wanted++
		count.WantedBytes += e.Size
		_, err := u.Blobs.Stat(e.Digest)
		switch {
		case err == nil:
			count.Present++
			count.PresentBytes += e.Size
		case errors.Is(err, blob.ErrNotFound):
			missing = append(missing, catalog.File{Entry: e, Archive: g.Archive, Suite: g.Suite, ByHash: g.ByHash})
		default:
			return count, err
		}
	}
	return u.downloadAll(ctx, missing, count, progress)
}

func (u *Upstream) downloadAll(ctx context.Context, files []catalog.File, count Downloaded, progress func(Downloaded)) (Downloaded, error) {
	var mu sync.Mutex // guards count and failures, and orders progress
	var failures []error
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelDownloads)
	for _, f := range files {
		group.Go(func() error {
			err := u.fetchWhole(ctx, f, "", false)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failures = append(failures, err)
				return ctx.Err()
			}
			count.Present++
			count.PresentBytes += f.Size
			progress(count)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return count, context.Cause(ctx)
	}
	if len(failures) > 0 {
		return count, fmt.Errorf("%d of %d files could not be fetched, among them: %w", len(failures), count.Wanted, errors.Join(failures[:min(len(failures), toldFailures)]...))
	}
	return count, nil
}

// fetchWhole brings one file into the store and waits until it is there. The
// mirror first is asked before the others, unless it is ""; evict says that
// other files may go for this one.
func (u *Upstream) fetchWhole(ctx context.Context, f catalog.File, first string, evict bool) error {
	running, _, err := u.start(ctx, f, first, evict)
	if err != nil {
		return err
	}
	select {
	case <-running.done:
		return running.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wantedAhead yields what clients will ask for: packages, and of each
// translation the form that apt prefers.
func wantedAhead(t *catalog.Table, languages []string) func(yield func(catalog.Entry) bool) {
	return func(yield func(catalog.Entry) bool) {
		for e := range t.All() {
			if e.Kind != catalog.KindPackage && !isPreferredTranslation(t, e, languages) {
				continue
			}
			if !yield(e) {
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
