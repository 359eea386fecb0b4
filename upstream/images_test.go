package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/upstreamtest"
)

// withImages is an archive whose Release lists the checksums of two versions of
// the installer, the newer of them also as current.
func withImages(t *testing.T) (a *upstreamtest.Archive, images map[string][]byte) {
	t.Helper()
	a = upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Suite.Files = map[string][]byte{}
	images = map[string][]byte{}
	for dir, version := range map[string]string{"20230607": "old", "20230607+deb12u15": "new", "current": "new"} {
		var sums bytes.Buffer
		dir = "main/installer-" + a.Arch + "/" + dir + "/images/"
		for _, name := range []string{"MANIFEST", "netboot/mini.iso"} {
			data := bytes.Repeat([]byte(name+version), 20_000)
			images["dists/stable/"+dir+name] = data
			a.Set("dists/stable/"+dir+name, data)
			fmt.Fprintf(&sums, "%s  ./%s\n", blob.Sum(data), name)
		}
		a.Suite.Files[dir+"SHA256SUMS"] = sums.Bytes()
		a.Suite.Files[dir+"MD5SUMS"] = []byte("weak")
	}
	a.Publish()
	return a, images
}

func TestInstallerImages(t *testing.T) {
	a, images := withImages(t)
	m := newMirror(t, a)
	without := m.refresh().Generation
	for name := range images {
		if _, ok := m.table(without).Find(name); ok {
			t.Errorf("%s is there although nobody asked for the installer", name)
		}
	}
	m.archive.Installer = true
	g := m.refresh().Generation
	if g.Number != 2 || g.Packages != without.Packages {
		t.Fatalf("with the installer: %+v", g)
	}
	m.verify()
	for name, data := range images {
		f := m.file(g, name)
		if f.Kind != catalog.KindImage || f.Size != catalog.UnknownSize || a.Count(name) != 0 {
			t.Errorf("%s: kind %d, size %d, %d requests", name, f.Kind, f.Size, a.Count(name))
		}
		if got, err := m.read(f); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: read %d bytes, %v", name, len(got), err)
		}
	}
	m.verify()
}

func TestImagesOfOtherArchitecturesAreNotThere(t *testing.T) {
	a, _ := withImages(t)
	a.Suite.Architectures = append(a.Suite.Architectures, "sparc")
	a.Suite.Files["main/installer-sparc/current/images/SHA256SUMS"] = []byte(strings.Repeat("0", 64) + "  ./MANIFEST\n")
	a.Publish()
	m := newMirror(t, a)
	m.archive.Installer = true
	for e := range m.table(m.refresh().Generation).All() {
		if strings.Contains(e.Path, "sparc") {
			t.Errorf("has %s", e.Path)
		}
	}
}

// Nothing signed says how long an image is, so that servers may say anything.
func TestImagesWithWrongBytesAreNeverDelivered(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"flipped bit": upstreamtest.WrongBytes, "too long": upstreamtest.WrongLength, "truncated": upstreamtest.Truncate,
		"html": upstreamtest.HTML200, "endless": upstreamtest.Endless,
		"claims too much": func(w http.ResponseWriter, _ *http.Request, _ upstreamtest.File) {
			w.Header().Set("Content-Length", fmt.Sprint(int64(maxImage)+1))
		},
		"claims too little": func(w http.ResponseWriter, _ *http.Request, f upstreamtest.File) { w.Write(f.Data[:100]) },
	} {
		t.Run(name, func(t *testing.T) {
			a, images := withImages(t)
			m := newMirror(t, a)
			m.archive.Installer = true
			g := m.refresh().Generation
			a.Fault("mini.iso", fault)
			image := "dists/stable/main/installer-" + a.Arch + "/current/images/netboot/mini.iso"
			if data, err := m.read(m.file(g, image)); err == nil {
				t.Errorf("read %d bytes", len(data))
			}
			if _, err := m.Blobs.Stat(m.file(g, image).Digest); err == nil {
				t.Error("it is in the store")
			}
			a.ClearFaults()
			m.rest()
			if data, err := m.read(m.file(g, image)); err != nil || !bytes.Equal(data, images[image]) {
				t.Errorf("afterwards: read %d bytes, %v", len(data), err)
			}
		})
	}
}

