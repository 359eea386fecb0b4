package upstream

import (
	"context"
	"crypto/x509"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"aptmirror/cache/blob"
)

// What fails for reasons that may pass is tried again after pauses that double
// (apt's Acquire::Retries and its back-off).
const (
	maxRetries = 3
	firstWait  = time.Second
	// longestWait bounds one pause, a server's Retry-After included: apt gives
	// up on us after 30 s, so that a longer pause is left to whoever asks next.
	longestWait = 10 * time.Second
)

// wait is Config.Wait where none is given.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// backoff gives the pause before a retry, counted from 0; random is in [0, 1).
func backoff(retry int, random float64) time.Duration {
	d := firstWait << retry
	return d/2 + time.Duration(random*float64(d/2))
}

// inTurn asks one place after the other until one gives what is wanted, and
// then, after a pause, those again that failed for reasons that may pass. It
// gives the last failure of each place, and nil for success.
func inTurn[P any](ctx context.Context, u *Upstream, places []P, ask func(P) error) several {
	failures := make(several, len(places))
	pending := make([]int, len(places))
	for i := range places {
		pending[i] = i
	}
	for retry := 0; ; retry++ {
		pause := backoff(retry, rand.Float64())
		var again []int
		for _, i := range pending {
			failures[i] = ask(places[i])
			if failures[i] == nil {
				return nil
			}
			if ctx.Err() != nil {
				return several{context.Cause(ctx)}
			}
			if errors.Is(failures[i], blob.ErrNoSpace) { // no place can help
				return several{failures[i]}
			}
			if after, ok := transient(failures[i]); ok && after <= longestWait {
				again, pause = append(again, i), max(pause, after)
			}
		}
		if pending = again; len(again) == 0 || retry == maxRetries {
			return failures
		}
		if err := u.Wait(ctx, pause); err != nil {
			return several{err}
		}
	}
}

// transient says whether a failure may pass by itself, and how long the server
// wants to be left alone.
func transient(err error) (after time.Duration, ok bool) {
	if se := (*statusError)(nil); errors.As(err, &se) {
		switch se.code {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return se.retryAfter, true
		}
		return 0, false
	}
	re := (*requestError)(nil)
	return 0, errors.As(err, &re) && !isPermanent(err)
}

// isPermanent tells requests that were refused on purpose from those that failed.
func isPermanent(err error) bool {
	var (
		private     *PrivateAddressError
		redirect    *redirectError
		authority   x509.UnknownAuthorityError
		name        x509.HostnameError
		certificate x509.CertificateInvalidError
	)
	return errors.As(err, &private) || errors.As(err, &redirect) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &certificate)
}

// retryAfter reads the header of that name: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
