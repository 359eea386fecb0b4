package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// NewHandler answers calls with a backend. allowed is the user, besides root,
// that may call.
func NewHandler(b Backend, allowed int) http.Handler {
	mux := http.NewServeMux()
	handle(mux, "status", allowed, func(ctx context.Context, _ Caller, _ struct{}, _ func(Event)) (*Status, error) {
		return b.Status(ctx)
	})
	handle(mux, "sync", allowed, func(ctx context.Context, by Caller, r SyncRequest, news func(Event)) (*SyncResult, error) {
		return b.Sync(ctx, by, r, news)
	})
	handle(mux, "accept", allowed, func(ctx context.Context, by Caller, r AcceptRequest, news func(Event)) (*AcceptResult, error) {
		return b.Accept(ctx, by, r, news)
	})
	handle(mux, "verify", allowed, func(ctx context.Context, by Caller, _ struct{}, news func(Event)) (*VerifyResult, error) {
		return b.Verify(ctx, by, news)
	})
	handle(mux, "jobs", allowed, func(ctx context.Context, _ Caller, _ struct{}, _ func(Event)) (*Jobs, error) {
		return b.Jobs(ctx)
	})
	handle(mux, "reload", allowed, func(ctx context.Context, by Caller, _ struct{}, _ func(Event)) (*Access, error) {
		return b.Reload(ctx, by)
	})
	return mux
}

// handle registers one call; do may give a result beside an error.
func handle[Q, A any](mux *http.ServeMux, name string, allowed int, do func(context.Context, Caller, Q, func(Event)) (*A, error)) {
	mux.HandleFunc("POST /v1/"+name, func(w http.ResponseWriter, r *http.Request) {
		out := &answer{w: w, json: json.NewEncoder(w)}
		caller, ok := r.Context().Value(callerKey{}).(Caller)
		if !ok || caller.UID != 0 && caller.UID != allowed {
			out.send(Message{Error: &Error{fmt.Sprintf("user %d may not administer this aptmirror: run the command as root or as the user of the service", caller.UID), ExitFailed}})
			return
		}
		var request Q
		if err := readRequest(w, r, &request); err != nil {
			out.send(Message{Error: &Error{"reading the call: " + err.Error(), ExitUsage}})
			return
		}
		result, err := do(r.Context(), caller, request, func(e Event) { out.send(Message{Event: &e}) })
		out.finish(result, result != nil, err)
	})
}

func readRequest(w http.ResponseWriter, r *http.Request, into any) error {
	if t := r.Header.Get("Content-Type"); t != "application/json" {
		return fmt.Errorf("content type %q, want application/json", t)
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxRequest))
	body.DisallowUnknownFields()
	return body.Decode(into)
}

// answer writes messages; events may come from several goroutines.
type answer struct {
	mu   sync.Mutex // held while one message is written
	w    http.ResponseWriter
	json *json.Encoder
}

// send writes one message. A caller who has left is no reason to stop the
// work, so that errors of writing are not looked at.
func (a *answer) send(m Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.w.Header().Set("Content-Type", "application/x-ndjson")
	a.json.Encode(m)
	if f, ok := a.w.(http.Flusher); ok {
		f.Flush()
	}
}

func (a *answer) finish(result any, has bool, err error) {
	var m Message
	if has {
		raw, encodeErr := json.Marshal(result)
		m.Result, err = raw, errors.Join(err, encodeErr)
	}
	if err != nil {
		m.Error = &Error{err.Error(), ExitFailed}
		if ae := (*Error)(nil); errors.As(err, &ae) {
			m.Error.Exit = ae.Exit
		}
	}
	a.send(m)
}
