package proxy

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"aptmirror/cache/catalog"
)

// content is one file about to be sent.
type content struct {
	catalog.File
	modified time.Time // zero: not known before the file is here
	stream   stream    // nil: not in the store
}

// stream writes part of a file; it may wait for it to come.
type stream interface {
	WriteRange(w io.Writer, offset, n int64) (int64, error)
}

// headersSuffice says whether the answer has no body.
func (c *content) headersSuffice(r *http.Request) bool {
	return r.Method == http.MethodHead || c.notModified(r)
}

func (c *content) etag() string { return `"` + c.Digest.String() + `"` }

// notModified follows RFC 9110, 13.2.2: If-None-Match goes before the date.
func (c *content) notModified(r *http.Request) bool {
	if tags := r.Header.Get("If-None-Match"); tags != "" {
		return tags == "*" || strings.Contains(tags, c.etag())
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !c.modified.IsZero() && !c.modified.Truncate(time.Second).After(since)
}

// serve answers with all of the file, a part of it, or the news that it is as
// it was. The error is that of the body; the headers are out by then.
func (c *content) serve(w http.ResponseWriter, r *http.Request) error {
	c.describe(w.Header())
	if c.notModified(r) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	offset, n, status := c.part(r)
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", c.Size))
		n = 0
	case http.StatusPartialContent:
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+n-1, c.Size))
	}
	w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead || n == 0 {
		return nil
	}
	_, err := c.stream.WriteRange(w, offset, n)
	return err
}

func (c *content) describe(h http.Header) {
	h.Set("ETag", c.etag())
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", contentType(c.Path))
	if !c.modified.IsZero() {
		h.Set("Last-Modified", c.modified.UTC().Format(http.TimeFormat))
	}
	if c.Kind == catalog.KindRelease || c.Kind == catalog.KindIndex {
		h.Set("Cache-Control", "no-cache")
	}
}

// part reads Range and If-Range. One range is served; several, or anything
// that is no range, get the whole file, which RFC 9110, 14.2 allows.
func (c *content) part(r *http.Request) (offset, n int64, status int) {
	spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	if !ok || !c.rangeStillApplies(r.Header.Get("If-Range")) {
		return 0, c.Size, http.StatusOK
	}
	first, last, ok := parseRange(spec, c.Size)
	switch {
	case !ok:
		return 0, c.Size, http.StatusOK
	case first > last:
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	return first, last - first + 1, http.StatusPartialContent
}

// rangeStillApplies compares exactly: a date that differs at all means that
// the client's part is of something else.
func (c *content) rangeStillApplies(ifRange string) bool {
	if ifRange == "" || ifRange == c.etag() {
		return true
	}
	t, err := http.ParseTime(ifRange)
	return err == nil && t.Equal(c.modified.Truncate(time.Second))
}

// parseRange reads "5-", "5-9" or "-9" for a file of that size. A range that
// lies behind the end gives first > last.
func parseRange(spec string, size int64) (first, last int64, ok bool) {
	from, to, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !dash {
		return 0, 0, false
	}
	if from == "" {
		n, err := strconv.ParseUint(to, 10, 63)
		return max(0, size-int64(n)), size - 1, err == nil && n > 0
	}
	a, err := strconv.ParseUint(from, 10, 63)
	if err != nil {
		return 0, 0, false
	}
	if to == "" {
		return int64(a), size - 1, true
	}
	b, err := strconv.ParseUint(to, 10, 63)
	return int64(a), min(int64(b), size-1), err == nil && b >= a
}

func contentType(name string) string {
	switch base := path.Base(name); path.Ext(base) {
	case ".deb", ".udeb":
		return "application/vnd.debian.binary-package"
	case ".gz":
		return "application/gzip"
	case ".xz":
		return "application/x-xz"
	case ".gpg":
		return "application/pgp-signature"
	default:
		if base == "InRelease" || base == "Release" {
			return "text/plain; charset=utf-8"
		}
		return "application/octet-stream"
	}
}
