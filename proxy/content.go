package proxy

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
)

// content is one file about to be sent.
type content struct {
	catalog.File
	modified time.Time   // whole seconds; zero: not known before the file is here
	stream   blob.Stream // nil: not in the store
}

// take makes s what is sent, and its size the file's where the catalog knows
// none. Only where the catalog knows no date, because the
// path never stood for other bytes, is it that of the bytes.
func (c *content) take(s blob.Stream) {
	c.stream = s
	if c.Size == catalog.UnknownSize {
		c.Size = s.Info().Size
	}
	if c.modified.IsZero() {
		c.modified = s.Info().Modified
	}
}

// described says whether the catalog alone knows what the headers say.
func (c *content) described() bool { return c.Size != catalog.UnknownSize && !c.modified.IsZero() }

// headersSuffice says whether the answer has no body.
func (c *content) headersSuffice(r *http.Request) bool {
	return r.Method == http.MethodHead || c.notModified(r.Header)
}

func (c *content) etag() string {
	text := make([]byte, 0, 2+2*len(c.Digest))
	return string(append(hex.AppendEncode(append(text, '"'), c.Digest[:]), '"'))
}

// notModified follows RFC 9110, 13.2.2: If-None-Match goes before the date. A
// date counts only if it is the very one that was sent: a later one is from
// another server or another state of this one, and so are the client's bytes.
func (c *content) notModified(h http.Header) bool {
	if tags := h["If-None-Match"]; len(tags) > 0 {
		return tags[0] == "*" || strings.Contains(tags[0], c.etag())
	}
	return c.isDate(first(h, "If-Modified-Since"))
}

// isDate compares with the date of the file, which has whole seconds as
// headers have.
func (c *content) isDate(header string) bool {
	if header == "" || c.modified.IsZero() {
		return false
	}
	t, err := http.ParseTime(header)
	return err == nil && t.Equal(c.modified)
}

func first(h http.Header, canonical string) string {
	if values := h[canonical]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// serve answers with all of the file, a part of it, or the news that it is as
// it was. Where the error comes before the first byte of the body, nothing is
// out yet.
func (c *content) serve(e *entry) error {
	c.describe(e.Header())
	if c.notModified(e.request.Header) {
		e.WriteHeader(http.StatusNotModified)
		return nil
	}
	offset, n, status := c.part(e.request)
	c.describePart(e.Header(), offset, n, status)
	e.status = status
	if e.request.Method == http.MethodHead || n == 0 {
		e.WriteHeader(status)
		return nil
	}
	_, err := c.stream.WriteRange(e, offset, n)
	return err
}

// describe sets headers with their canonical names, all in one allocation.
func (c *content) describe(h http.Header) {
	values := []string{c.etag(), "bytes", contentType(c.Path), "no-cache", ""}
	h["Etag"], h["Accept-Ranges"], h["Content-Type"] = values[0:1:1], values[1:2:2], values[2:3:3]
	if c.Kind == catalog.KindRelease || c.Kind == catalog.KindIndex || c.Kind == catalog.KindImage {
		h["Cache-Control"] = values[3:4:4]
	}
	if !c.modified.IsZero() {
		values[4] = c.modified.UTC().Format(http.TimeFormat)
		h["Last-Modified"] = values[4:5:5]
	}
}

func (c *content) describePart(h http.Header, offset, n int64, status int) {
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", c.Size))
	case http.StatusPartialContent:
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", offset, offset+n-1, c.Size))
	}
	if n != catalog.UnknownSize {
		h["Content-Length"] = []string{strconv.FormatInt(n, 10)}
	}
}

// part reads Range and If-Range. One range is served; several, or anything
// that is no range, get the whole file, which RFC 9110, 14.2 allows.
func (c *content) part(r *http.Request) (offset, n int64, status int) {
	spec, ok := strings.CutPrefix(first(r.Header, "Range"), "bytes=")
	if !ok || r.Method != http.MethodGet || !c.rangeStillApplies(first(r.Header, "If-Range")) {
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
	return ifRange == "" || ifRange == c.etag() || c.isDate(ifRange)
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
