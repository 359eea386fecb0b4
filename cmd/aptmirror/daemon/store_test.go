package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

func (d *Daemon) mustSync(t *testing.T) {
	t.Helper()
	if _, _, err := syncOnce(t.Context(), d); err != nil {
		t.Fatal(err)
	}
}

func gc(t *testing.T, d *Daemon, dryRun bool) *admin.GCResult {
	t.Helper()
	r, err := d.GC(t.Context(), admin.Caller{}, admin.GCRequest{DryRun: dryRun})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// resolve gives what clients of repository "debian" get under a path.
func resolve(t *testing.T, d *Daemon, name string) catalog.File {
	t.Helper()
	f, err := d.cache.Catalog.Resolve("debian", name, func(string) bool { return true })
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return f
}

func TestGCRemovesWhatNobodyCanAskForAnyMore(t *testing.T) {
	a := upstreamtest.New(t)
	now := time.Now()
	d, err := Open(t.Context(), newSite(t, a, "stable"), Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	for i := range 6 {
		a.AddPackage(upstreamtest.Package{Name: fmt.Sprint("p", i)})
		a.Publish(upstreamtest.At(now.Add(-time.Minute)))
		d.mustSync(t)
		now = now.Add(time.Hour)
	}
	if r := gc(t, d, true); len(r.Generations) != 0 || r.Files != 0 {
		t.Errorf("while all are young: %+v", r)
	}
	now = now.AddDate(0, 0, 4)
	would := gc(t, d, true)
	did := gc(t, d, false)
	want := []admin.Generation{{Archive: "debian", Suite: "stable", Number: 1}, {Archive: "debian", Suite: "stable", Number: 2}}
	if diff := cmp.Diff(want, did.Generations); diff != "" || did.Files == 0 || did.Bytes == 0 {
		t.Errorf("removed %+v", did)
	}
	if would.DryRun = false; !cmp.Equal(would, did) {
		t.Errorf("a dry run said %+v, then %+v was removed", would, did)
	}
	jobs, err := d.Jobs(t.Context())
	if err != nil || jobs.Jobs[0].Kind != "gc" || !strings.HasPrefix(jobs.Jobs[0].Summary, "2 generations and ") {
		t.Errorf("jobs %+v, %v", jobs.Jobs[0], err)
	}
	verify(t, d, admin.VerifyRequest{}, 0)
}

func verify(t *testing.T, d *Daemon, r admin.VerifyRequest, problems int) *admin.VerifyResult {
	t.Helper()
	out, err := d.Verify(t.Context(), admin.Caller{}, r, func(admin.Event) {})
	if fault := (*admin.Error)(nil); err != nil && !errors.As(err, &fault) {
		t.Fatal(err)
	}
	if len(out.Problems) != problems || (err != nil) != (problems > 0) {
		t.Errorf("%+v: %v, %v", r, out.Problems, err)
	}
	return out
}

func TestVerifyRepairBringsBackWhatIsNeeded(t *testing.T) {
	for name, pick := range map[string]func(g catalog.Generation, index blob.Digest) []blob.Digest{
		"an index":     func(_ catalog.Generation, index blob.Digest) []blob.Digest { return []blob.Digest{index} },
		"its manifest": func(g catalog.Generation, _ blob.Digest) []blob.Digest { return []blob.Digest{g.Manifest} },
		"its Release":  func(g catalog.Generation, _ blob.Digest) []blob.Digest { return []blob.Digest{g.InRelease, g.Release} },
		"everything": func(g catalog.Generation, index blob.Digest) []blob.Digest {
			return []blob.Digest{g.Manifest, g.InRelease, g.Release, index}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := openDaemon(t, newSite(t, published(t), "stable"))
			d.mustSync(t)
			g, err := d.cache.Catalog.Latest(t.Context(), "debian", "stable")
			if err != nil {
				t.Fatal(err)
			}
			lost := pick(g, resolve(t, d, g.Indexes[0]).Digest)
			if err := d.cache.Drop(t.Context(), lost...); err != nil {
				t.Fatal(err)
			}
			if out, err := d.Verify(t.Context(), admin.Caller{}, admin.VerifyRequest{Quick: true}, func(admin.Event) {}); err == nil || len(out.Problems) == 0 {
				t.Errorf("before: %+v, %v", out, err)
			}
			if out := verify(t, d, admin.VerifyRequest{Quick: true, Repair: true}, 0); out.Restored == 0 {
				t.Errorf("%+v", out)
			}
			verify(t, d, admin.VerifyRequest{}, 0)
			for _, digest := range lost {
				if _, err := d.cache.Blobs.Stat(digest); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestVerifyNamesWhatCannotBeRepaired(t *testing.T) {
	a := published(t)
	d := openDaemon(t, newSite(t, a, "stable"))
	d.mustSync(t)
	g, err := d.cache.Catalog.Latest(t.Context(), "debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	a.Fault("*", upstreamtest.NotFound)
	if err := d.cache.Drop(t.Context(), resolve(t, d, g.Indexes[0]).Digest); err != nil {
		t.Fatal(err)
	}
	var news []string
	out, err := d.Verify(t.Context(), admin.Caller{}, admin.VerifyRequest{Quick: true, Repair: true}, func(e admin.Event) { news = append(news, e.Text) })
	if err == nil || len(out.Problems) != 1 || !strings.Contains(out.Problems[0].Where, g.Indexes[0]) || out.Restored != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	if !slices.ContainsFunc(news, func(s string) bool { return strings.Contains(s, "cannot be restored") }) {
		t.Errorf("news %q", news)
	}
}

func TestAFileLargerThanTheStoreIsPassedOn(t *testing.T) {
	a := upstreamtest.New(t)
	big := a.AddPackage(upstreamtest.Package{Name: "big", Size: 3 << 20})
	small := a.AddPackage(upstreamtest.Package{Name: "small", Size: 100_000})
	a.Publish()
	c := newSite(t, a, "stable")
	c.Cache.MaxSize = 1 << 20
	d := openDaemon(t, c)
	d.mustSync(t)
	if _, err := d.upstream.Fill(t.Context(), resolve(t, d, big.Filename)); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("filling it: %v", err)
	}
	if data := take(t, d.upstream.Pass, resolve(t, d, big.Filename)); !bytes.Equal(data, big.Deb) {
		t.Errorf("%d bytes", len(data))
	}
	fill := func(ctx context.Context, f catalog.File) (blob.Stream, error) { return d.upstream.Fill(ctx, f) }
	if data := take(t, fill, resolve(t, d, small.Filename)); !bytes.Equal(data, small.Deb) {
		t.Errorf("%d bytes of the small one", len(data))
	}
	status, err := d.Status(t.Context())
	if err != nil || status.Space.Max != 1<<20 || status.Bytes > 1<<20 || status.Suites[0].Cached != 1 {
		t.Errorf("%+v, %v", status, err)
	}
}

func take(t *testing.T, from func(context.Context, catalog.File) (blob.Stream, error), f catalog.File) []byte {
	t.Helper()
	s, err := from(t.Context(), f)
	if err != nil {
		t.Fatalf("%s: %v", path.Base(f.Path), err)
	}
	defer s.Close()
	var out bytes.Buffer
	if _, err := s.WriteRange(io.Writer(&out), 0, s.Info().Size); err != nil {
		t.Fatalf("%s: %v", path.Base(f.Path), err)
	}
	return out.Bytes()
}

// Far more is asked for than the store can hold, all at once.
func TestASmallStoreServesEverybodyAndKeepsToItsLimit(t *testing.T) {
	a := upstreamtest.New(t)
	var all []upstreamtest.Package
	for i := range 30 {
		all = append(all, a.AddPackage(upstreamtest.Package{Name: fmt.Sprint("p", i), Size: 50_000 * (1 + i%10)}))
	}
	a.Publish()
	c := newSite(t, a, "stable")
	c.Cache.MaxSize = 2_000_000
	d := openDaemon(t, c)
	d.mustSync(t)
	var clients sync.WaitGroup
	for client := range 12 {
		clients.Go(func() {
			for i := range 25 {
				p := all[(client*7+i*11)%len(all)]
				data, err := d.asClient(t.Context(), resolve(t, d, p.Filename))
				if err != nil || !bytes.Equal(data, p.Deb) {
					t.Errorf("%s: %d of %d bytes, %v", p.Name, len(data), len(p.Deb), err)
				}
				if _, stored := d.cache.Blobs.Stored(); stored > c.Cache.MaxSize {
					t.Errorf("%d bytes are stored", stored)
				}
			}
		})
	}
	clients.Wait()
	status, err := d.Status(t.Context())
	// Where all was in use when it was looked for victims, the next look comes a while later, on a busy machine long after.
	for end := time.Now().Add(5 * time.Minute); err == nil && status.Space.EvictedFiles == 0 && time.Now().Before(end); {
		for _, p := range all {
			if _, err := d.asClient(t.Context(), resolve(t, d, p.Filename)); err != nil {
				t.Fatal(err)
			}
		}
		status, err = d.Status(t.Context())
	}
	if err != nil || status.Space.Reserved != 0 || status.Space.EvictedFiles == 0 || status.Bytes > c.Cache.MaxSize {
		t.Errorf("%+v, %v", status.Space, err)
	}
	gc(t, d, false)
	verify(t, d, admin.VerifyRequest{}, 0)
}

// asClient reads a file as the server of clients does.
func (d *Daemon) asClient(ctx context.Context, f catalog.File) ([]byte, error) {
	d.cache.Begin(f.Digest)
	defer d.cache.End(f.Digest)
	s, err := blob.Stream(nil), error(nil)
	if s, err = d.cache.Blobs.Open(f.Digest); errors.Is(err, blob.ErrNotFound) {
		s, err = d.upstream.Fill(ctx, f)
	}
	if errors.Is(err, blob.ErrNoSpace) {
		s, err = d.upstream.Pass(ctx, f)
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var out bytes.Buffer
	_, err = s.WriteRange(&out, 0, f.Size)
	return out.Bytes(), err
}
