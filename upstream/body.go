package upstream

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// body is what a source sends of a file, from some offset on.
type body struct {
	io.ReadCloser
	modified  time.Time // the server's date, or now
	validator string    // for If-Range; "" if the server gave none that will do
	broke     bool      // the connection failed, as opposed to what was done with the bytes
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.broke = err != nil && err != io.EOF
	return n, err
}

// open asks a source for the file from an offset on. A server that ignores
// the range sends all of it again, and the beginning is skipped.
func (f *fill) open(ctx context.Context, s source, offset int64, validator string) (*body, error) {
	header := http.Header{}
	if offset > 0 && validator != "" {
		header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		header.Set("If-Range", validator)
	}
	resp, err := f.u.fetch.request(ctx, s.base, s.path, header)
	if err != nil {
		return nil, err
	}
	b := &body{ReadCloser: resp.Body, modified: f.u.Now(), validator: validatorOf(resp.Header)}
	if t, err := http.ParseTime(resp.Header.Get("Last-Modified")); err == nil && t.Before(b.modified) {
		b.modified = t
	}
	if offset == 0 {
		f.size, err = f.sizeIn(resp)
	}
	if err == nil {
		err = b.seek(resp, offset, f.size)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return b, nil
}

// seek brings the body to offset, or says why this answer is not the file.
func (b *body) seek(resp *http.Response, offset, size int64) error {
	switch address := resp.Request.URL.Redacted(); {
	case resp.StatusCode == http.StatusPartialContent && offset > 0:
		if start, ok := rangeStart(resp.Header.Get("Content-Range")); !ok || start != offset {
			return fmt.Errorf("%s: asked for byte %d and got %q", address, offset, resp.Header.Get("Content-Range"))
		}
		return nil
	case resp.StatusCode != http.StatusOK:
		return &statusError{address, resp.Status, resp.StatusCode}
	case resp.ContentLength >= 0 && resp.ContentLength != size:
		return fmt.Errorf("%s: the server has %d bytes, what is signed has %d; it is out of date or in the middle of an update", address, resp.ContentLength, size)
	}
	_, err := io.CopyN(io.Discard, b, offset)
	return err
}

func rangeStart(contentRange string) (int64, bool) {
	spec, ok := strings.CutPrefix(contentRange, "bytes ")
	first, _, dash := strings.Cut(spec, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	return start, ok && dash && err == nil
}

// validatorOf picks what proves that a later part is of the same file: a
// strong ETag or a date (RFC 9110, 13.1.5).
func validatorOf(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}
