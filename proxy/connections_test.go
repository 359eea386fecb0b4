package proxy

import (
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

// Clients that send too slowly, or nothing, are cut in time.
func TestClientsThatDoNotAskAreCut(t *testing.T) {
	s := newSiteWith(t, func(s *Server) {
		s.http.ReadHeaderTimeout, s.http.IdleTimeout = 200*time.Millisecond, 100*time.Millisecond
	})
	s.example()
	cert := s.client("a.example.org")
	for name, do := range map[string]func(*connection){
		"no request":   func(*connection) {},
		"half a line":  func(c *connection) { io.WriteString(c, "GET /debian") },
		"half headers": func(c *connection) { io.WriteString(c, "GET /debian/x HTTP/1.1\r\nHost: mirror.example.org\r\nX-A: ") },
		"between":      func(c *connection) { c.get("/debian/" + inRelease) },
		"drop by drop": func(c *connection) {
			for range 100_000 {
				if _, err := io.WriteString(c, "G"); err != nil {
					return
				}
				<-time.After(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial(cert)
			do(c)
			if _, err := io.ReadAll(c.in); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Error("the connection stays open")
			}
		})
	}
	silent := s.dialPlain()
	if _, err := io.ReadAll(silent); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Error("a client that never begins its handshake stays")
	}
	eventually(t, "no connection is open", func() bool { return s.server.Connections().Open == 0 })
}
