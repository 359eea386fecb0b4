package proxy

import (
	"log/slog"
	"net/http"
	"time"
)

// entry is one request's line in the access log, and the writer that learns
// what belongs in it. A client that stops reading for stallTimeout is cut.
type entry struct {
	http.ResponseWriter
	server   *Server
	request  *http.Request
	control  *http.ResponseController
	started  time.Time
	identity string
	status   int
	bytes    int64
	fill     bool
	err      error
}

func (s *Server) begin(w http.ResponseWriter, r *http.Request) *entry {
	return &entry{ResponseWriter: w, server: s, request: r, control: http.NewResponseController(w), started: s.Now()}
}

func (e *entry) WriteHeader(status int) {
	e.status = status
	e.ResponseWriter.WriteHeader(status)
}

func (e *entry) Write(p []byte) (int, error) {
	if err := e.control.SetWriteDeadline(time.Now().Add(stallTimeout)); err != nil {
		return 0, err
	}
	n, err := e.ResponseWriter.Write(p)
	e.bytes += int64(n)
	return n, err
}

func (e *entry) end() {
	level := slog.LevelInfo
	attrs := []any{
		"identity", e.identity, "peer", e.request.RemoteAddr, "method", e.request.Method, "path", printable(e.request.URL.Path),
		"status", e.status, "bytes", e.bytes, "fill", e.fill, "seconds", e.server.Now().Sub(e.started).Seconds(),
	}
	if e.err != nil {
		level = slog.LevelWarn
		attrs = append(attrs, "error", e.err)
	}
	e.server.Log.Log(e.request.Context(), level, "request", attrs...)
}
