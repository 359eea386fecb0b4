package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"
)

// Bounds of one request. A server that is slower than these is as good as down.
const (
	connectTimeout = 10 * time.Second // name resolution and connection
	headerTimeout  = 25 * time.Second // from the request to the answer's headers; apt gives up on us after 30 s
	stallTimeout   = 30 * time.Second // between two pieces of a body
	maxRedirects   = 5
)

// newClient makes a client that keeps connections open, never decodes bodies
// and follows a bounded number of redirects, none of them from https to http.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    8,
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			ReadBufferSize:         64 << 10,
		},
		CheckRedirect: checkRedirect,
	}
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	switch last := via[len(via)-1]; {
	case len(via) > maxRedirects:
		return fmt.Errorf("stopping after %d redirects", maxRedirects)
	case next.URL.Scheme != "http" && next.URL.Scheme != "https":
		return fmt.Errorf("refusing a redirect to %s", next.URL.Redacted())
	case last.URL.Scheme == "https" && next.URL.Scheme == "http":
		return fmt.Errorf("refusing a redirect from https to %s", next.URL.Redacted())
	}
	return nil
}

type fetcher struct {
	client *http.Client
	agent  string
}

// statusError is an answer that is neither the file nor "not changed". One of
// 404 or 410 is fs.ErrNotExist.
type statusError struct {
	url    string
	status string
	code   int
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: the server answered %s", e.url, e.status)
}

func (e *statusError) Is(target error) bool {
	return target == fs.ErrNotExist && (e.code == http.StatusNotFound || e.code == http.StatusGone)
}

// conditions are sent to learn whether a file is still as it was.
type conditions struct{ lastModified, etag string }

// request asks for what base and a path name. The body of the answer, which
// the caller closes, fails when the server stalls.
func (f *fetcher) request(ctx context.Context, base, path string, header http.Header) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	url := base + escape(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	req.Header = header
	req.Header.Set("User-Agent", f.agent)
	resp, err := f.client.Do(req)
	if err != nil {
		cancel(nil)
		return nil, fmt.Errorf("%s: %w", url, errors.Unwrap(err))
	}
	resp.Body = newStallGuard(resp.Body, cancel, ctx)
	return resp, nil
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
		return nil, c, &statusError{base + path, resp.Status, resp.StatusCode}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, c, fmt.Errorf("%s: %w", base+path, err)
	}
	if int64(len(data)) > limit {
		return nil, c, fmt.Errorf("%s: the file is larger than %d bytes", base+path, limit)
	}
	return data, conditions{resp.Header.Get("Last-Modified"), resp.Header.Get("ETag")}, nil
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

var errStalled = fmt.Errorf("the server sent nothing for %s", stallTimeout)

// stallGuard is a body whose request is cancelled when no read returns for
// stallTimeout. Only the goroutine that reads may call it.
type stallGuard struct {
	body   io.ReadCloser
	timer  *time.Timer
	cancel context.CancelCauseFunc
	ctx    context.Context
}

func newStallGuard(body io.ReadCloser, cancel context.CancelCauseFunc, ctx context.Context) *stallGuard {
	g := &stallGuard{body: body, cancel: cancel, ctx: ctx}
	g.timer = time.AfterFunc(stallTimeout, func() { cancel(errStalled) })
	return g
}

func (g *stallGuard) Read(p []byte) (int, error) {
	g.timer.Reset(stallTimeout)
	n, err := g.body.Read(p)
	if err != nil && err != io.EOF {
		if cause := context.Cause(g.ctx); cause != nil {
			err = cause
		}
	}
	return n, err
}

func (g *stallGuard) Close() error {
	g.timer.Stop()
	err := g.body.Close()
	g.cancel(nil)
	return err
}
