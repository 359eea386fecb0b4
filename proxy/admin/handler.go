package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// NewHandler answers calls with a backend. allowed is the user, besides root,
// that may call.
func NewHandler(b Backend, allowed int) http.Handler {
	return newHandler(b, rules{allowed, callerPatience, bodyPatience})
}

// callerPatience is how long a caller may take no news before they count as
// gone: work must not wait for a terminal that was stopped.
const callerPatience = 10 * time.Second

// rules hold for every call.
type rules struct {
	uid      int           // who may call, besides root
	patience time.Duration // for a caller to take one message
	stall    time.Duration // for a caller to send one bodyPiece
}

func newHandler(b Backend, allowed rules) http.Handler {
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
	handle(mux, "verify", allowed, func(ctx context.Context, by Caller, r VerifyRequest, news func(Event)) (*VerifyResult, error) {
		return b.Verify(ctx, by, r, news)
	})
	handle(mux, "gc", allowed, func(ctx context.Context, by Caller, r GCRequest, _ func(Event)) (*GCResult, error) {
		return b.GC(ctx, by, r)
	})
	handle(mux, "jobs", allowed, func(ctx context.Context, _ Caller, _ struct{}, _ func(Event)) (*Jobs, error) {
		return b.Jobs(ctx)
	})
	handle(mux, "log", allowed, func(ctx context.Context, by Caller, r LogRequest, _ func(Event)) (*LogLevel, error) {
		return b.LogLevel(ctx, by, r)
	})
	handleSnapshots(mux, b, allowed)
	handleBundles(mux, b, allowed)
	handleRings(mux, b, allowed)
	handlePolicies(mux, b, allowed)
	handle(mux, "reload", allowed, func(ctx context.Context, by Caller, _ struct{}, _ func(Event)) (*Access, error) {
		return b.Reload(ctx, by)
	})
	handleWith(mux, "packages/add", allowed, b.AddPackages)
	handle(mux, "packages/serve", allowed, func(ctx context.Context, by Caller, r ServePackagesRequest, news func(Event)) (*ServedPackages, error) {
		return b.ServePackages(ctx, by, r, news)
	})
	handle(mux, "packages", allowed, func(ctx context.Context, _ Caller, r PackagesRequest, _ func(Event)) (*Packages, error) {
		return b.Packages(ctx, r)
	})
	handle(mux, "packages/remove", allowed, func(ctx context.Context, by Caller, r RemovePackagesRequest, _ func(Event)) (*RemovedPackages, error) {
		return b.RemovePackages(ctx, by, r)
	})
	return mux
}

// handle registers one call; do may give a result beside an error.
func handle[Q, A any](mux *http.ServeMux, name string, allowed rules, do func(context.Context, Caller, Q, func(Event)) (*A, error)) {
	mux.HandleFunc("POST /v1/"+name, func(w http.ResponseWriter, r *http.Request) {
		out := newAnswer(w, allowed)
		caller, err := allowed.admit(r)
		if err != nil {
			out.send(Message{Error: &Error{err.Error(), ExitFailed}})
			return
		}
		var request Q
		if err := readRequest(w, r, allowed, &request); err != nil {
			out.send(Message{Error: &Error{"reading the call: " + err.Error(), ExitUsage}})
			return
		}
		result, err := do(r.Context(), caller, request, func(e Event) { out.send(Message{Event: &e}) })
		out.finish(result, result != nil, err)
	})
}

// AsIdentity makes a request one of an identity that may administer.
func AsIdentity(r *http.Request, name string) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, Caller{UID: -1, Identity: name}))
}

func (a rules) admit(r *http.Request) (Caller, error) {
	caller, ok := r.Context().Value(callerKey{}).(Caller)
	if !ok {
		return Caller{}, errors.New("the kernel does not say who is calling")
	}
	if caller.Identity == "" && caller.UID != 0 && caller.UID != a.uid {
		return Caller{}, fmt.Errorf("user %d may not administer this aptmirror: run the command as root or as the user of the service", caller.UID)
	}
	return caller, nil
}

func readRequest(w http.ResponseWriter, r *http.Request, allowed rules, into any) error {
	if t := r.Header.Get("Content-Type"); t != "application/json" {
		return fmt.Errorf("content type %q, want application/json", t)
	}
	body := json.NewDecoder(http.MaxBytesReader(w, allowed.paced(w, r), MaxRequest))
	body.DisallowUnknownFields()
	if err := body.Decode(into); err != nil {
		return err
	}
	if _, err := body.Token(); err != io.EOF {
		return errors.New("there is more than one value")
	}
	return nil
}

// answer writes messages; events may come from several goroutines.
type answer struct {
	control  *http.ResponseController
	patience time.Duration

	mu   sync.Mutex // guards the fields below, and is held while one message is written
	w    http.ResponseWriter
	json *json.Encoder
	gone bool // the caller has left, or has everything
}

func newAnswer(w http.ResponseWriter, allowed rules) *answer {
	return &answer{control: http.NewResponseController(w), patience: allowed.patience, w: w, json: json.NewEncoder(w)}
}

// send writes one message. A caller who has left is no reason to stop the
// work, so that errors only end the news. Inside one process there are neither
// deadlines nor buffers, hence ErrNotSupported.
func (a *answer) send(m Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone {
		return
	}
	a.w.Header().Set("Content-Type", "application/x-ndjson")
	deadlineErr := a.control.SetWriteDeadline(time.Now().Add(a.patience))
	for _, err := range []error{deadlineErr, a.json.Encode(m), a.control.Flush()} {
		a.gone = a.gone || err != nil && !errors.Is(err, http.ErrNotSupported)
	}
	a.gone = a.gone || m.Event == nil // nothing follows the outcome
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
