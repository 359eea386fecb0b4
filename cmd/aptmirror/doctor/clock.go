package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/inforce"
)

const (
	// wrongClock is how far this machine's clock may be from that of others: beyond it, Releases are from the
	// future, and certificates not yet valid.
	wrongClock = 5 * time.Minute
	setClock   = "timedatectl set-ntp true"
	// timeError is the state of an unsynchronised clock, TIME_ERROR of adjtimex(2).
	timeError = 5
)

// clock compares with what upstreams say the time is.
func (d *Doctor) clock(ctx context.Context) []Finding {
	f := &findings{check: "clock"}
	var offs []time.Duration
	for _, a := range d.Config.Archives {
		if len(a.URIs) == 0 {
			continue
		}
		if off, err := d.offset(ctx, a); err == nil {
			offs = append(offs, off)
		}
	}
	if len(offs) == 0 {
		f.note("", "no upstream says what time it is")
		return f.list
	}
	// Caches on the way may be behind, hardly ever all by the same.
	off := slices.MinFunc(offs, func(a, b time.Duration) int { return int(a.Abs() - b.Abs()) })
	switch {
	case off > wrongClock:
		f.bad("", fmt.Sprintf("this machine is %s behind what upstream says", off.Round(time.Second)), setClock)
	case off < -wrongClock:
		f.bad("", fmt.Sprintf("this machine is %s ahead of what upstream says", -off.Round(time.Second)), setClock)
	default:
		f.ok("", fmt.Sprintf("upstream's is %s away", off.Abs().Round(time.Second)))
	}
	return f.list
}

// offset is what has to be added to this machine's time to come to a mirror's.
func (d *Doctor) offset(ctx context.Context, a config.Archive) (time.Duration, error) {
	route, err := inforce.RouteOf(a)
	if err != nil {
		return 0, err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: route.TLS, DisableKeepAlives: true}
	if route.Proxy != nil {
		transport.Proxy = route.Proxy
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	// No password goes along: a refusal is dated, too.
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, a.URIs[0]+"/", nil)
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("reading the date of an answer: %w", err)
	}
	if age, err := strconv.Atoi(response.Header.Get("Age")); err == nil && age > 0 && age < maxAge {
		date = date.Add(time.Duration(age) * time.Second)
	}
	return date.Sub(d.Now()), nil
}

// maxAge is in seconds: a year.
const maxAge = 365 * 24 * 60 * 60

// synchronised asks the kernel.
func (d *Doctor) synchronised(context.Context) []Finding {
	f := &findings{check: "clock"}
	state, err := syscall.Adjtimex(&syscall.Timex{})
	switch {
	case errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EPERM):
		f.note("", "the kernel does not say whether it is synchronised")
	case err != nil:
		f.note("", "asking the kernel about the clock: "+err.Error())
	case state == timeError:
		f.warn("", "it is not synchronised with any other", setClock)
	default:
		f.ok("", "it is synchronised")
	}
	return f.list
}