func TestABrokenImageDownloadIsResumed(t *testing.T) {
	a, images := withImages(t)
	m := newMirror(t, a)
	m.archive.Installer = true
	g := m.refresh().Generation
	image := "dists/stable/main/installer-" + a.Arch + "/current/images/netboot/mini.iso"
	a.FaultTimes(1, "mini.iso", upstreamtest.Truncate)
	if data, err := m.read(m.file(g, image)); err != nil || !bytes.Equal(data, images[image]) {
		t.Errorf("read %d bytes, %v", len(data), err)
	}
	ranges := slices.DeleteFunc(a.Requests(), func(r upstreamtest.Request) bool { return r.Header.Get("Range") == "" })
	if len(ranges) != 1 {
		t.Errorf("%d requests for the rest, want 1", len(ranges))
	}
}

// counting is a store that has room for so many bytes.
type counting struct {
	endless
	left int64
}

func (c *counting) Reserve(_ context.Context, size int64, _ bool) (func(), error) {
	if size < 0 || size > c.left {
		return nil, blob.ErrNoSpace
	}
	c.left -= size
	return func() { c.left += size }, nil
}

func TestRoomForImagesIsWhatTheServerSays(t *testing.T) {
	a, images := withImages(t)
	m := newMirror(t, a)
	m.archive.Installer = true
	g := m.refresh().Generation
	image := "dists/stable/main/installer-" + a.Arch + "/current/images/netboot/mini.iso"
	f, want := m.file(g, image), images[image]
	m.Room = &counting{left: int64(len(want)) - 1}
	if _, err := m.Fill(t.Context(), f); !errors.Is(err, blob.ErrNoSpace) {
		t.Errorf("without room: %v", err)
	}
	passing, err := m.Pass(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer passing.Close()
	var out bytes.Buffer
	if n, err := passing.WriteRange(&out, 0, passing.Info().Size); err != nil || n != int64(len(want)) || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("passed on: %d bytes, %v", n, err)
	}
	room := &counting{left: int64(len(want))}
	m.Room = room
	if data, err := m.read(f); err != nil || !bytes.Equal(data, want) {
		t.Errorf("with room: %d bytes, %v", len(data), err)
	}
	m.Close()
	if room.left != int64(len(want)) {
		t.Errorf("%d bytes are still set aside", int64(len(want))-room.left)
	}
}

func TestDownloadBringsImages(t *testing.T) {
	a, images := withImages(t)
	m := newMirror(t, a)
	m.archive.Installer = true
	g := m.refresh().Generation
	got, err := m.Download(t.Context(), g, nil, func(Downloaded) {})
	if err != nil || got.Wanted != 1+4 || got.Present != got.Wanted || got.PresentBytes != got.WantedBytes {
		t.Errorf("got %+v, %v", got, err)
	}
	for name := range images {
		if _, err := m.Blobs.Stat(m.file(g, name).Digest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChecksumsThatCannotBeHadOrRead(t *testing.T) {
	for name, spoil := range map[string]func(a *upstreamtest.Archive, sums string){
		"missing": func(a *upstreamtest.Archive, sums string) { a.Fault("SHA256SUMS", upstreamtest.NotFound) },
		"garbage": func(a *upstreamtest.Archive, sums string) { a.Suite.Files[sums] = []byte("garbage\n") },
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := withImages(t)
			a.Suite.AcquireByHash = false
			spoil(a, "main/installer-"+a.Arch+"/current/images/SHA256SUMS")
			a.Publish()
			m := newMirror(t, a)
			m.archive.Installer = true
			g := m.refresh().Generation
			if g.Packages != 1 || (name == "missing") != (len(g.Missing) == 3) {
				t.Errorf("%d packages, missing %q", g.Packages, g.Missing)
			}
		})
	}
}
