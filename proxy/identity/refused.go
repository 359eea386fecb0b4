package identity

import (
	"fmt"
	"strings"
)

// Reason says why a client was refused. The set is bounded, so it can label a metric.
type Reason string

const (
	NoCertificate Reason = "no-certificate"
	Expired       Reason = "expired"        // the certificate or an authority above it
	NotYetValid   Reason = "not-yet-valid"  // likewise
	UnknownIssuer Reason = "unknown-issuer" // no chain to a configured authority
	Revoked       Reason = "revoked"        // the certificate or an authority above it
	StaleCRL      Reason = "stale-crl"      // nobody can tell whether it is revoked: the server's fault
	Unusable      Reason = "unusable"       // wrong usage, weak key, no name, constraint violated
	AmbiguousName Reason = "ambiguous-name" // several names
	NotAuthorised Reason = "not-authorised" // known, but no rule allows this
)

// Reasons returns every reason there is.
func Reasons() []Reason {
	return []Reason{NoCertificate, Expired, NotYetValid, UnknownIssuer, Revoked, StaleCRL, Unusable, AmbiguousName, NotAuthorised}
}

// RefusedError is the answer to a client that may not do what it wants.
type RefusedError struct {
	Reason Reason
	// Text is one line for the person at the client: printable ASCII, below 200 bytes. It may
	// quote the client's own certificate, never the server's configuration.
	Text string
	// Err is what the check said, for the log; nil where Text says it all.
	Err error
}

func (e *RefusedError) Error() string { return e.Text }

func (e *RefusedError) Unwrap() error { return e.Err }

// maxText keeps a status line with the text within what apt reads as one line, in bytes.
const maxText = 199

// maxQuoted is how much of a name out of a certificate or request is repeated, in bytes.
const maxQuoted = 60

func refuse(reason Reason, format string, args ...any) *RefusedError {
	for i, arg := range args {
		if s, ok := arg.(string); ok {
			args[i] = shorten(ascii(s), maxQuoted)
		}
	}
	return &RefusedError{Reason: reason, Text: shorten(ascii(fmt.Sprintf(format, args...)), maxText)}
}

func (e *RefusedError) because(err error) *RefusedError {
	e.Err = err
	return e
}

// ascii replaces everything that could break or disguise a line.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit-3] + "..."
}
