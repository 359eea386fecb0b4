package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// outcome is everything that a call brings.
type outcome struct {
	Events []Event
	Result SyncResult
	Error  *Error
	Other  string // an error that is not the work's
}

func call(t *testing.T, c *Client, request any) (o outcome) {
	t.Helper()
	err := c.Call(t.Context(), "sync", request, func(e Event) { o.Events = append(o.Events, e) }, &o.Result)
	if err != nil && !errors.As(err, &o.Error) {
		o.Other = err.Error()
	}
	return o
}

func TestBothTransportsGiveTheSameAnswers(t *testing.T) {
	partly := &Error{"one of two suites failed", ExitPartly}
	result := &SyncResult{Suites: []SuiteResult{{Archive: "debian", Suite: "bookworm", Generation: 3, New: true}}}
	for name, test := range map[string]struct {
		request any
		result  *SyncResult
		err     error
		want    outcome
	}{
		"result":           {SyncRequest{}, result, nil, outcome{Result: *result}},
		"result and error": {SyncRequest{Archives: []string{"debian"}}, result, partly, outcome{Result: *result, Error: partly}},
		"error": {SyncRequest{}, nil, errors.New("the disk is full"),
			outcome{Error: &Error{"the disk is full", ExitFailed}}},
		"wrapped error": {SyncRequest{}, nil, fmt.Errorf("in the end: %w", partly),
			outcome{Error: &Error{"in the end: one of two suites failed", ExitPartly}}},
		"nothing":       {SyncRequest{}, nil, nil, outcome{}},
		"not an object": {"sync", result, nil, outcome{Error: &Error{"reading the call: json: cannot unmarshal string into Go value of type admin.SyncRequest", ExitUsage}}},
		"too large": {SyncRequest{Archives: []string{strings.Repeat("x", MaxRequest)}}, result, nil,
			outcome{Error: &Error{"reading the call: http: request body too large", ExitUsage}}},
	} {
		t.Run(name, func(t *testing.T) {
			news := []Event{
				{Time: time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC), Job: 7, Text: "looking at bookworm"},
				{Archive: "debian", Suite: "bookworm", Text: "line\nbreak \u2028 </script>", Failed: true},
			}
			b := &backend{sync: func(_ context.Context, by Caller, r SyncRequest, tell func(Event)) (*SyncResult, error) {
				if want, _ := test.request.(SyncRequest); by.UID != os.Getuid() || !cmp.Equal(r, want) {
					t.Errorf("called by %v with %v", by, r)
				}
				for _, e := range news {
					tell(e)
				}
				return test.result, test.err
			}}
			if test.want.Error == nil || test.want.Error.Exit != ExitUsage {
				test.want.Events = news
			}
			h := NewHandler(b, os.Getuid())
			if diff := cmp.Diff(test.want, call(t, dial(t, serve(t, h)), test.request)); diff != "" {
				t.Errorf("over the socket (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, call(t, InProcess(h), test.request)); diff != "" {
				t.Errorf("in process (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCallsThatTheOtherSideDoesNotKnow(t *testing.T) {
	h := NewHandler(&backend{}, os.Getuid())
	for _, c := range []*Client{dial(t, serve(t, h)), InProcess(h)} {
		err := c.Call(t.Context(), "sing", struct{}{}, nil, nil)
		if err == nil || !strings.Contains(err.Error(), "it answered 404 Not Found to sing; is it of another version?") {
			t.Errorf("got %v", err)
		}
	}
}

func TestEventsComeWhileTheWorkGoesOn(t *testing.T) {
	seen := make(chan struct{})
	b := &backend{sync: func(_ context.Context, _ Caller, _ SyncRequest, news func(Event)) (*SyncResult, error) {
		news(Event{Text: "begun"})
		<-seen
		return &SyncResult{}, nil
	}}
	h := NewHandler(b, os.Getuid())
	for _, c := range []*Client{dial(t, serve(t, h)), InProcess(h)} {
		if err := c.Call(t.Context(), "sync", SyncRequest{}, func(Event) { seen <- struct{}{} }, &SyncResult{}); err != nil {
			t.Error(err)
		}
	}
}

func TestEventsFromManyGoroutinesStayWhole(t *testing.T) {
	const workers, each = 8, 50
	b := &backend{sync: func(_ context.Context, _ Caller, _ SyncRequest, news func(Event)) (*SyncResult, error) {
		done := make(chan struct{})
		for range workers {
			go func() {
				for range each {
					news(Event{Text: strings.Repeat("x", 1000)})
				}
				done <- struct{}{}
			}()
		}
		for range workers {
			<-done
		}
		return &SyncResult{}, nil
	}}
	events := 0
	err := dial(t, serve(t, NewHandler(b, os.Getuid()))).Call(t.Context(), "sync", SyncRequest{}, func(e Event) { events++ }, &SyncResult{})
	if err != nil || events != workers*each {
		t.Errorf("%d events, %v", events, err)
	}
}

func TestWorkGoesOnWhenTheCallerLeaves(t *testing.T) {
	begun, proceed, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	b := &backend{sync: func(ctx context.Context, _ Caller, _ SyncRequest, news func(Event)) (*SyncResult, error) {
		defer close(ended)
		news(Event{Text: "begun"})
		close(begun)
		<-ctx.Done() // the server has noticed
		<-proceed
		for range 1000 {
			news(Event{Text: "nobody hears this"})
		}
		return &SyncResult{}, nil
	}}
	c := dial(t, serve(t, NewHandler(b, os.Getuid())))
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-begun
		cancel(stop)
	}()
	if err := c.Call(ctx, "sync", SyncRequest{}, func(Event) {}, &SyncResult{}); !errors.Is(err, stop) {
		t.Errorf("the caller got %v", err)
	}
	close(proceed)
	<-ended
}

func TestWorkInProcessIsToldToEnd(t *testing.T) {
	b := &backend{sync: func(ctx context.Context, _ Caller, _ SyncRequest, news func(Event)) (*SyncResult, error) {
		news(Event{Text: "begun"})
		<-ctx.Done()
		return &SyncResult{Suites: []SuiteResult{{Suite: "bookworm"}}}, &Error{"interrupted", ExitPartly}
	}}
	ctx, cancel := context.WithCancel(t.Context())
	var result SyncResult
	err := InProcess(NewHandler(b, os.Getuid())).Call(ctx, "sync", SyncRequest{}, func(Event) { cancel() }, &result)
	if fault := (*Error)(nil); !errors.As(err, &fault) || fault.Exit != ExitPartly || len(result.Suites) != 1 {
		t.Errorf("got %v and %v, want the outcome of the work", result, err)
	}
}

func TestWorkDoesNotWaitForCallersThatStopReading(t *testing.T) {
	ended := make(chan struct{})
	b := &backend{sync: func(_ context.Context, _ Caller, _ SyncRequest, news func(Event)) (*SyncResult, error) {
		defer close(ended)
		for range 100 {
			news(Event{Text: strings.Repeat("x", 100_000)}) // more than a socket holds
		}
		return &SyncResult{}, nil
	}}
	socket := serve(t, newHandler(b, rules{os.Getuid(), 20 * time.Millisecond, bodyPatience}))
	io.WriteString(raw(t, socket), post("sync", "application/json", "{}"))
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the work waits")
	}
}

func TestNewsAfterTheOutcomeIsDropped(t *testing.T) {
	var late func(Event)
	b := &backend{sync: func(_ context.Context, _ Caller, _ SyncRequest, news func(Event)) (*SyncResult, error) {
		late = news
		return &SyncResult{}, nil
	}}
	if o := call(t, dial(t, serve(t, NewHandler(b, os.Getuid()))), SyncRequest{}); o.Other != "" {
		t.Fatal(o.Other)
	}
	late(Event{Text: "too late"}) // net/http would panic
}

func TestOnlyRootAndTheOwnerMayCall(t *testing.T) {
	h := NewHandler(&backend{status: func(context.Context) (*Status, error) { return &Status{Version: "1"}, nil }}, 1000)
	for _, test := range []struct {
		caller any
		want   string
	}{
		{Caller{UID: 0}, `{"result":{"version":"1"`},
		{Caller{UID: 1000}, `{"result":{"version":"1"`},
		{Caller{UID: 1001}, `{"error":{"text":"user 1001 may not administer`},
		{Caller{UID: -1}, `{"error":{"text":"user -1 may not administer`},
		{nil, `{"error":{"text":"the kernel does not say who is calling"`},
	} {
		r := httptest.NewRequest("POST", "/v1/status", strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, test.caller)))
		if !strings.HasPrefix(w.Body.String(), test.want) {
			t.Errorf("%v: got %s", test.caller, w.Body)
		}
	}
}

func TestOddRequests(t *testing.T) {
	socket := serve(t, NewHandler(&backend{sync: func(context.Context, Caller, SyncRequest, func(Event)) (*SyncResult, error) {
		t.Error("the work was begun")
		return nil, nil
	}}, os.Getuid()))
	const usage = `{"error":{"text":"reading the call: `
	for name, test := range map[string]struct {
		request string
		code    int
		body    string
	}{
		"wrong content type":  {post("sync", "text/plain", "{}"), 200, usage + `content type \"text/plain\", want application/json`},
		"form":                {post("sync", "application/x-www-form-urlencoded", "archives=x"), 200, usage + "content type"},
		"unknown field":       {post("sync", "application/json", `{"archive":"debian"}`), 200, usage + `json: unknown field \"archive\"`},
		"wrong type":          {post("sync", "application/json", `{"archives":"debian"}`), 200, usage + "json: cannot unmarshal"},
		"no body":             {post("sync", "application/json", ""), 200, usage + "EOF"},
		"half a body":         {post("sync", "application/json", `{"archives":[`), 200, usage + "unexpected EOF"},
		"two values":          {post("sync", "application/json", `{} {}`), 200, usage + "there is more than one value"},
		"rubbish after value": {post("sync", "application/json", `{}]`), 200, usage + "there is more than one value"},
		"deep nesting":        {post("sync", "application/json", strings.Repeat("[", 100_000)), 200, usage + "invalid character"},
		"too large":           {post("sync", "application/json", `{"archives":["`+strings.Repeat("x", MaxRequest)+`"]}`), 200, usage + "http: request body too large"},
		"GET":                 {"GET /v1/sync HTTP/1.1\r\nHost: daemon\r\nConnection: close\r\n\r\n", 405, ""},
		"other path":          {post("sync/x", "application/json", "{}"), 404, ""},
		"huge header":         {"POST /v1/sync HTTP/1.1\r\nHost: daemon\r\nX: " + strings.Repeat("x", 21<<10) + "\r\n\r\n", 431, ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn := raw(t, socket)
			go io.WriteString(conn, test.request)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != test.code || !strings.HasPrefix(string(body), test.body) {
				t.Errorf("got %s %.200s", resp.Status, body)
			}
		})
	}
}

