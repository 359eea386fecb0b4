package daemon

import (
	"os"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

func TestStatusTellsOfAMirrorThatLied(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish(upstreamtest.Tampered())
	d := opened(t, a, t.TempDir())
	defer func() { mustClose(t, d) }()
	if _, err := d.Sync(t.Context(), admin.Caller{UID: os.Getuid()}, admin.SyncRequest{}, nobody); exit(err) != admin.ExitRefused {
		t.Errorf("sync: %v", err)
	}
	s, err := d.Status(t.Context())
	if err != nil || len(s.Mirrors) != 1 || !strings.Contains(s.Mirrors[0].Why, "bad-signature") || s.Mirrors[0].URI != a.URL()+"/" {
		t.Errorf("mirrors %+v, %v", s.Mirrors, err)
	}
}
