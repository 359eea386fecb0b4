package daemon

import (
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
