package catalog_test

import (
	"testing"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

func TestKilledWhileCollectingServesWhatWasServed(t *testing.T) {
	for _, point := range []string{"generations to be removed", "generations removed"} {
		t.Run(point, func(t *testing.T) {
			a := upstreamtest.New(t)
			dir := t.TempDir()
			open := func() *site { return openSite(t, dir, a.URL(), a.KeyringFile(), a.Arch) }
			s := open()
			for i, version := range []string{"1.0", "2.0", "3.0", "4.0"} {
				a.AddPackage(upstreamtest.Package{Name: "hello", Version: version})
				a.Publish()
				if i == 0 {
					s.sync()
				} else if _, err := s.upstream.Refresh(t.Context(), s.archive, "stable"); err != nil {
					t.Fatal(err)
				}
			}
			s.close()
			runUntilKilled(t, "CATALOG_TEST_COLLECT=1", "CATALOG_TEST_POINT="+point, "CATALOG_TEST_DIR="+dir, "CATALOG_TEST_URI="+a.URL(),
				"CATALOG_TEST_KEYRING="+a.KeyringFile(), "CATALOG_TEST_ARCH="+a.Arch, "TMPDIR="+t.TempDir())
			s = open()
			defer s.close()
			s.wantServed(1)
			if _, err := s.Collect(t.Context(), false, catalog.Gone{}); err != nil {
				t.Fatal(err)
			}
			s.wantServed(1)
			if g := s.sync(); g.Number != 4 {
				t.Errorf("the newest is generation %d, want 4", g.Number)
			}
			s.wantServed(4)
			all, err := s.Catalog.Generations(t.Context())
			if err != nil || len(all) != 2 {
				t.Errorf("%d generations are left, %v", len(all), err)
			}
		})
	}
}
