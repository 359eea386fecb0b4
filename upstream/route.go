package upstream

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"time"
)

// DefaultConnections is how many requests to one archive run at a time.
const DefaultConnections = 8

// Route is how requests to an archive go out. The zero value goes the way that
// the environment says, to public addresses only, and says nothing of itself.
type Route struct {
	// AllowPrivate allows connections to loopback, link-local, private and
	// multicast addresses; those that URIs name as such are always allowed.
	AllowPrivate bool
	// Proxy chooses the proxy of a request; nil goes by the environment
	// (http.ProxyFromEnvironment). Behind a proxy AllowPrivate means nothing:
	// it is the proxy that resolves names and connects.
	Proxy func(*http.Request) (*url.URL, error)
	// Auth has passwords for mirrors and proxies; nil has none.
	Auth *Auth
	// TLS has a client certificate and the CAs; nil is none and the system's.
	TLS *tls.Config
	// Bandwidth bounds what comes, in bytes a second; 0 is no bound.
	Bandwidth int64
	// Connections bounds the requests under way; 0 is DefaultConnections.
	Connections int
}

// Direct is a Proxy that chooses none, whatever the environment says.
func Direct(*http.Request) (*url.URL, error) { return nil, nil }

func (r *Route) connections() int {
	if r.Connections == 0 {
		return DefaultConnections
	}
	return r.Connections
}

// newClient makes a client that keeps connections open, never decodes bodies
// and follows a bounded number of redirects, none of them from https to http.
func newClient(a *Archive) *http.Client {
	r, d := &a.Route, newDialer(a)
	proxy := r.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  d.through(proxy, r.Auth),
			DialContext:            d.dial,
			TLSClientConfig:        r.TLS.Clone(),
			TLSHandshakeTimeout:    connectTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    r.connections(),
			IdleConnTimeout:        90 * time.Second,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			ReadBufferSize:         64 << 10,
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			r.Auth.authorise(next) // net/http passes passwords on to other ports and schemes
			return checkRedirect(next, via)
		},
	}
}

// fetcherOf gives the one fetcher of an archive.
func (u *Upstream) fetcherOf(a *Archive) *fetcher {
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.fetchers[a]
	if f == nil {
		f = &fetcher{
			client: newClient(a), agent: "aptmirror/" + u.Version, auth: a.Route.Auth,
			fetched: func(bytes int64, err error) { u.Fetched(a.Name, bytes, err) },
			slots:   make(chan struct{}, a.Route.connections()),
			ahead:   make(chan struct{}, max(1, a.Route.connections()*3/4)),
		}
		if a.Route.Bandwidth > 0 {
			f.limit = &limiter{rate: a.Route.Bandwidth}
		}
		u.fetchers[a] = f
	}
	return f
}
