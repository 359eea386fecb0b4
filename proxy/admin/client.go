package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// ErrNoDaemon says that nothing answers on the socket.
var ErrNoDaemon = errors.New("no daemon is running")

// Client makes calls.
type Client struct {
	http *http.Client
	// Remote is false for a client whose calls run in this process.
	Remote bool
}

// Dial reaches the daemon on a socket. It returns ErrNoDaemon where there is
// none, as under a path too long for one.
func Dial(ctx context.Context, socket string) (*Client, error) {
	if len(socket) > maxSocketPath {
		return nil, ErrNoDaemon
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", socket)
		body, sends := ctx.Value(bodyKey{}).(io.Closer)
		if err != nil || !sends {
			return conn, err
		}
		return &sending{conn, body}, nil
	}
	conn, err := dial(ctx, "", "")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, ErrNoDaemon
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("reaching the daemon: %w: run the command as root or as the user of the service", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reaching the daemon: %w", err)
	}
	conn.Close()
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, Remote: true}, nil
}

type bodyKey struct{}

// sending is a connection over which a body goes that may have nothing to give for
// long. net/http waits for it even when the other side has gone, so that the body is
// closed with the connection.
type sending struct {
	net.Conn
	body io.Closer
}

func (s *sending) Close() error { return errors.Join(s.Conn.Close(), s.body.Close()) }

// InProcess makes calls to a handler in this process, as this process's user.
func InProcess(h http.Handler) *Client {
	return &Client{http: &http.Client{Transport: direct{h}}}
}

// Call makes one call. News is given every event as it comes; result, if the
// answer has one, is filled even if there is an error too. A failure of the
// work itself is an *Error. When ctx ends, a call to the daemon returns its
// cause and the work goes on; inside this process the work is told to end, and
// its outcome is returned.
func (c *Client) Call(ctx context.Context, name string, request any, news func(Event), result any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.call(ctx, name, "application/json", bytes.NewReader(body), news, result)
}

func (c *Client) call(ctx context.Context, name, contentType string, body io.Reader, news func(Event), result any) error {
	resp, err := c.post(ctx, name, contentType, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return read(ctx, resp.Body, news, result)
}

// post makes a request; the caller closes the body of the answer.
func (c *Client) post(ctx context.Context, name, contentType string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://daemon/v1/"+name, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := c.http.Do(r)
	if errors.Is(err, io.ErrClosedPipe) { // see sending
		err = errors.New("the daemon went away before it was done")
	}
	if err != nil {
		return nil, cmp.Or(context.Cause(ctx), fmt.Errorf("calling the daemon: %w", err))
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("calling the daemon: it answered %s to %s; is it of another version?", resp.Status, name)
	}
	return resp, nil
}

func read(ctx context.Context, body io.Reader, news func(Event), result any) error {
	for d := json.NewDecoder(body); ; {
		var m Message
		if err := d.Decode(&m); err != nil {
			return cmp.Or(context.Cause(ctx), fmt.Errorf("the daemon went away before it was done: %w", err))
		}
		if m.Event != nil {
			news(*m.Event)
			continue
		}
		if m.Result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				return fmt.Errorf("reading the daemon's answer: %w", err)
			}
		}
		if m.Error != nil {
			return m.Error
		}
		return nil
	}
}

// direct runs a handler for each request, in a goroutine that ends with the
// handler; the body of the answer is read as the handler writes it.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	ctx := context.WithValue(r.Context(), callerKey{}, Caller{UID: os.Getuid()})
	w := &pipeWriter{header: http.Header{}, body: pw, started: make(chan struct{}), status: http.StatusOK}
	go func() {
		d.handler.ServeHTTP(w, r.WithContext(ctx))
		w.start()
		pw.Close()
	}()
	<-w.started
	return &http.Response{
		StatusCode: w.status, Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: pr, ContentLength: -1, Request: r,
	}, nil
}

// pipeWriter belongs to the handler's goroutine; status and header may be read
// by others once started is closed.
type pipeWriter struct {
	header  http.Header
	body    *io.PipeWriter
	started chan struct{}
	begun   bool
	status  int
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if !w.begun {
		w.status = status
		w.start()
	}
}

func (w *pipeWriter) start() {
	if !w.begun {
		w.begun = true
		close(w.started)
	}
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.start()
	return w.body.Write(p)
}
