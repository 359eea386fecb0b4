package proxy

import (
	"errors"
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
	Peer     string            // address and port
	// Repository and Suite are names of the configuration; empty where the
	// path stands for nothing that is served.
	Repository, Suite string
	Class             Class
	Outcome           Outcome
	Status            int             // the HTTP status; 0: refused in the handshake
	Refused           identity.Reason // why, "" where certificate and grants allow it
	Why               string          // what a refused client was told
	Bytes             int64           // of the body, sent or (ClassUpload) received
	Duration          time.Duration
	// Cut says that the body ended before its end, Left that it did because
	// the client went away.
	Cut, Left bool
}

// turnAway tells of a client that a strict server refuses in the handshake.
func (s *Server) turnAway(err error) error {
	if refused := (*identity.RefusedError)(nil); s.Observe != nil && errors.As(err, &refused) {
		s.Observe(Served{Class: ClassNone, Outcome: OutcomeNone, Refused: refused.Reason, Why: refused.Text})
	}
	return err
}

// served sums up a request that has ended.
func (e *entry) served() Served {
	s := Served{
		Identity: e.identity, Peer: e.request.RemoteAddr, Repository: e.repository, Suite: e.suite, Class: e.class, Outcome: e.outcome,
		Status: e.status, Bytes: e.bytes, Duration: e.server.Now().Sub(e.started), Cut: e.cut, Left: e.cut && e.clientLeft(),
	}
	if e.class == ClassUpload {
		s.Bytes = e.received
	}
	if e.err != nil {
		s.explain(e.err)
	}
	return s
}

func (s *Served) explain(err error) {
	if refused := (*identity.RefusedError)(nil); errors.As(err, &refused) {
		s.Refused, s.Why = refused.Reason, refused.Text
	}
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
