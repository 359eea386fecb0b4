package upstream

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

func TestPrivateKinds(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1": "loopback", "127.8.9.10": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback",
		"10.1.2.3": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private", "fd12::1": "private",
		"169.254.169.254": "link-local", "fe80::1%eth0": "link-local", "fe80::1": "link-local",
		"224.0.0.251": "multicast", "ff02::fb": "multicast", "0.0.0.0": "unspecified", "::": "unspecified", "0.1.2.3": "this-network",
		"100.64.0.1": "carrier-grade NAT", "255.255.255.255": "reserved", "240.0.0.1": "reserved", "198.18.0.1": "benchmarking", "192.0.0.8": "protocol assignment",
		"fec0::1": "site-local", "64:ff9b::10.0.0.1": "private", "64:ff9b::127.0.0.1": "loopback", "2002:0a00:0001::1": "private", "::10.0.0.1": "private",
		"8.8.8.8": "", "172.15.0.1": "", "172.32.0.1": "", "100.128.0.1": "", "2606:4700::1": "", "64:ff9b::8.8.8.8": "", "2002:0808:0808::1": "",
	} {
		if got := privateKind(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

// A name that resolves to this machine is refused, and so is a redirect to it.
func TestPrivateAddressesAreRefused(t *testing.T) {
	a := upstreamtest.New(t)
	p := a.AddPackage(upstreamtest.Package{Name: "hello"})
	a.Publish()
	m := newMirror(t, a)
	byNumber := m.archive.URIs[0]
	byName := strings.Replace(byNumber, "127.0.0.1", "localhost", 1)
	m.archive.URIs = []string{byName}
	m.refused(PrivateHost, "localhost", "loopback", "allow_private")
	if n := len(a.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}

	allowed := newMirror(t, a)
	allowed.archive.URIs, allowed.archive.Route.AllowPrivate = []string{byName}, true
	g := allowed.refresh().Generation

	inside := a.Mirror()
	for _, allow := range []bool{false, true} {
		m := newMirror(t, a)
		m.archive.Route.AllowPrivate = allow
		m.refresh()
		a.FaultTimes(1, "*.deb", upstreamtest.RedirectTree(inside.URL()))
		_, err := m.read(allowed.file(g, p.Filename))
		private := (*PrivateAddressError)(nil)
		if allow != (err == nil) || !allow && !errors.As(err, &private) {
			t.Errorf("a redirect inside, allowed %v: %v", allow, err)
		}
		if n := inside.Count(p.Filename); allow != (n == 1) {
			t.Errorf("a redirect inside, allowed %v: %d requests were made there", allow, n)
		}
	}
}

func TestIsPrivate(t *testing.T) {
	for uri, want := range map[string]bool{
		"http://localhost/debian": true, "http://127.0.0.1:80/debian": true, "https://[::1]/": true, "http://8.8.8.8/": false, ":": false,
	} {
		if got := IsPrivate(t.Context(), uri); got != want {
			t.Errorf("%s: %v, want %v", uri, got, want)
		}
	}
}
