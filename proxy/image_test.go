package proxy

import (
	"strconv"
	"testing"

	"aptmirror/cache/catalog"
)

// Nothing signed says how long an installer image is; its size is known once it
// is here or comes.
func TestFilesOfUnknownSize(t *testing.T) {
	s := newSite(t)
	image := pattern(300_000, 7)
	const path = "dists/bookworm/main/installer-amd64/current/images/netboot/mini.iso"
	s.publish("debian", "bookworm", map[string]file{path: {kind: catalog.KindImage, body: image, absent: true}})
	s.filler.give(image)
	c := s.dial(s.client("a.example.org"))

	head := c.head("/debian/" + path)
	if _, said := head.header["Content-Length"]; head.code != 200 || said || s.filler.calls.Load() != 0 {
		t.Errorf("HEAD before it is here: %s, length %q, %d fills", head.status, head.header.Get("Content-Length"), s.filler.calls.Load())
	}
	for range 2 {
		whole := c.get("/debian/" + path)
		if whole.code != 200 || whole.body != string(image) || whole.header.Get("Content-Length") != strconv.Itoa(len(image)) {
			t.Errorf("%s, %d bytes, length %q", whole.status, len(whole.body), whole.header.Get("Content-Length"))
		}
	}
	if n := s.filler.calls.Load(); n != 1 {
		t.Errorf("%d fills, want 1", n)
	}
	part := c.get("/debian/"+path, "Range: bytes=299990-")
	if part.code != 206 || part.body != string(image[299_990:]) || part.header.Get("Content-Range") != "bytes 299990-299999/300000" {
		t.Errorf("%s, %d bytes, %q", part.status, len(part.body), part.header.Get("Content-Range"))
	}
	if head := c.head("/debian/" + path); head.header.Get("Content-Length") != strconv.Itoa(len(image)) || head.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("HEAD of what is here: %v", head.header)
	}
}
