package status

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler answers for the addresses in the package comment. Who may ask is
// decided before.
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", b.servePage)
	mux.HandleFunc("/status", b.servePage)
	mux.HandleFunc("/icon.svg", serveIcon)
	mux.Handle("/metrics", promhttp.HandlerFor(b.metrics.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, ErrorLog: scrapeLog{b}}))
	mux.HandleFunc("/healthz", serveHealth)
	mux.HandleFunc("/readyz", b.serveReady)
	return readOnly(mux)
}

// scrapeLog takes what goes wrong with a scrape.
type scrapeLog struct{ board *Board }

func (l scrapeLog) Println(v ...any) {
	l.board.Log.Error("answering a scrape failed", "error", strings.TrimSpace(fmt.Sprintln(v...)))
}

// securityPolicy lets the page have its own style sheet and icon, and nothing
// else; nobody may put it into a frame.
var securityPolicy = "default-src 'none'; style-src '" + styleHash + "'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func readOnly(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := w.Header().Set
		set("Content-Security-Policy", securityPolicy)
		set("X-Content-Type-Options", "nosniff")
		set("Referrer-Policy", "no-referrer")
		set("Cross-Origin-Resource-Policy", "same-origin")
		set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			set("Allow", "GET, HEAD")
			http.Error(w, "only GET and HEAD are answered here", http.StatusMethodNotAllowed)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// Local guards a handler on a listener that asks for no certificate: it answers
// only under this machine's own names. A page elsewhere could otherwise make a
// browser on this machine read the answers, by giving its own host name this
// machine's address.
func Local(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			http.Error(w, "this address is for this machine alone: ask for it as localhost, 127.0.0.1 or [::1]; over mTLS it is /-/status", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (b *Board) servePage(w http.ResponseWriter, r *http.Request) {
	s, err := b.state(r.Context())
	if err != nil {
		b.Log.Error("reading the state for the status page failed", "error", err)
		http.Error(w, "the state cannot be read at the moment; the log says why", http.StatusInternalServerError)
		return
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, b.view(s)); err != nil {
		b.Log.Error("writing the status page failed", "error", err)
		http.Error(w, "the page cannot be written; the log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes())
}

// state asks for the state and adds what the board itself knows.
func (b *Board) state(ctx context.Context) (*State, error) {
	s, err := b.State(ctx)
	if err != nil {
		return nil, err
	}
	own := *s
	if name, end := b.clients.soonest(b.Now().Add(-30 * day)); !end.IsZero() && !slices.ContainsFunc(s.Expiries, func(x Expiry) bool { return x.Kind == ClientCertificate && x.Name == name }) {
		own.Expiries = append(own.Expiries[:len(own.Expiries):len(own.Expiries)], Expiry{ClientCertificate, name, end})
	}
	return &own, nil
}

func serveIcon(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Write(icon)
}

func serveHealth(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") }

func (b *Board) serveReady(w http.ResponseWriter, r *http.Request) {
	s, err := b.state(r.Context())
	if err != nil {
		b.Log.Error("reading the state for /readyz failed", "error", err)
		http.Error(w, "the state cannot be read at the moment; the log says why", http.StatusServiceUnavailable)
		return
	}
	var lines []string
	for _, x := range s.Suites {
		if why := unready(x, b.Now()); why != "" {
			lines = append(lines, fmt.Sprintf("%s %s: %s", x.Repository, x.Suite, why))
		}
	}
	if len(lines) > 0 {
		http.Error(w, strings.Join(lines, "\n"), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "ready: %d suites\n", len(s.Suites))
}
