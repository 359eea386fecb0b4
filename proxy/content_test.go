package proxy

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

func TestFilesAreDescribed(t *testing.T) {
	s := newSite(t)
	s.example()
	c := s.dial(s.client("a.example.org"))
	index := pattern(5_000, 2)
	stored := "Sat, 15 Mar 2025 12:00:00 GMT" // the date of the blobs, see put
	for _, test := range []struct {
		path, contentType, modified, cacheControl string
		body                                      []byte
	}{
		{inRelease, "text/plain; charset=utf-8", published, "no-cache", []byte("Origin: example\n")},
		{packages, "application/x-xz", published, "no-cache", index},
		{"dists/bookworm/main/binary-amd64/by-hash/SHA256/" + blob.Sum(index).String(), "application/octet-stream", stored, "", index},
		{deb, "application/vnd.debian.binary-package", stored, "", pattern(300_000, 3)},
	} {
		for _, a := range []answer{c.get("/debian/" + test.path), c.head("/debian/" + test.path)} {
			if a.code != 200 || a.body != "" && a.body != string(test.body) {
				t.Errorf("%s: %s and %d bytes", test.path, a.status, len(a.body))
			}
			for name, want := range map[string]string{
				"Content-Type":   test.contentType,
				"Last-Modified":  test.modified,
				"Cache-Control":  test.cacheControl,
				"Etag":           `"` + blob.Sum(test.body).String() + `"`,
				"Accept-Ranges":  "bytes",
				"Content-Length": strconv.Itoa(len(test.body)),
			} {
				if got := a.header.Get(name); got != want {
					t.Errorf("%s: %s is %q, want %q", test.path, name, got, want)
				}
			}
		}
	}
}

