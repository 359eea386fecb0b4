package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// DirectProxy is the value of [Archive.Proxy] that takes none, whatever the environment says.
const DirectProxy = "direct"

const (
	// maxConnections is the most requests to one archive at a time: more is an attack.
	maxConnections = 100
	// minBandwidth is the least number of bytes a second: below it clients give up waiting.
	minBandwidth = 10_000
)

// route reads how requests to an archive go out.
func (d *decoder) route(t *table, a *Archive) {
	a.AllowPrivate = d.yes(t, "allow_private")
	a.Proxy = d.one(t, "proxy", CleanProxy)
	a.Auth = d.one(t, "auth", d.path)
	a.ClientCert = d.one(t, "client_cert", d.path)
	a.ClientKey = d.one(t, "client_key", d.path)
	a.CA = d.one(t, "ca", d.path)
	a.Bandwidth, _ = parseBandwidth(d.one(t, "bandwidth", cleanBandwidth))
	a.Connections = d.number(t, "connections", 1, maxConnections)
	switch {
	case t.nodes["client_key"] == nil && t.nodes["client_cert"] != nil:
		d.required(t, "client_key")
	case t.nodes["client_cert"] == nil && t.nodes["client_key"] != nil:
		d.required(t, "client_cert")
	}
}

func (f *formatter) routeValues(v values, a Archive) {
	v["allow_private"] = whenTrue(a.AllowPrivate)
	v["proxy"] = quoteSet(a.Proxy)
	v["auth"] = f.path(a.Auth)
	v["client_cert"] = f.path(a.ClientCert)
	v["client_key"] = f.path(a.ClientKey)
	v["ca"] = f.path(a.CA)
	if a.Bandwidth > 0 {
		v["bandwidth"] = quote(formatSize(a.Bandwidth) + "/s")
	}
	if a.Connections > 0 {
		v["connections"] = strconv.Itoa(a.Connections)
	}
}

// CleanProxy checks the address of a proxy, or DirectProxy.
func CleanProxy(s string) (string, error) {
	if s == DirectProxy {
		return s, nil
	}
	u, err := parseURL(s, "http", "https", "socks5")
	if err != nil {
		return "", err
	}
	if strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("%q has a path: write SCHEME://HOST:PORT only", s)
	}
	return u.Scheme + "://" + u.Host, nil
}

func parseBandwidth(s string) (int64, error) {
	size, ok := strings.CutSuffix(s, "/s")
	n, err := parseSize(size)
	if !ok || err != nil {
		return 0, errors.New(`is not a rate: write a number, kB, MB or GB (1000), or KiB, MiB or GiB (1024), and "/s", as in "10MB/s"`)
	}
	return n, nil
}

func cleanBandwidth(s string) (string, error) {
	n, err := parseBandwidth(s)
	if err != nil {
		return "", fmt.Errorf("%q %w", s, err)
	}
	if n < minBandwidth {
		return "", fmt.Errorf("%q is too slow: at least %s/s", s, formatSize(minBandwidth))
	}
	return s, nil
}