func TestDaemonThatGoesAway(t *testing.T) {
	for answer, want := range map[string]string{
		"":                         "EOF",
		`{"event":{"text":"a"}}`:   "EOF",
		`{"event":{"text":"a"}`:    "unexpected EOF",
		`{"result":{"suites":3}}`:  "reading the daemon's answer",
		"<html>":                   "invalid character",
		`{"event":{"text":"a"}} {`: "unexpected EOF",
	} {
		err := read(t.Context(), strings.NewReader(answer), func(Event) {}, &SyncResult{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", answer, err, want)
		}
	}
}

// FuzzRequest looks for a body that makes the handler panic, or answer with
// anything but one outcome at the end.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{"{}", `{"archives":["debian"]}`, "null", "[]", `{"archives":null}{}`, "\x00", `{"ARCHIVES":["x"]}`} {
		f.Add(body)
	}
	h := NewHandler(&backend{sync: func(_ context.Context, _ Caller, r SyncRequest, news func(Event)) (*SyncResult, error) {
		for _, a := range r.Archives {
			news(Event{Text: a})
		}
		return &SyncResult{}, nil
	}}, 0)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/v1/sync", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, Caller{})))
		outcomes := 0
		for d := json.NewDecoder(w.Body); d.More(); {
			var m Message
			if err := d.Decode(&m); err != nil || outcomes > 0 {
				t.Fatalf("%q: after %d outcomes: %v", body, outcomes, err)
			}
			if m.Event == nil {
				outcomes++
			}
		}
		if outcomes != 1 {
			t.Errorf("%q: %d outcomes", body, outcomes)
		}
	})
}

// FuzzAnswer looks for an answer that makes a client panic.
func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{`{"event":{"text":"a"}}{"result":{}}`, `{"result":{"suites":[{}]},"error":{"exit":3}}`, "{}", "null", "", "[", `{"result":null}`} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		read(t.Context(), strings.NewReader(string(answer)), func(Event) {}, &SyncResult{})
	})
}
