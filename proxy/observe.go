package proxy

import (
	"crypto/tls"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/identity"
)

// Class says what kind of thing was asked for. The set is bounded, so it can
// label a metric.
type Class string

const (
	ClassNone    Class = "none" // refused, or no such path
	ClassRelease Class = "release"
	ClassIndex   Class = "index"
	ClassByHash  Class = "by-hash"
	ClassPackage Class = "package"
	ClassPatch   Class = "patch"
	ClassImage   Class = "image"
	ClassPage    Class = "page" // of the server itself, as the status is
	ClassUpload  Class = "upload"
)

// Classes returns every class there is.
func Classes() []Class {
	return []Class{ClassNone, ClassRelease, ClassIndex, ClassByHash, ClassPackage, ClassPatch, ClassImage, ClassPage, ClassUpload}
}

// Outcome says where the bytes of an answer came from. The set is bounded, so
// it can label a metric.
type Outcome string

const (
	OutcomeNone Outcome = "none" // no file was sent: refused, not found, or not a file's answer
	OutcomeHit  Outcome = "hit"  // from the store, or from its headers alone
	OutcomeFill Outcome = "fill" // while it came from upstream into the store
	OutcomePass Outcome = "pass" // while it came from upstream, past the store
)

// Outcomes returns every outcome there is.
func Outcomes() []Outcome { return []Outcome{OutcomeNone, OutcomeHit, OutcomeFill, OutcomePass} }

// Served is what one request came to.
type Served struct {
	Identity identity.Identity // zero where the certificate was refused
	// Repository and Suite are names of the configuration; empty where the
	// path stands for nothing that is served.
	Repository, Suite string
	Class             Class
	Outcome           Outcome
	Status            int             // the HTTP status
	Refused           identity.Reason // why, "" where certificate and grants allow it
	Bytes             int64           // of the body, sent or (ClassUpload) received
	Duration          time.Duration
	// Cut says that the body ended before its end.
	Cut bool
}

// served sums up a request that has ended.
func (e *entry) served() Served {
	s := Served{
		Identity: e.identity, Repository: e.repository, Suite: e.suite, Class: e.class, Outcome: e.outcome,
		Status: e.status, Bytes: e.bytes, Duration: e.server.Now().Sub(e.started), Cut: e.cut,
	}
	if e.class == ClassUpload {
		s.Bytes = e.received
	}
	if refused := (*identity.RefusedError)(nil); errors.As(e.err, &refused) {
		s.Refused = refused.Reason
	}
	return s
}

func classOf(k catalog.Kind) Class {
	switch k {
	case catalog.KindRelease:
		return ClassRelease
	case catalog.KindIndex:
		return ClassIndex
	case catalog.KindByHash:
		return ClassByHash
	case catalog.KindPatch:
		return ClassPatch
	case catalog.KindImage:
		return ClassImage
	default:
		return ClassPackage
	}
}

// Connections counts connections since the server was made.
type Connections struct {
	Open             int64 // now
	Accepted         int64
	Handshakes       int64 // TLS handshakes that succeeded
	FailedHandshakes int64
}

// counters are the fields of Connections.
type counters struct{ open, accepted, handshakes, failed atomic.Int64 }

// Connections says how many connections there are and were.
func (s *Server) Connections() Connections {
	c := &s.counters
	return Connections{c.open.Load(), c.accepted.Load(), c.handshakes.Load(), c.failed.Load()}
}

// countHandshake is called at the end of a handshake by TLS itself.
func (s *Server) countHandshake(tls.ConnectionState) error {
	s.counters.handshakes.Add(1)
	return nil
}

// count notes a connection; what it returns notes its end.
func (c *counters) count(net.Conn) (closed func()) {
	c.accepted.Add(1)
	c.open.Add(1)
	return func() { c.open.Add(-1) }
}
