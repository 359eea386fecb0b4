package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"aptmirror/upstream/pgp"
)

// Bounds of one request up to its body.
const (
	connectTimeout = 10 * time.Second // name resolution and connection
	headerTimeout  = 25 * time.Second // from the request to the answer's headers; apt gives up on us after 30 s
	maxRedirects   = 5
)

func checkRedirect(next *http.Request, via []*http.Request) error {
	switch last := via[len(via)-1]; {
	case len(via) > maxRedirects:
		return &redirectError{fmt.Sprintf("stopping after %d redirects", maxRedirects)}
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return &redirectError{"refusing a redirect to " + address(next.URL)}
	case last.URL.Scheme == "https" && next.URL.Scheme == "http":
		return &redirectError{"refusing a redirect from https to " + address(next.URL)}
	}
	return nil
}

type redirectError struct{ text string }

func (e *redirectError) Error() string { return e.text }

// address leaves out what a URL may hold of secrets.
func address(u *url.URL) string { return u.Scheme + "://" + u.Host + u.EscapedPath() }

// fetcher makes the requests to one archive.
type fetcher struct {
	client *http.Client
	agent  string
	auth   *Auth
	slots  chan struct{} // one is taken from before a request until its body is closed
	ahead  chan struct{} // fewer; one is taken, too, for what no client waits for
	limit  *limiter      // nil: no bound
	// fetched is told of every request once it is over.
	fetched func(bytes int64, err error)
}

// statusError is an answer that is neither the file nor "not changed". One of
// 404 or 410 is fs.ErrNotExist.
type statusError struct {
	url        string
	status     string
	code       int
	retryAfter time.Duration // how long the server wants to be left alone
}

func newStatusError(resp *http.Response) error {
	return &statusError{address(resp.Request.URL), resp.Status, resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), time.Now())}
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: the server answered %s", e.url, toldBy(e.status))
}

func (e *statusError) Is(target error) bool {
	return target == fs.ErrNotExist && (e.code == http.StatusNotFound || e.code == http.StatusGone)
}

// requestError is a request that got no answer, or an answer that broke off.
type requestError struct {
	url string
	err error
}

func (e *requestError) Error() string { return e.url + ": " + toldBy(e.err.Error()) }
func (e *requestError) Unwrap() error { return e.err }

// maxTold is how much of what a server says stands in an error, in bytes.
const maxTold = 500

// toldBy is what stands in an error of what a server says: a reason phrase, a
// broken header or the names in its certificate.
func toldBy(said string) string {
	if said = pgp.Legible(said); len(said) > maxTold {
		said = strings.ToValidUTF8(said[:maxTold], "") + "..."
	}
	return said
}

// conditions are sent to learn whether a file is still as it was.
type conditions struct{ lastModified, etag string }

// request asks for what base and a path name, once there is a slot. The body of the answer, which
// the caller closes, fails when the server is too slow.
func (f *fetcher) request(ctx context.Context, base, path string, header http.Header) (*http.Response, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	resp, err := f.send(ctx, base, path, header)
	if err != nil {
		<-f.slots
	}
	return resp, err
}

func (f *fetcher) send(ctx context.Context, base, path string, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	from := base + escape(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	req.Header = header
	req.Header.Set("User-Agent", f.agent)
	f.auth.authorise(req)
	resp, err := f.client.Do(req)
	if err != nil {
		cancel(nil)
		err = &requestError{from, errors.Unwrap(err)}
		f.fetched(0, err)
		return nil, err
	}
	body := newGuard(ctx, resp.Body, cancel)
	body.over = func() { f.fetched(body.all, cmp.Or(body.broke, outcomeOf(resp))) }
	body.url, body.limit, body.done = address(resp.Request.URL), f.limit, func() { <-f.slots }
	resp.Body = body
	return resp, nil
}

// outcomeOf is an error for an answer that is not what was asked for.
func outcomeOf(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent, http.StatusNotModified:
		return nil
	}
	return newStatusError(resp)
}

// small fetches a whole file of at most limit bytes. An answer of "not
// changed" gives no bytes and no error.
func (f *fetcher) small(ctx context.Context, base, path string, limit int64, c conditions) ([]byte, conditions, error) {
	header := http.Header{"Cache-Control": {"max-age=0"}}
	if c.lastModified != "" {
		header.Set("If-Modified-Since", c.lastModified)
	}
	if c.etag != "" {
		header.Set("If-None-Match", c.etag)
	}
	resp, err := f.request(ctx, base, path, header)
	if err != nil {
		return nil, c, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && c != (conditions{}) {
		return nil, c, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, c, newStatusError(resp)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, c, err
	}
	if int64(len(data)) > limit {
		return nil, c, &tooLongError{address(resp.Request.URL), limit}
	}
	return data, conditions{resp.Header.Get("Last-Modified"), resp.Header.Get("ETag")}, nil
}

type tooLongError struct {
	url   string
	limit int64 // bytes
}

func (e *tooLongError) Error() string {
	return fmt.Sprintf("%s: the file is larger than %d bytes", e.url, e.limit)
}

// escape encodes a path as apt does: object stores behind some mirrors take a
// plain "+" for a space.
func escape(path string) string {
	const upper = "0123456789abcdef"
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`+~%"<>?#[]\^{}|`+"`", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(upper[c>>4])
			b.WriteByte(upper[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
