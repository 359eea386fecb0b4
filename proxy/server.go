// Package proxy is what clients meet: an HTTPS server that serves repositories
// to machines with a valid client certificate, and to nobody else.
//
// A request is first turned into an identity and a grant; only then is
// anything looked up, and only paths that a retained generation names exist.
// A file that is in the store is served from it without a thought of upstream;
// one that is not yet there is streamed while it is filled. The package knows
// neither how files are fetched nor how repositories are made.
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// Filler brings a file that is named by a generation but is not in the store.
type Filler interface {
	// Fill returns once the file can be read, perhaps while it still comes.
	// The error is fs.ErrNotExist if there is no such file any more.
	Fill(ctx context.Context, f catalog.File) (*blob.Follower, error)
}

// Access is what decides who gets in; it is replaced as a whole, never changed.
type Access struct {
	// Certificate is the server's own.
	Certificate *tls.Certificate
	// Trust says which client certificates are good.
	Trust *identity.Trust
	// Grants says what their holders may read.
	Grants *identity.Grants
	// Strict refuses a bad client certificate in the TLS handshake, where the
	// person at the client learns no reason (apt-protocol: "Connection
	// failed"). Otherwise the handshake succeeds and every request is answered
	// with 403 and the reason in the status line, which apt shows.
	Strict bool
}

// Config is what a Server works with.
type Config struct {
	Catalog *catalog.Catalog
	Blobs   *blob.Store
	Filler  Filler
	Access  *Access
	Log     *slog.Logger
	Now     func() time.Time // nil: the system's clock
}

// Bounds of a connection.
const (
	headerTimeout  = 10 * time.Second // for the handshake and for a request's headers
	idleTimeout    = 2 * time.Minute
	stallTimeout   = time.Minute // for a client to take one piece of a body
	maxHeaderBytes = 16 << 10
)

// Server answers clients.
type Server struct {
	Config
	access atomic.Pointer[Access]
	http   *http.Server
}

// New prepares a server.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{Config: c}
	s.access.Store(c.Access)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	return s
}

// SetAccess replaces certificates, trust and grants; requests that begin
// afterwards, on open connections too, are judged by the new ones.
func (s *Server) SetAccess(a *Access) { s.access.Store(a) }

// Serve answers on a listener of plain TCP until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(tls.NewListener(l, s.tlsConfig()))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown lets requests under way finish until ctx ends, then cuts them.
func (s *Server) Shutdown(ctx context.Context) error {
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// tlsConfig takes certificates from the Access of the moment. Session tickets
// are off: a resumed session would skip the look at the client's certificate.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		a := s.access.Load()
		config := &tls.Config{
			Certificates:           []tls.Certificate{*a.Certificate},
			MinVersion:             tls.VersionTLS12,
			NextProtos:             []string{"http/1.1"},
			SessionTicketsDisabled: true,
			ClientAuth:             tls.RequestClientCert,
		}
		if a.Strict {
			config.ClientAuth = tls.RequireAnyClientCert
			config.VerifyConnection = func(c tls.ConnectionState) error {
				_, err := a.Trust.Identify(c.PeerCertificates, s.Now())
				return err
			}
		}
		return config, nil
	}}
}
