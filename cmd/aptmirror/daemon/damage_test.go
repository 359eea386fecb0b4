package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A generation whose manifest is gone must not take the status of everything
// else away, and the next sync makes it anew.
func TestStatusOfADamagedSuite(t *testing.T) {
	c := newSite(t, published(t), "stable")
	d := openDaemon(t, c)
	if _, _, err := syncOnce(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	g, err := d.cache.Catalog.Latest(t.Context(), "debian", "stable")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cache.Blobs.Delete(t.Context(), g.Manifest); err != nil {
		t.Fatal(err)
	}
	status, err := d.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s := status.Suites[0]; s.Reason != "damaged" || !strings.Contains(s.Advice, "aptmirror sync debian") {
		t.Errorf("got %+v", s)
	}
	if _, _, err := syncOnce(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if status, err = d.Status(t.Context()); err != nil || status.Suites[0].Error != "" {
		t.Errorf("after a sync: got %+v, %v", status, err)
	}
}

// What must not go backwards is in the catalog: with all files lost, a state
// older than the last accepted one is refused still, and the same one comes
// again.
func TestTimeGoesForwardWithoutTheFiles(t *testing.T) {
	a := published(t)
	c := newSite(t, a, "stable")
	a.Publish()
	d := openDaemon(t, c)
	if _, _, err := syncOnce(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(c.State, "blobs")); err != nil {
		t.Fatal(err)
	}
	a.Replay(1)
	d = openDaemon(t, c)
	if result, _, err := syncOnce(t.Context(), d); err == nil || result.Suites[0].Reason != "rollback" {
		t.Errorf("an older state: got %+v, %v", result.Suites, err)
	}
	a.Replay(2)
	result, _, err := syncOnce(t.Context(), d)
	if err != nil || !result.Suites[0].New {
		t.Errorf("the same state: got %+v, %v", result.Suites, err)
	}
}
