package proxy

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// connection is a client that writes what a test says, byte for byte.
type connection struct {
	t testing.TB
	*tls.Conn
	in *bufio.Reader
}

// patience is how long a client waits for what must come; it only passes where
// a test fails.
const patience = 2 * time.Minute

func (s *site) dial(cert *tls.Certificate) *connection {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.address, s.config(cert))
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { conn.Close() })
	return &connection{s.t, conn, bufio.NewReader(patient{conn})}
}

// patient waits that long each time, however long a test takes.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	p.SetDeadline(time.Now().Add(patience))
	return p.Conn.Read(b)
}

// send writes a request of the given lines.
func (c *connection) send(lines ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(lines, "\r\n")+"\r\n\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

// get asks for a path, with further header lines.
func (c *connection) get(path string, headers ...string) answer {
	c.t.Helper()
	c.send(append([]string{"GET " + path + " HTTP/1.1", "Host: mirror.example.org"}, headers...)...)
	return c.answer("GET")
}

func (c *connection) head(path string, headers ...string) answer {
	c.t.Helper()
	c.send(append([]string{"HEAD " + path + " HTTP/1.1", "Host: mirror.example.org"}, headers...)...)
	return c.answer("HEAD")
}

// answer is what came back.
type answer struct {
	code    int
	status  string // with the reason
	header  http.Header
	body    string
	bodyErr error
	closes  bool // the server said that it closes the connection
}

// begin reads an answer up to its body.
func (c *connection) begin(method string) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	return resp
}

func (c *connection) answer(method string) answer {
	c.t.Helper()
	resp := c.begin(method)
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Status, resp.Header, string(body), err, resp.Close}
}

// closed checks that the server has hung up and said nothing more.
func (c *connection) closed() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Errorf("the connection should be closed, got %q, %v", rest, err)
	}
}

// eventually waits for what another goroutine is about to do.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); {
		if time.Now().After(end) {
			t.Fatalf("it never came true that %s", what)
		}
		<-time.After(time.Millisecond)
	}
}

// get asks on a connection of its own.
func (s *site) get(client, path string, headers ...string) answer {
	s.t.Helper()
	return s.dial(s.client(client)).get(path, headers...)
}
