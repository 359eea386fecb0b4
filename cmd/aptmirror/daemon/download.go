package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// progressInterval is how often a long download says how far it is.
const progressInterval = 5 * time.Second

// download fetches ahead of time what an archive is configured to have whole.
func (d *Daemon) download(ctx context.Context, g catalog.Generation, result *admin.SuiteResult, news func(admin.Event)) error {
	i := slices.IndexFunc(d.config.Archives, func(a config.Archive) bool { return a.Name == g.Archive })
	if d.config.Archives[i].Download != config.All {
		return nil
	}
	told := d.Now()
	count, err := d.upstream.Download(ctx, g, d.config.Archives[i].Languages, func(c upstream.Downloaded) {
		if now := d.Now(); now.Sub(told) >= progressInterval {
			told = now
			news(admin.Event{Archive: g.Archive, Suite: g.Suite, Text: fmt.Sprintf("%s %s: %d of %d files, %d of %d MB",
				g.Archive, g.Suite, c.Present, c.Wanted, c.PresentBytes/1e6, c.WantedBytes/1e6)})
		}
	})
	result.Wanted, result.Present = count.Wanted, count.Present
	if err != nil {
		return fmt.Errorf("archive %s, suite %s: %w", g.Archive, g.Suite, err)
	}
	return nil
}
