package proxy

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A client that holds connections and asks for nothing loses the oldest of
// them to others; requests under way lose nothing.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	s := newSiteWith(t, func(s *Server) { s.connections.max = 3 })
	s.example()
	cert := s.client("a.example.org")
	hoarder := s.dial(cert)
	hoarder.get("/debian/" + inRelease)
	silent := []net.Conn{s.dialPlain(), s.dialPlain()} // never begin a handshake
	for range 5 {
		if a := s.dial(cert).get("/debian/" + inRelease); a.code != 200 {
			t.Fatalf("got %s", a.status)
		}
	}
	for i, conn := range append(silent, hoarder.NetConn()) {
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("connection %d was not closed: %v", i, err)
		}
	}
	if got := s.server.Connections(); got.Open > 3 || got.Evicted != 5 || got.Refused != 0 {
		t.Errorf("got %+v", got)
	}
}

// dialPlain makes a connection without TLS.
func (s *site) dialPlain() net.Conn {
	s.t.Helper()
	conn := must(net.Dial("tcp", s.address))(s.t)
	conn.SetDeadline(time.Now().Add(patience))
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

func TestRequestsUnderWayKeepTheirConnections(t *testing.T) {
	s := newSiteWith(t, func(s *Server) { s.connections.max = 2 })
	body := s.packageOf(32 << 20)
	cert := s.client("a.example.org")
	var busy []*connection
	for range 2 {
		c := s.dial(cert)
		c.send("GET /debian/"+deb+" HTTP/1.1", "Host: mirror.example.org")
		resp := c.begin("GET")
		io.ReadFull(resp.Body, make([]byte, 1))
		busy = append(busy, c)
	}
	conn := s.dialPlain()
	if n, err := conn.Read(make([]byte, 1)); err == nil || n > 0 {
		t.Errorf("a third connection got %d bytes", n)
	}
	if got := s.server.Connections(); got.Open != 2 || got.Evicted != 0 || got.Refused != 1 {
		t.Errorf("got %+v", got)
	}
	for _, c := range busy { // the rest of what was begun
		n, err := io.CopyN(io.Discard, c.in, int64(len(body))-1)
		if err != nil {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	eventually(t, "there is room again", func() bool {
		c := s.dialPlain()
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := c.Read(make([]byte, 1))
		return err != nil && strings.Contains(err.Error(), "timeout")
	})
}

// Clients that send too slowly, or nothing, are cut in time. On a busy machine some
// are before they have shaken hands.
func TestClientsThatDoNotAskAreCut(t *testing.T) {
	s := newSiteWith(t, func(s *Server) { s.http.ReadHeaderTimeout = 200 * time.Millisecond })
	cert := s.client("a.example.org")
	for name, send := range map[string]func(io.Writer){
		"no request":   func(w io.Writer) { w.(*tls.Conn).Handshake() },
		"half a line":  func(w io.Writer) { io.WriteString(w, "GET /debian") },
		"half headers": func(w io.Writer) { io.WriteString(w, "GET /debian/x HTTP/1.1\r\nHost: mirror.example.org\r\nX-A: ") },
		"drop by drop": func(w io.Writer) {
			for range 100_000 {
				if _, err := io.WriteString(w, "G"); err != nil {
					return
				}
				<-time.After(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := tls.Client(s.dialPlain(), s.config(cert))
			send(c)
			wantCut(t, c)
		})
	}
	t.Run("no handshake", func(t *testing.T) { wantCut(t, s.dialPlain()) })
}

func TestClientsThatAskNothingMoreAreCut(t *testing.T) {
	s := newSiteWith(t, func(s *Server) { s.http.IdleTimeout = 100 * time.Millisecond })
	s.example()
	c := s.dial(s.client("a.example.org"))
	if a := c.get("/debian/" + inRelease); a.code != 200 {
		t.Errorf("got %s", a.status)
	}
	wantCut(t, c)
}

func wantCut(t *testing.T, c io.Reader) {
	t.Helper()
	if _, err := io.ReadAll(c); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("the connection stays open")
	}
}
