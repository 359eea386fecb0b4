package inforce

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
	"aptmirror/upstream"
	"aptmirror/upstream/pgp"
)

// RouteOf reads the files that say how an archive is reached.
func RouteOf(a config.Archive) (r upstream.Route, err error) {
	r = upstream.Route{AllowPrivate: a.AllowPrivate, Bandwidth: a.Bandwidth, Connections: a.Connections}
	if r.Proxy, err = proxyOf(a.Proxy); err == nil && a.Auth != "" {
		r.Auth, err = upstream.LoadAuth(a.Auth)
	}
	if err == nil {
		r.TLS, err = tlsOf(a)
	}
	if err != nil {
		return r, fmt.Errorf("archive %s: %w", a.Name, err)
	}
	return r, nil
}

func proxyOf(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case config.DirectProxy:
		return upstream.Direct, nil
	}
	u, err := url.Parse(proxy)
	if err != nil {
		return nil, fmt.Errorf("reading proxy: %w", err)
	}
	return http.ProxyURL(u), nil
}

// tlsOf is nil where nothing of it is configured.
func tlsOf(a config.Archive) (*tls.Config, error) {
	if a.ClientCert == "" && a.CA == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ClientCert != "" {
		if err := pki.CheckKeyFile(a.ClientKey); err != nil {
			return nil, fmt.Errorf("loading client_key: %w", err)
		}
		pair, err := tls.LoadX509KeyPair(a.ClientCert, a.ClientKey)
		if err != nil {
			return nil, fmt.Errorf("loading client_cert and client_key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if a.CA != "" {
		text, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("loading ca: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("loading ca: %s has no certificate in PEM", a.CA)
		}
	}
	return c, nil
}

// ArchiveOf turns what the configuration says of an archive into what upstream
// works with. It reads the files that say how the archive is reached.
func ArchiveOf(a config.Archive, keys *pgp.Keyring) (*upstream.Archive, error) {
	route, err := RouteOf(a)
	if err != nil {
		return nil, err
	}
	u := &upstream.Archive{
		Name: a.Name, Suites: a.Suites, Components: a.Components, Architectures: a.Architectures, Installer: a.Installer,
		Keyring: keys, MaxAge: a.MaxAge, Route: route,
	}
	for _, uri := range a.URIs {
		u.URIs = append(u.URIs, uri+"/")
	}
	return u, nil
}
