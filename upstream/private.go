package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"syscall"
	"time"
)

// PrivateAddressError is a connection that was not made because the address is
// not on the public net: a mirror, or whoever answers for its name, must not
// make this program talk to what only it can reach.
type PrivateAddressError struct {
	Host    string // as it was asked for, with its port
	Address string // what its name resolved to
	Kind    string // "loopback", "private" and so on
}

func (e *PrivateAddressError) Error() string {
	return fmt.Sprintf("refusing to connect to %s: %s is a %s address, and the archive does not say allow_private = true", e.Host, e.Address, e.Kind)
}

// specialNets are those that the methods of netip.Addr do not know (IANA's
// special-purpose address registries).
var specialNets = []struct {
	net  netip.Prefix
	kind string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this-network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignment"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("100::/64"), "discard-only"},
}

// embedding nets carry an IPv4 address, at that byte, to which a router may
// translate.
var embedding = []struct {
	net netip.Prefix
	at  int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12},
	{netip.MustParsePrefix("2002::/16"), 2},
	{netip.MustParsePrefix("::/96"), 12},
}

// privateKind says what kind of address that is not on the public net an
// address is; "" for a public one.
func privateKind(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsUnspecified():
		return "unspecified"
	case ip.IsLoopback():
		return "loopback"
	case ip.IsPrivate():
		return "private"
	case ip.IsLinkLocalUnicast():
		return "link-local"
	case ip.IsMulticast():
		return "multicast"
	}
	for _, s := range specialNets {
		if s.net.Contains(ip) {
			return s.kind
		}
	}
	for _, e := range embedding {
		if e.net.Contains(ip) {
			b := ip.As16()
			return privateKind(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
		}
	}
	return ""
}

// dialer makes the connections of one archive and looks at every address after
// its name was resolved, so that redirects are looked at, too.
type dialer struct {
	allowPrivate bool
	// named are the addresses IP:PORT that the archive's uris name themselves:
	// whoever wrote them meant them.
	named map[string]bool
	// proxies are the addresses HOST:PORT of proxies that were chosen. The
	// administrator chose them, and behind one the addresses cannot be seen.
	proxies sync.Map
}

func newDialer(a *Archive) *dialer {
	d := &dialer{allowPrivate: a.Route.AllowPrivate, named: map[string]bool{}}
	for _, uri := range a.URIs {
		u, err := url.Parse(uri)
		if err != nil {
			continue
		}
		if _, err := netip.ParseAddr(u.Hostname()); err == nil {
			d.named[hostPort(u)] = true
		}
	}
	return d
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n := &net.Dialer{Timeout: connectTimeout}
	_, isProxy := d.proxies.Load(address)
	if !d.allowPrivate && !d.named[address] && !isProxy {
		n.Control = func(_, resolved string, _ syscall.RawConn) error { return checkPublic(address, resolved) }
	}
	return n.DialContext(ctx, network, address)
}

func checkPublic(host, resolved string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return err
	}
	if kind := privateKind(at.Addr()); kind != "" {
		return &PrivateAddressError{host, at.Addr().String(), kind}
	}
	return nil
}

// through notes the proxies that are chosen, and gives them their passwords.
func (d *dialer) through(choose func(*http.Request) (*url.URL, error), auth *Auth) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		proxy, err := choose(r)
		if proxy == nil || err != nil {
			return nil, err
		}
		d.proxies.Store(hostPort(proxy), true)
		if user := auth.user(proxy); user != nil && proxy.User == nil {
			with := *proxy
			with.User = user
			return &with, nil
		}
		return proxy, nil
	}
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

func hostPort(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), portOf(u))
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return defaultPorts[u.Scheme]
}

// lookupTimeout bounds a look-up that only serves to make a configuration.
const lookupTimeout = 5 * time.Second

// IsPrivate says whether the host of a URI has an address that is not on the
// public net, for whoever writes a configuration; false where it has none.
func IsPrivate(ctx context.Context, uri string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return false
	}
	for _, ip := range ips {
		if privateKind(ip) != "" {
			return true
		}
	}
	return false
}
