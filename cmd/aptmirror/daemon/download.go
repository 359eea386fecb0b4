package daemon

import (
	"context"
	"fmt"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// download fetches ahead of time what an archive is configured to have whole.
func (d *Daemon) download(ctx context.Context, a *archive, g catalog.Generation, result *admin.SuiteResult, news func(admin.Event)) error {
	c := a.config
	if c.Download != config.All {
		return nil
	}
	count, err := d.upstream.Download(ctx, g, c.Languages, func(now upstream.Downloaded) {
		news(progressOf(g.Archive, g.Suite, now))
	})
	countFiles(result, count)
	if err != nil {
		return fmt.Errorf("archive %s, suite %s: %w", g.Archive, g.Suite, err)
	}
	if lacks := essential(g.Missing); len(lacks) > 0 {
		return fmt.Errorf("archive %s, suite %s: all %d files are here but for what is named by %s, which no mirror has", g.Archive, g.Suite, count.Present, strings.Join(lacks, ", "))
	}
	return nil
}

func countFiles(r *admin.SuiteResult, c upstream.Downloaded) {
	r.Wanted, r.Present, r.WantedBytes, r.PresentBytes = c.Wanted, c.Present, c.WantedBytes, c.PresentBytes
}

func progressOf(archive, suite string, c upstream.Downloaded) admin.Event {
	return admin.Event{
		Archive: archive, Suite: suite,
		Text:     fmt.Sprintf("%s %s: %d of %d files, %s of %s", archive, suite, c.Present, c.Wanted, admin.Size(c.PresentBytes), admin.Size(c.WantedBytes)),
		Progress: &admin.Progress{Wanted: c.Wanted, Present: c.Present, WantedBytes: c.WantedBytes, PresentBytes: c.PresentBytes},
	}
}

// essential leaves out of the indexes that no mirror has those of patches: who
// cannot have a patch fetches the whole index.
func essential(missing []string) (lacks []string) {
	for _, name := range missing {
		if !strings.HasSuffix(name, ".diff/Index") {
			lacks = append(lacks, name)
		}
	}
	return lacks
}
