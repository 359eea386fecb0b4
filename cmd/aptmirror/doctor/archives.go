package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// probeTimeout bounds the look at one suite, with its mirrors and tries.
const probeTimeout = 30 * time.Second

// archives fetches and verifies the Release of every suite, as a refresh would.
func (d *Doctor) archives(ctx context.Context) []Finding {
	f := &findings{check: "archive"}
	up := upstream.New(upstream.Config{Version: d.Version, Log: slog.New(slog.DiscardHandler), Now: d.Now})
	defer up.Close()
	for _, a := range d.Config.Archives {
		if len(a.URIs) == 0 {
			f.note(a.Name, "imports alone feed it")
			continue
		}
		d.aboutArchive(ctx, f, up, a)
	}
	return f.list
}

func (d *Doctor) aboutArchive(ctx context.Context, f *findings, up *upstream.Upstream, a config.Archive) {
	keys, err := site.Keyring(a)
	if err != nil {
		f.note(a.Name, "is not asked: it has no keyring")
		return
	}
	archive, err := inforce.ArchiveOf(a, keys)
	if err != nil {
		f.bad(a.Name, err.Error(), "")
		return
	}
	for _, suite := range a.Suites {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		probed, err := up.Probe(ctx, archive, suite)
		cancel()
		name := a.Name + "/" + suite
		if err != nil {
			f.bad(name, err.Error(), unreachableMend(err, a, suite))
			continue
		}
		text := "answers and is signed, dated " + admin.Minute(probed.Date)
		if !probed.ValidUntil.IsZero() {
			text += ", valid until " + admin.Minute(probed.ValidUntil)
		}
		f.ok(name, text)
	}
}

func unreachableMend(err error, a config.Archive, suite string) string {
	if refused, ok := errors.AsType[*upstream.RefusedError](err); ok {
		return outcome.Advice(string(refused.Reason), a.Name, suite)
	}
	return fmt.Sprintf("curl -v %s/dists/%s/Release shows what the network does; more than one of uris helps", a.URIs[0], suite)
}
