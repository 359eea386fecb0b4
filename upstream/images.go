package upstream

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"aptmirror/cache/catalog"
	"aptmirror/upstream/debian"
)

// maxImage bounds in bytes a file of which nothing signed tells the size;
// servers that announce more are not asked for it. Debian's largest has 1 GB.
const maxImage = 4 << 30

// imageTargets picks the SHA256SUMS of installer images, where the archive is
// configured to have them. Release lists those, but not the images.
func (in *intake) imageTargets() (found []target) {
	if !in.archive.Installer {
		return nil
	}
	scope := in.scope()
	for _, f := range in.release.Files {
		if path.Base(f.Path) == "SHA256SUMS" && strings.Contains(f.Path, "/installer-") && f.HasSHA256 && scope.has(f.Path) {
			found = append(found, target{file: f, plain: f, content: images, optional: true})
		}
	}
	return found
}

// addImages lists the files that a SHA256SUMS names.
func (in *intake) addImages(m *catalog.Manifest, t target, r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, debian.MaxChecksumsBytes+1))
	if err != nil {
		return err
	}
	sums, err := debian.ParseChecksums(text)
	if err != nil {
		return err
	}
	for _, c := range sums {
		name := path.Join(path.Dir(t.file.Path), c.Path)
		if _, listed := in.release.File(name); !listed {
			p := in.dir + name
			m.Add(catalog.Entry{Path: p, Plain: p, Kind: catalog.KindImage, Size: catalog.UnknownSize, Digest: c.SHA256})
		}
	}
	return nil
}

// sizeIn gives the size of the file that a server is about to send: the signed
// one or, where there is none, what the server says. Whatever it says, the
// digest decides.
func (f *fill) sizeIn(resp *http.Response) (int64, error) {
	switch n := resp.ContentLength; {
	case f.file.Size != catalog.UnknownSize || resp.StatusCode != http.StatusOK:
		return f.file.Size, nil
	case n < 0:
		return 0, fmt.Errorf("%s: the server does not say how long the file is, and nothing else does", address(resp.Request.URL))
	case n > maxImage:
		return 0, fmt.Errorf("%s: the server has %d bytes, more than the %d that a file of no signed size may have", address(resp.Request.URL), n, int64(maxImage))
	default:
		return n, nil
	}
}
