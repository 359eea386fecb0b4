package proxy

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"aptmirror/proxy/identity"
)

// entry is one request's line in the access log, and the writer that learns
// what belongs in it. It sends the header with the first byte of the body, so
// that what fails before can still be answered otherwise.
type entry struct {
	http.ResponseWriter
	server   *Server
	request  *http.Request
	started  time.Time
	access   *inForce          // by which it was judged last
	identity identity.Identity // zero: refused
	status   int
	sent     bool   // status and header are out
	cut      bool   // the body ended too early
	bytes    int64  // sent of the body
	received int64  // of an upload
	err      error  // why the answer is not what was asked for
	writeErr error  // why the client could not be given more
	share    *share // nil: no limits
	uploads  bool   // an upload was allowed and may be coming

	repository, suite string // of what is sent
	path              string // of it in the repository
	class             Class
	outcome           Outcome
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request) *entry {
	return &entry{ResponseWriter: w, server: s, request: r, started: s.Now(), status: http.StatusOK, class: ClassNone, outcome: OutcomeNone}
}

// WriteHeader sends the header at once.
func (e *entry) WriteHeader(status int) {
	e.status, e.sent = status, true
	e.ResponseWriter.WriteHeader(status)
}

// Write sends a piece of the body, at the rate that the client's identity may
// have.
func (e *entry) Write(p []byte) (n int, err error) {
	for {
		piece := p[n : n+e.share.piece(len(p)-n)]
		if err = e.share.pause(e.request.Context(), len(piece)); err != nil {
			return n, err
		}
		sent, err := e.send(piece)
		if n += sent; err != nil || n == len(p) {
			return n, err
		}
	}
}

// send sends what is left of the header, and a piece, at once. A client that
// does not take it within stallTimeout is cut.
func (e *entry) send(p []byte) (n int, err error) {
	if !e.sent {
		e.WriteHeader(e.status)
	}
	control := http.NewResponseController(e.ResponseWriter)
	write := func() error {
		if n, err = e.ResponseWriter.Write(p); err != nil {
			return err
		}
		return control.Flush()
	}
	if err = control.SetWriteDeadline(time.Now().Add(e.server.stall)); err == nil {
		err = batchOf(e.request.Context()).together(write)
	}
	e.bytes += int64(n)
	e.writeErr = err
	return n, err
}

// clientLeft says whether the answer ended for lack of somebody to take it.
func (e *entry) clientLeft() bool { return e.writeErr != nil || e.request.Context().Err() != nil }

// end tells who observes, and writes the line.
func (e *entry) end() {
	if e.server.Observe != nil {
		e.server.Observe(e.served())
	}
	e.log()
}

// log writes the line. Warnings are for what the mirror's own people can mend.
func (e *entry) log() {
	level := slog.LevelInfo
	if e.err != nil && e.status != http.StatusNotFound && !e.clientLeft() && !errors.Is(e.err, errCrowded) {
		level = slog.LevelWarn
	}
	ctx := e.request.Context()
	if !e.server.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs,
		slog.String("identity", e.identity.Name), slog.String("serial", e.identity.Serial),
		slog.String("peer", e.request.RemoteAddr), slog.String("method", printable(e.request.Method)),
		slog.String("path", e.asked()), slog.Int("status", e.status), slog.Int64("bytes", e.bytes),
		slog.Bool("fill", e.outcome == OutcomeFill || e.outcome == OutcomePass), slog.Float64("seconds", e.server.Now().Sub(e.started).Seconds()))
	e.server.Log.LogAttrs(ctx, level, "request", e.fault(e.subject(attrs))...)
}

// asked is the path of the request; in proxy mode, the whole address.
func (e *entry) asked() string {
	u := e.request.URL
	switch {
	case u.Host == "":
		return printable(u.Path)
	case u.Scheme == "": // CONNECT
		return printable(u.Host)
	}
	return printable(u.Scheme + "://" + u.Host + u.Path) // without a password
}

// subject adds what the request was about, for people who look for a package.
func (e *entry) subject(attrs []slog.Attr) []slog.Attr {
	switch e.class {
	case ClassNone, ClassPage:
		return attrs
	case ClassUpload:
		return append(attrs, slog.Int64("received", e.received))
	}
	attrs = append(attrs, slog.String("repository", e.repository), slog.String("suite", e.suite))
	if e.class == ClassPackage {
		if name, version := packageOf(e.path); name != "" {
			attrs = append(attrs, slog.String("package", name), slog.String("version", version))
		}
	}
	return attrs
}

// fault adds what the log says of an answer that is not what was asked for: for
// a refused certificate also what the client was not told.
func (e *entry) fault(attrs []slog.Attr) []slog.Attr {
	if e.err == nil {
		return attrs
	}
	attrs = append(attrs, slog.Any("error", e.err))
	if refused := (*identity.RefusedError)(nil); errors.As(e.err, &refused) {
		attrs = append(attrs, slog.String("reason", string(refused.Reason)))
		if refused.Err != nil {
			attrs = append(attrs, slog.Any("cause", refused.Err))
		}
	}
	return attrs
}

// audit writes a line about what somebody did, or was refused to do.
func (s *Server) audit(e *entry, act string, err error, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("identity", e.identity.Name), slog.String("serial", e.identity.Serial), slog.String("peer", e.request.RemoteAddr))
	level := slog.LevelInfo
	if err != nil {
		level, attrs = slog.LevelWarn, append(attrs, slog.Any("error", err))
	}
	s.Log.LogAttrs(e.request.Context(), level, act, attrs...)
}

// serverLog takes what net/http has to say. A handshake that failed is for
// people to see, since a strict server explains itself nowhere else, but no
// fault of the mirror's; the rest is.
type serverLog struct {
	log    *slog.Logger
	failed *atomic.Int64 // handshakes
}

func (l serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	if strings.HasPrefix(text, "http: TLS handshake error") {
		l.failed.Add(1)
		l.log.Info(text)
	} else {
		l.log.Error(text)
	}
	return len(line), nil
}
