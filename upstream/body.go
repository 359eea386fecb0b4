package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// body is what a mirror sends of a file, from some offset on.
type body struct {
	io.ReadCloser
	modified time.Time // of this attempt, see date
}

// errChanged says that the rest of a file cannot be had: it is no longer the
// same file there.
var errChanged = errors.New("the file changed while it was fetched")

// open asks for the file, or for what is missing of it: for a range only where
// the server gave something to prove that it is of the same file. A server that
// ignores the range sends all of it again, and the beginning is skipped.
func (t *transfer) open(ctx context.Context) (*body, error) {
	if err := t.u.healthOf(t.archive).leftAlone(t.base, t.u.Now()); err != nil {
		return nil, err
	}
	header := http.Header{}
	if t.got > 0 && t.validator != "" {
		header.Set("Range", fmt.Sprintf("bytes=%d-", t.got))
		header.Set("If-Range", t.validator)
	}
	resp, err := t.u.fetcherOf(t.archive).request(ctx, t.base, t.path, header)
	if err != nil {
		return nil, err
	}
	b := &body{ReadCloser: resp.Body}
	if t.got == 0 {
		b.modified = t.date()
		t.size, err = t.sizeIn(resp)
	}
	if err == nil {
		err = t.begin(resp)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	return b, nil
}

// date gives every attempt at a file another date, which is what a client knows
// the bytes by that it has of it (If-Range). The server's date would be the
// same for wrong bytes and right ones, and whoever was cut off in the middle of
// the wrong ones would be sent the rest of the right ones.
func (f *fill) date() time.Time {
	f.attempts++
	return f.u.Now().Add(time.Duration(f.attempts-1) * time.Second)
}

// begin brings an answer to where the file goes on, or says why it is none of
// this file.
func (t *transfer) begin(resp *http.Response) error {
	from, validator := address(resp.Request.URL), validatorOf(resp.Header)
	switch {
	case resp.StatusCode == http.StatusPartialContent && t.got > 0:
		if !t.isRest(resp.Header.Get("Content-Range")) {
			return &requestError{from, fmt.Errorf("%w: asked for byte %d of %d and got %q", errChanged, t.got, t.size, resp.Header.Get("Content-Range"))}
		}
	case resp.StatusCode != http.StatusOK:
		return newStatusError(resp)
	case resp.ContentLength >= 0 && resp.ContentLength != t.size:
		return fmt.Errorf("%s: the server has %d bytes, what is signed has %d; it is out of date or in the middle of an update", from, resp.ContentLength, t.size)
	}
	if t.got > 0 && validator != "" && validator != t.validator {
		return &requestError{from, errChanged}
	}
	if t.got == 0 || validator != "" {
		t.validator = validator
	}
	if t.got == 0 || resp.StatusCode == http.StatusPartialContent {
		return nil
	}
	_, err := io.CopyN(io.Discard, resp.Body, t.got)
	return err
}

// isRest reads Content-Range: everything from where the file broke off to the
// end of a file of the right size.
func (t *transfer) isRest(contentRange string) bool {
	spec, ok := strings.CutPrefix(contentRange, "bytes ")
	span, total, slash := strings.Cut(spec, "/")
	first, _, dash := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	return ok && slash && dash && err == nil && start == t.got && (total == "*" || total == strconv.FormatInt(t.size, 10))
}

// validatorOf picks what proves that a later part is of the same file: a
// strong ETag or a date (RFC 9110, 13.1.5).
func validatorOf(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}
