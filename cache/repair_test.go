package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/blob"
)

func noNews(string) {}

func (f *fixture) quick() (problems []string) {
	f.t.Helper()
	r, err := f.VerifyQuick(f.t.Context(), noNews)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, p := range r.Problems {
		problems = append(problems, p.Where+": "+p.What)
	}
	return problems
}

func (f *fixture) drop(digests ...blob.Digest) {
	f.t.Helper()
	if err := f.Drop(f.t.Context(), digests...); err != nil {
		f.t.Fatal(err)
	}
}

func TestVerifyQuickFindsWhatIsMissing(t *testing.T) {
	f := newFixture(t, Options{})
	g := f.generation("stable", packages(2)...)
	f.publish(g)
	f.mustFill(packages(1)...)
	if p := f.quick(); p != nil {
		t.Errorf("a good store, with a package that was never asked for: %q", p)
	}
	index := blob.Sum([]byte(fmt.Sprint("Packages stable", packages(2))))
	for what, d := range map[string]blob.Digest{
		"dists/stable/InRelease":                       g.InRelease,
		"dists/stable/Release":                         g.Release,
		"dists/stable/main/binary-amd64/Packages":      index,
		"archive upstream, suite stable, generation 1": g.Manifest,
	} {
		data, err := f.Blobs.ReadAll(t.Context(), d, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		f.drop(d)
		if p := f.quick(); len(p) != 1 || !strings.Contains(p[0], what) {
			t.Errorf("without %s: %q", what, p)
		}
		f.put(data)
	}
	if p := f.quick(); p != nil {
		t.Errorf("once all is back: %q", p)
	}
}

func TestLostNamesWhatCanBeFetchedAndWhatNeedsARefresh(t *testing.T) {
	f := newFixture(t, Options{})
	g, other := f.generation("stable", packages(2)...), f.generation("testing", packages(1)...)
	f.mustFill(packages(2)...)
	index := blob.Sum([]byte(fmt.Sprint("Packages stable", packages(2))))
	f.drop(index, packages(2)[1].digest(), other.InRelease)
	lost, err := f.Lost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(lost.Files) != 1 || lost.Files[0].Digest != index || lost.Files[0].Archive != "upstream" || lost.Files[0].Suite != "stable" || lost.Files[0].Plain == "" {
		t.Errorf("files %+v", lost.Files)
	}
	if diff := cmp.Diff([]string{"testing"}, []string{lost.Generations[0].Suite}); diff != "" || len(lost.Generations) != 1 {
		t.Errorf("generations %+v", lost.Generations)
	}
	f.drop(g.Manifest)
	if lost, err = f.Lost(t.Context()); err != nil || len(lost.Generations) != 2 || lost.Files != nil {
		t.Errorf("without the manifest: %+v, %v", lost, err)
	}
}

// damage flips a byte of a file in the database's own files, in place.
func (f *fixture) damage(content []byte) {
	f.t.Helper()
	f.close()
	logs, err := filepath.Glob(filepath.Join(f.dir, "blobs", "*.vlog"))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, name := range logs {
		data, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		at := strings.Index(string(data), string(content[:64]))
		if at < 0 {
			continue
		}
		data[at+1000] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	f.open()
}

func TestDamagedFilesAreFoundAndComeAgain(t *testing.T) {
	f := newFixture(t, Options{})
	all := packages(20)
	f.generation("stable", all...)
	f.mustFill(all...)
	f.close() // a newer database file, since badger cuts the newest one off at damage
	f.open()
	f.mustFill(file{"another", unit})
	f.damage(all[7].content())
	damaged, err := f.Damaged(t.Context(), noNews)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]blob.Digest{all[7].digest()}, damaged); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	f.drop(damaged...)
	if f.has(all[7].digest()) {
		t.Error("the damaged file is still there")
	}
	f.mustFill(all[7])
	if damaged, err := f.Damaged(t.Context(), noNews); err != nil || damaged != nil {
		t.Errorf("afterwards %v, %v", damaged, err)
	}
}

func TestScrubFindsDamageAndGoesOnAfterARestart(t *testing.T) {
	f := newFixture(t, Options{})
	all := packages(20)
	f.generation("stable", all...)
	f.mustFill(all...)
	f.close()
	f.open()
	f.damage(all[7].content())
	blobs, _, err := f.Blobs.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The clock makes every file one after which the place is kept; the first half of
	// the reading ends with the first damaged file.
	step := time.Minute
	f.o.Now = func() time.Time { f.clock = f.clock.Add(step); return f.clock }
	f.close()
	f.open()
	stop, cancel := context.WithCancel(t.Context())
	var found []blob.Digest
	note := func(_ context.Context, corrupt *blob.CorruptError) error {
		found = append(found, corrupt.Digest)
		cancel()
		return nil
	}
	if err := f.Scrub(stop, 0, note); !errors.Is(err, context.Canceled) {
		t.Fatalf("stopped: %v", err)
	}
	before, err := f.Scrubbed()
	if err != nil || before.Next != all[7].digest() || !before.Finished.IsZero() {
		t.Errorf("stopped at %+v, %v", before, err)
	}
	f.close()
	f.open()
	if err := f.Scrub(t.Context(), 0, func(ctx context.Context, corrupt *blob.CorruptError) error {
		found = append(found, corrupt.Digest)
		return f.Drop(ctx, corrupt.Digest)
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]blob.Digest{all[7].digest(), all[7].digest()}, found); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	after, err := f.Scrubbed()
	if err != nil || after.Next != (blob.Digest{}) || after.Finished.IsZero() || after.Files < blobs || after.Files > blobs+1 || after.Began != before.Began {
		t.Errorf("%d files: %+v, %v", blobs, after, err)
	}
}

func TestPacedEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped")
	cancel(stopped)
	if _, err := (&paced{ctx, nil, 1}).Write(make([]byte, 1000)); !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
}
