package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// maxReason bounds the status line in bytes; apt shows it on one line of a
	// terminal.
	maxReason = 200
	// lingerTimeout is how long a refused client may take to read why, and
	// lingerBytes how much it may still send meanwhile. One that was allowed
	// to upload may send all of that within lingerUpload: many read nothing
	// before.
	lingerTimeout = 2 * time.Second
	lingerBytes   = 64 << 10
	lingerUpload  = time.Minute
)

// refuse answers with the reason in the status line and closes the connection.
// net/http cannot send such a line, so it is written to the connection itself.
func (e *entry) refuse(status int, why error) {
	e.err = why
	e.tell(status, why.Error())
}

func (e *entry) tell(status int, why string) {
	e.status = status
	e.server.lingering.Add(1) // Shutdown does not wait for a connection that is hijacked
	conn, _, err := http.NewResponseController(e.ResponseWriter).Hijack()
	if err != nil {
		e.server.lingering.Done()
		e.plain(status, why)
		return
	}
	conn.SetDeadline(time.Now().Add(lingerTimeout))
	body := status != http.StatusServiceUnavailable || e.asksAgain()
	io.WriteString(conn, refusal(e.request.Method, e.class, status, printable(why), body))
	go e.linger(conn)
}

// refusal is a whole answer; with a body, which says the reason once more, where
// that is wanted.
func refusal(method string, class Class, status int, reason string, body bool) string {
	var text strings.Builder
	fmt.Fprintf(&text, "HTTP/1.1 %d %s\r\n", status, reason)
	switch {
	case status == http.StatusMethodNotAllowed && class == ClassUpload:
		text.WriteString("Allow: PUT\r\n")
	case status == http.StatusMethodNotAllowed:
		text.WriteString("Allow: GET, HEAD\r\n")
	case status == http.StatusServiceUnavailable:
		text.WriteString("Retry-After: 30\r\n")
	}
	if !body {
		text.WriteString("Content-Length: 0\r\nConnection: close\r\n\r\n")
		return text.String()
	}
	fmt.Fprintf(&text, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", len(reason)+1)
	if method != http.MethodHead {
		text.WriteString(reason + "\n")
	}
	return text.String()
}

// linger says that nothing more comes and waits for the client to hang up.
// Closing while it still sends, as clients do who ask for several files at
// once, would reset the connection, and an answer not read yet would be lost.
func (e *entry) linger(conn net.Conn) {
	defer e.server.lingering.Done()
	defer conn.Close()
	timeout, n := lingerTimeout, int64(lingerBytes)
	if e.uploads {
		timeout, n = lingerUpload, n+e.request.ContentLength
	}
	if t, ok := conn.(*tls.Conn); ok {
		t.CloseWrite()
	}
	conn.SetDeadline(time.Now().Add(timeout))
	defer context.AfterFunc(e.server.life, func() { conn.SetDeadline(time.Now().Add(lingerTimeout)) })()
	io.CopyN(io.Discard, conn, n)
}

// plain answers a request that is understood but cannot be served.
func (e *entry) plain(status int, text string) {
	clear(e.Header())
	http.Error(e, text, status)
}

// comeAgain answers 503. With a body apt asks three times more, without one it
// tells its user at once and goes on with the rest; it keeps what it had.
func (e *entry) comeAgain(why string) {
	clear(e.Header())
	e.tell(http.StatusServiceUnavailable, why)
}

// asksAgain is false for what apt reads to update: apt 2.6 keeps the indexes of
// all suites of a server behind the one file that it has put off, for ever.
func (e *entry) asksAgain() bool {
	switch e.class {
	case ClassRelease, ClassIndex, ClassByHash, ClassPatch:
		return false
	case ClassNone: // nobody has looked what it is
		return strings.Contains(e.request.URL.Path, "/pool/")
	}
	return true
}

// printable keeps what a client sent from doing anything but being read.
func printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s[:min(len(s), maxReason)]
	}
	clean := strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, s)
	return clean[:min(len(clean), maxReason)]
}

func unprintable(r rune) bool { return r < ' ' || r > '~' }