func TestContentTypes(t *testing.T) {
	for name, want := range map[string]string{
		"a/b.udeb":            "application/vnd.debian.binary-package",
		"a/Packages.gz":       "application/gzip",
		"dists/x/Release.gpg": "application/pgp-signature",
		"dists/x/Release":     "text/plain; charset=utf-8",
		"a/index.html":        "application/octet-stream",
		"Packages":            "application/octet-stream",
	} {
		if got := contentType(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestConditionsAndRanges(t *testing.T) {
	s := newSite(t)
	s.example()
	s.publish("debian", "void", map[string]file{"pool/empty.deb": {kind: catalog.KindPackage}})
	body := string(pattern(300_000, 3))
	etag := `"` + blob.Sum([]byte(body)).String() + `"`
	const stored = "Sat, 15 Mar 2025 12:00:00 GMT"
	c := s.dial(s.client("a.example.org"))
	for _, test := range []struct {
		path    string
		headers string // separated by |
		code    int
		body    string
		span    string // Content-Range
	}{
		{inRelease, "If-Modified-Since: " + published, 304, "", ""},
		{inRelease, "If-Modified-Since: Sun, 15 Mar 2026 11:59:59 GMT", 200, "Origin: example\n", ""},
		{inRelease, "If-Modified-Since: Sun, 15 Mar 2026 12:00:01 GMT", 200, "Origin: example\n", ""},
		{inRelease, "If-Modified-Since: yesterday", 200, "Origin: example\n", ""},
		{inRelease, "If-Modified-Since: " + published + "|If-None-Match: \"other\"", 200, "Origin: example\n", ""},
		{deb, "If-None-Match: " + etag, 304, "", ""},
		{deb, "If-None-Match: \"other\", W/" + etag, 304, "", ""},
		{deb, "If-None-Match: *", 304, "", ""},
		{deb, "If-None-Match: " + etag + "|Range: bytes=0-9", 304, "", ""},

		{deb, "Range: bytes=0-9", 206, body[:10], "bytes 0-9/300000"},
		{deb, "Range: bytes=65530-65545", 206, body[65530:65546], "bytes 65530-65545/300000"},
		{deb, "Range: bytes=299990-", 206, body[299990:], "bytes 299990-299999/300000"},
		{deb, "Range: bytes=299990-400000", 206, body[299990:], "bytes 299990-299999/300000"},
		{deb, "Range: bytes=-10", 206, body[299990:], "bytes 299990-299999/300000"},
		{deb, "Range: bytes=-400000", 206, body, "bytes 0-299999/300000"},
		{deb, "Range: bytes=300000-", 416, "", "bytes */300000"},
		{deb, "Range: bytes=300000-300009", 416, "", "bytes */300000"},
		{deb, "Range: bytes=9223372036854775807-", 416, "", "bytes */300000"},
		{deb, "Range: bytes=9223372036854775808-", 200, body, ""},
		{deb, "Range: bytes=0-9223372036854775807", 206, body, "bytes 0-299999/300000"},
		{deb, "Range: bytes=0-9223372036854775808", 200, body, ""},
		{deb, "Range: bytes=-9223372036854775807", 206, body, "bytes 0-299999/300000"},
		{deb, "Range: bytes=5-4", 200, body, ""},
		{deb, "Range: bytes=-0", 200, body, ""},
		{deb, "Range: bytes=-", 200, body, ""},
		{deb, "Range: bytes=+1-2", 200, body, ""},
		{deb, "Range: bytes=0-0,5-6", 200, body, ""},
		{deb, "Range: bytes=" + strings.Repeat("0-0,", 1000) + "1-1", 200, body, ""},
		{deb, "Range: lines=0-9", 200, body, ""},
		{"pool/empty.deb", "Range: bytes=0-", 416, "", "bytes */0"},
		{"pool/empty.deb", "Range: bytes=-1", 416, "", "bytes */0"},
		{"pool/empty.deb", "", 200, "", ""},

		{deb, "Range: bytes=0-9|If-Range: " + stored, 206, body[:10], "bytes 0-9/300000"},
		{deb, "Range: bytes=0-9|If-Range: " + etag, 206, body[:10], "bytes 0-9/300000"},
		{deb, "Range: bytes=0-9|If-Range: \"other\"", 200, body, ""},
		{deb, "Range: bytes=0-9|If-Range: W/" + etag, 200, body, ""},
		{deb, "Range: bytes=0-9|If-Range: Sat, 15 Mar 2025 12:00:01 GMT", 200, body, ""},
		{deb, "Range: bytes=0-9|If-Range: Sat, 15 Mar 2025 11:59:59 GMT", 200, body, ""},
	} {
		headers := strings.Split(test.headers, "|")
		if test.headers == "" {
			headers = nil
		}
		a := c.get("/debian/"+test.path, headers...)
		if a.code != test.code || a.body != test.body || a.bodyErr != nil || a.header.Get("Content-Range") != test.span || a.closes {
			t.Errorf("%s, %.90s: got %s, %d bytes, %q, %v; want %d, %d bytes, %q", test.path, test.headers,
				a.status, len(a.body), a.header.Get("Content-Range"), a.bodyErr, test.code, len(test.body), test.span)
		}
	}
	if a := c.head("/debian/"+deb, "Range: bytes=0-9"); a.code != 200 || a.header.Get("Content-Length") != "300000" {
		t.Errorf("a range counts for GET alone, HEAD got %s, %v", a.status, a.header)
	}
}

// FuzzRange looks for a part that does not lie within its file.
func FuzzRange(f *testing.F) {
	for _, spec := range []string{"0-", "5-9", "-9", "-0", "9-5", "0-0,1-1", " 1-2 ", "9223372036854775807-", "-9223372036854775807"} {
		f.Add("bytes="+spec, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		c := content{File: catalog.File{Entry: catalog.Entry{Size: size}}}
		offset, n, status := c.part(&http.Request{Method: "GET", Header: http.Header{"Range": {header}}})
		ok := false
		switch status {
		case http.StatusOK:
			ok = offset == 0 && n == size
		case http.StatusPartialContent:
			ok = offset >= 0 && n > 0 && n <= size && offset <= size-n
		case http.StatusRequestedRangeNotSatisfiable:
			ok = n == 0
		}
		if !ok {
			t.Errorf("%q of %d bytes: %d bytes at %d with status %d", header, size, n, offset, status)
		}
	})
}
