package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/upstream/upstreamtest"
)

// Built suites, like verbatim ones, do not wait for packages that take days to
// come.
func TestSuitesAreBuiltBeforeTheirPackagesAreHere(t *testing.T) {
	c := newSite(t, published(t), "stable")
	c.Archives[0].Download = config.All
	c.Repositories = append(c.Repositories, config.Repository{
		Name: "site", SignWith: []string{filepath.Join(filepath.Dir(c.Path), "keys", "site.asc")}, Origin: "site", Label: "site", ValidFor: config.DefaultValidFor,
		Suites: []config.Suite{{Name: "stable", Codename: "stable", From: []config.Source{{Kind: config.FromArchive, Name: "debian", Suite: "stable"}}}},
	})
	r, news, err := syncOnce(t.Context(), openDaemon(t, c))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, e := range news {
		text, _, _ := strings.Cut(e.Text, "; ")
		text, _, _ = strings.Cut(text, ", ")
		told = append(told, text)
	}
	if want := []string{"debian stable: verified", "site stable: built and published", "debian stable: 1 of 1 files", "debian stable: all 1 files are here"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if got := r.Suites[0]; got.Archive != "debian" || got.Wanted != 1 || got.Present != 1 || !got.New {
		t.Errorf("the result of the archive is %+v", got)
	}
}

// Whoever reads warnings shall find only what is wrong.
func TestAStopIsNoFaultOfASuite(t *testing.T) {
	for _, file := range []string{"InRelease", "hello*.deb"} {
		t.Run(file, func(t *testing.T) {
			a := published(t)
			c := newSite(t, a, "stable")
			c.Archives[0].Download = config.All
			var log bytes.Buffer // nothing writes to it after Close
			d, err := Open(t.Context(), c, Options{Version: "test", Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			asked := make(chan struct{}, 100)
			a.Fault(file, func(_ http.ResponseWriter, r *http.Request, _ upstreamtest.File) {
				asked <- struct{}{}
				<-r.Context().Done()
			})
			ended := make(chan error, 1)
			go func() {
				_, _, err := syncOnce(t.Context(), d)
				ended <- err
			}()
			<-asked
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-ended; err == nil || !strings.Contains(err.Error(), errClosing.Error()) {
				t.Errorf("the sync ended with %v", err)
			}
			for line := range strings.Lines(log.String()) {
				if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
					t.Errorf("it logs %s", line)
				}
			}
		})
	}
}

// Packages may take days to come, and nobody shall do without security updates
// for as long.
func TestRefreshesGoOnWhilePackagesCome(t *testing.T) {
	a := published(t)
	c := newSite(t, a, "stable")
	c.Archives[0].Download, c.Archives[0].Refresh = config.All, time.Millisecond
	d := openDaemon(t, c)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	a.FaultTimes(1, "hello*.deb", func(w http.ResponseWriter, r *http.Request, f upstreamtest.File) {
		asked <- struct{}{}
		select {
		case <-release:
			w.Write(f.Data)
		case <-r.Context().Done():
		}
	})
	var working sync.WaitGroup
	defer working.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	working.Go(func() { d.lookAfterAll(ctx) })

	<-asked
	update := a.AddPackage(upstreamtest.Package{Name: "update"})
	a.Publish()
	until(t, "the update is published", func() bool {
		_, err := d.cache.Catalog.Resolve("debian", update.Filename, func(string) bool { return true })
		return err == nil
	})
	close(release)
	until(t, "it is downloaded, too", func() bool {
		_, err := d.cache.Blobs.Stat(resolve(t, d, update.Filename).Digest)
		return err == nil
	})
}
