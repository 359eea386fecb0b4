// Package proxy is what clients meet: an HTTPS server that serves repositories
// to machines with a valid client certificate, and to nobody else.
//
// A request is first turned into an identity and a grant; only then is
// anything looked up, and only paths that a retained generation names exist.
// A file that is in the store is served from it without a thought of upstream;
// one that is not yet there is streamed while it is filled. The package knows
// neither how files are fetched nor how repositories are made.
//
// An address is /REPOSITORY/PATH, decoded once, dot segments taken out; a
// query is ignored. Below /REPOSITORY/snapshot/ID/ is an earlier state of the
// repository, and below /REPOSITORY/changelogs/ is what its packages say of their
// changes. Below /-/ are the server's own pages, and where packages are
// uploaded to. In proxy mode a request may name a whole address of an archive
// in place of a path, and gets the repository that serves that archive as it is.
// Answers, where apt's reading of them decides:
//
//	400, 403, 405  with the reason in the status line, the only text of a
//	               server that apt shows; the connection is closed
//	404            no retained generation has the path, or the archive lost it
//	503            with a body and Retry-After, without which apt would give
//	               up: nothing verified yet, or the file cannot be had now
//	cut            a body that cannot be finished with verified bytes
package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// Filler brings a file that is named by a generation but is not in the store.
type Filler interface {
	// Fill returns once the file can be read, perhaps while it still comes.
	// The error is fs.ErrNotExist if there is no such file any more, and
	// blob.ErrNoSpace if the store cannot take it. What a Follower reads ends
	// when ctx does.
	Fill(ctx context.Context, f catalog.File) (blob.Stream, error)
}

// Usage is told which files are being sent, so that none of them is removed.
type Usage interface {
	Begin(blob.Digest)
	End(blob.Digest)
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
	// person at the client learns no reason (apt says "Connection failed").
	// Otherwise the handshake succeeds and every request is answered with 403
	// and the reason.
	Strict bool
	// Origins are the addresses that requests of proxies are answered for; nil:
	// there is no proxy mode.
	Origins *Origins
}

// Config is what a Server works with. It must not be changed after New.
type Config struct {
	Catalog *catalog.Catalog
	Blobs   *blob.Store
	Filler  Filler
	// Pass gives a file that the store cannot take; nil: there is no such way.
	Pass func(ctx context.Context, f catalog.File) (blob.Stream, error)
	// Usage may be nil, where nothing is ever removed.
	Usage  Usage
	Access *Access // the first one; see SetAccess
	// Status answers GET and HEAD below /-/, which is cut off the path, for
	// identities that may see the status; nil: there are no such pages.
	Status http.Handler
	// Admin answers calls, POST /-/v1/NAME, with /- cut off the path, by
	// identities that may administer; nil: there are none.
	Admin func(w http.ResponseWriter, r *http.Request, by identity.Identity)
	// Uploads takes what is PUT to /-/upload/POOL/... by identities that may
	// upload to the pool; nil: nothing is taken.
	Uploads Uploads
	// Snapshots finds what is served below /REPOSITORY/snapshot/; nil: nothing.
	Snapshots Snapshots
	// Changelogs finds what is served below /REPOSITORY/changelogs/ where no file
	// lies there; nil: nothing.
	Changelogs Changelogs
	// MaxUpload is the largest file that is taken, in bytes; 0: 4 GiB.
	MaxUpload int64
	// MaxConnections is how many connections there are at most; 0: as many as
	// come.
	MaxConnections int
	// Observe is called at the end of every request, from many goroutines; nil
	// where nobody counts. It must not block.
	Observe func(Served)
	Log     *slog.Logger
	Now     func() time.Time // nil: the system's clock
}

// Bounds of a connection.
const (
	headerTimeout  = 10 * time.Second // for the handshake and for a request's headers
	idleTimeout    = 2 * time.Minute
	stallTimeout   = time.Minute // for a client to take one piece of a body
	maxHeaderBytes = 16 << 10    // net/http adds 4 KiB; beyond that it answers 431
)

// Server answers clients.
type Server struct {
	Config
	access      atomic.Pointer[inForce]
	http        *http.Server
	stall       time.Duration  // stallTimeout, shorter in tests
	lingering   sync.WaitGroup // one for each refused connection that is not closed yet
	connections connections
	shares      shares
	waits       time.Duration   // shareTimeout, shorter in tests
	life        context.Context // ends when Shutdown begins
	end         context.CancelFunc
}

// inForce is an Access with the TLS configuration made from it.
type inForce struct {
	*Access
	tls *tls.Config
}

// New prepares a server.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Server{Config: c, stall: stallTimeout, waits: shareTimeout}
	s.connections.max = c.MaxConnections
	s.life, s.end = context.WithCancel(context.Background())
	s.SetAccess(c.Access)
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      s.stall, // until entry.Write sets its own
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnContext:       withBatch,
		ErrorLog:          log.New(serverLog{c.Log, &s.connections.failed}, "", 0),
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){},
		// "OPTIONS *" would be answered before anyone asked who wants to know.
		DisableGeneralOptionsHandler: true,
	}
	return s
}

// SetAccess replaces certificates, trust and grants; requests that begin
// afterwards, on open connections too, are judged by the new ones.
func (s *Server) SetAccess(a *Access) { s.access.Store(&inForce{a, s.tlsConfig(a)}) }

// Serve answers on a listener of plain TCP until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	current := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return s.access.Load().tls, nil
	}}
	err := s.http.Serve(tls.NewListener(batches{l, &s.connections}, current))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown lets requests under way finish until ctx ends, then cuts them. It
// waits for refused clients to hang up, lingerTimeout at most.
func (s *Server) Shutdown(ctx context.Context) error {
	s.end()
	defer s.lingering.Wait()
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(err, s.http.Close())
	}
	return nil
}

// tlsConfig asks for a certificate but names no authorities: a client that has
// none of theirs would then send nothing, and could not be told what is wrong
// with the one it has. Session tickets are off, because a resumed session
// skips the look at the certificate; apt never resumes.
func (s *Server) tlsConfig(a *Access) *tls.Config {
	config := &tls.Config{
		Certificates:                []tls.Certificate{*a.Certificate},
		MinVersion:                  tls.VersionTLS12,
		NextProtos:                  []string{"http/1.1"},
		SessionTicketsDisabled:      true,
		ClientAuth:                  tls.RequestClientCert,
		DynamicRecordSizingDisabled: true, // small records only pay where a browser paints as it reads
		VerifyConnection:            s.countHandshake,
	}
	if a.Strict {
		config.ClientAuth = tls.RequireAnyClientCert
		config.VerifyConnection = func(c tls.ConnectionState) error {
			if _, err := a.Trust.Identify(c.PeerCertificates, s.Now()); err != nil {
				return s.turnAway(err)
			}
			return s.countHandshake(c)
		}
	}
	return config
}
