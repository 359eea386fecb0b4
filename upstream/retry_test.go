package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/upstream/upstreamtest"
)

// What passes by itself is tried again, with pauses that grow.
func TestPassingFailuresAreTriedAgain(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"503": upstreamtest.Status(http.StatusServiceUnavailable, ""), "429": upstreamtest.Status(http.StatusTooManyRequests, ""),
		"500": upstreamtest.Status(http.StatusInternalServerError, ""), "cut": upstreamtest.Truncate,
	} {
		t.Run(name, func(t *testing.T) {
			a := upstreamtest.New(t)
			p := a.AddPackage(upstreamtest.Package{Name: "hello", Size: 1000})
			a.Publish()
			m := newMirror(t, a)
			a.FaultTimes(2, "InRelease", fault)
			a.FaultTimes(2, "Packages.xz", upstreamtest.NotFound)
			a.FaultTimes(1, "dists/stable/main/binary-*/by-hash/SHA256/*", fault)
			f := m.file(m.refresh().Generation, p.Filename)
			waits := len(m.waited())
			a.FaultTimes(3, p.Filename, fault)
			if data, err := m.read(f); err != nil || !bytes.Equal(data, p.Deb) {
				t.Errorf("read %d bytes, %v", len(data), err)
			}
			if waits < 2 || len(m.waited()) <= waits {
				t.Errorf("paused %d times for the refresh, %d in all", waits, len(m.waited()))
			}
		})
	}
}

func TestLastingFailuresAreNotTriedForEver(t *testing.T) {
	a, m, p, f := published(t, 1000)
	a.Fault(p.Filename, upstreamtest.Status(http.StatusBadGateway, ""))
	if _, err := m.read(f); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("got %v", err)
	}
	if n := a.Count(p.Filename); n != 1+maxRetries {
		t.Errorf("%d requests, want %d", n, 1+maxRetries)
	}
	for i, w := range m.waited() {
		if full := firstWait << i; w < full/2 || w > full {
			t.Errorf("pause %d is %s", i, w)
		}
	}
}

func TestFailuresThatStayAreNotTriedAgain(t *testing.T) {
	for name, fault := range map[string]upstreamtest.Fault{
		"404": upstreamtest.NotFound, "403": upstreamtest.Status(http.StatusForbidden, ""), "other bytes": upstreamtest.WrongBytes,
		"redirected for ever": upstreamtest.Redirect("/debian/InRelease"), "redirected to a file": upstreamtest.Redirect("file:///etc/passwd"),
	} {
		t.Run(name, func(t *testing.T) {
			a, m, p, f := published(t, 1000)
			a.Fault("*", fault)
			if _, err := m.read(f); err == nil {
				t.Error("no error")
			}
			if n := a.Count(p.Filename); n != 1 || len(m.waited()) != 0 {
				t.Errorf("%d requests, pauses %v", n, m.waited())
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	a, m, p, f := published(t, 1000)
	a.FaultTimes(1, p.Filename, upstreamtest.Status(http.StatusTooManyRequests, "7"))
	if _, err := m.read(f); err != nil {
		t.Fatal(err)
	}
	if got := m.waited(); !slices.Equal(got, []time.Duration{7 * time.Second}) {
		t.Errorf("pauses %v, want 7s", got)
	}
}

// A server that wants to be left alone for longer than a client waits is.
func TestALongRetryAfterEndsTheAttempt(t *testing.T) {
	a, m, p, f := published(t, 1000)
	a.Fault(p.Filename, upstreamtest.Status(http.StatusServiceUnavailable, "3600"))
	if _, err := m.read(f); err == nil {
		t.Error("no error")
	}
	m.fills.Wait()
	m.at(m.Now().Add(longestLeave - time.Minute))
	requests := len(a.Requests())
	if _, err := m.read(f); err == nil || !strings.Contains(err.Error(), "wants not to be asked before") {
		t.Errorf("a second fill: %v", err)
	}
	_, err := m.Refresh(t.Context(), m.archive, "stable")
	if re := (*RefusedError)(nil); err == nil || errors.As(err, &re) {
		t.Errorf("a refresh: %v", err)
	}
	if n := len(a.Requests()); n != requests || a.Count(p.Filename) != 1 {
		t.Errorf("%d more requests", n-requests)
	}
	a.ClearFaults()
	m.at(m.Now().Add(time.Minute))
	m.refresh()
}

func TestRetryAfterForms(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "Thu, 01 Jan 2026 00:00:09 GMT": 9 * time.Second, "Wed, 31 Dec 2025 00:00:00 GMT": 0,
		"-1": 0, "soon": 0, "99999999999": 0,
	} {
		if got := retryAfter(value, now); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	if err := wait(ctx, time.Hour); err != cause {
		t.Errorf("got %v", err)
	}
	u := New(Config{})
	got := inTurn(ctx, u, []int{1, 2}, func(int) error { return &requestError{"x", errors.New("broken")} })
	if len(got) != 1 || got[0] != cause {
		t.Errorf("got %v", got)
	}
}

// Clients who ask again at once get the same answer without another request.
func TestAFailureIsRememberedForAWhile(t *testing.T) {
	a, m, p, f := published(t, 1000)
	a.Fault(p.Filename, upstreamtest.NotFound)
	for range 5 {
		if _, err := m.read(f); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	}
	if n := a.Count(p.Filename); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	a.ClearFaults()
	m.at(m.Now().Add(firstRest))
	if _, err := m.read(f); err != nil {
		t.Errorf("after the rest: %v", err)
	}
}

// What this program itself sets out to fetch does not wait for a rest to end.
func TestARestHoldsOnlyClients(t *testing.T) {
	a, m, p, f := published(t, 1000)
	a.Fault(p.Filename, upstreamtest.NotFound)
	if _, err := m.read(f); err == nil {
		t.Fatal("no error")
	}
	a.ClearFaults()
	if err := m.fetchWhole(t.Context(), f, demand{}); err != nil {
		t.Errorf("fetching ahead: %v", err)
	}
}

func TestRestsGrowAndAreBounded(t *testing.T) {
	var r resting
	now := time.Now()
	k := restKey{archive: "a"}
	for _, want := range []time.Duration{4, 8, 16, 32, 60, 60} {
		r.failed(k, errors.New("no"), now)
		if err := r.check(k, now.Add(want*time.Second-1)); err == nil {
			t.Errorf("a rest of %ds is over too soon", want)
		}
		now = now.Add(want * time.Second)
		if err := r.check(k, now); err != nil {
			t.Errorf("a rest of %ds is too long: %v", want, err)
		}
	}
	r.succeeded(k)
	for i := range 2 * maxResting {
		r.failed(restKey{fmt.Sprint(i), blob.Digest{}}, errors.New("no"), now)
	}
	if len(r.known) > maxResting {
		t.Errorf("%d are remembered, more than %d", len(r.known), maxResting)
	}
}
