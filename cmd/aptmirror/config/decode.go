package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxItems bounds every list and the number of [[tables]] of one kind: far beyond any site, and small enough that the
// checks between entries stay quick.
const maxItems = 1000

// decoder turns the tree into a Config and collects the problems on the way; after a problem it goes on with a zero value.
type decoder struct {
	file, dir string // the path as given, for messages; its absolute folder, for relative paths
	problems  []Problem
	more      int
}

func (d *decoder) document(text []byte) *Config {
	if len(text) > MaxFile {
		d.problem(place{}, "the file is longer than %d bytes", MaxFile)
		return nil
	}
	root := d.tree(text)
	if root == nil {
		return nil
	}
	d.unknownKeys(root, topLevel)
	c := &Config{State: d.one(root, "state", d.path)}
	if c.State == "" {
		c.State = DefaultState
	}
	if t := d.single(root, serveSection); t != nil {
		c.Serve = d.serve(t)
	}
	if t := d.single(root, cacheSection); t != nil {
		// cleanSize has parsed it; "" is no limit.
		c.Cache.MaxSize, _ = parseSize(d.one(t, "max_size", cleanSize))
	}
	if t := d.single(root, clientsSection); t != nil {
		c.Clients = d.clients(t)
	}
	if t := d.single(root, statusSection); t != nil {
		c.Status.Listen = d.one(t, "listen", cleanLoopback)
	}
	d.entries(root, c)
	return c
}

// entries reads the lists of tables. Each may name entries of the ones before it.
func (d *decoder) entries(root *table, c *Config) {
	// The names of archives and pools are one set: both are the second element of pool/NAME/...
	c.Archives = entries(d, root, archiveSection, names{}, d.archive)
	c.Pools = entries(d, root, poolSection, takenByArchives(c), d.pool)
	c.Keys = entries(d, root, signingKeySection, names{}, d.key)
	c.Policies = entries(d, root, policySection, names{}, d.policy)
	repository := func(t *table) Repository { return d.repository(t, c) }
	c.Repositories = entries(d, root, repositorySection, names{}, repository)
	if n := root.nodes[repositorySection.name]; n != nil && len(c.Repositories) > 0 {
		d.checkSources(subtables(n), c)
	}
	c.Snapshots = entries(d, root, snapshotSection, names{}, func(t *table) Snapshot { return d.snapshot(t, c) })
	if t := d.single(root, bundlesSection); t != nil {
		c.Bundles = d.bundles(t, c)
	}
	c.Grants = entries(d, root, grantSection, nil, func(t *table) Grant { return d.grant(t, c) })
}

func takenByArchives(c *Config) names {
	taken := names{}
	for _, a := range c.Archives {
		taken[a.Name] = "is the name of an archive: files of both are below pool/" + a.Name
	}
	return taken
}

func (d *decoder) serve(t *table) Serve {
	s := Serve{
		Listen:     d.list(t, "listen", cleanListen),
		PublicURL:  d.one(t, "public_url", cleanPublicURL),
		Cert:       d.one(t, "cert", d.path),
		Key:        d.one(t, "key", d.path),
		ClientCA:   d.list(t, "client_ca", d.path),
		CRL:        d.list(t, "crl", d.path),
		ClientAuth: d.one(t, "client_auth", oneOf(Explain, Strict)),
		ServerCA:   d.one(t, "server_ca", d.path),

		CRLGrace:    d.duration(t, "crl_grace", 0),
		CRLRequired: d.yes(t, "crl_required"),
		CNAllowed:   d.yes(t, "cn_allowed"),
		ProxyMode:   d.yes(t, "proxy_mode"),

		MaxConnections: d.number(t, "max_connections", minServed, maxServed),
	}
	if s.ClientAuth == "" {
		s.ClientAuth = Explain
	}
	if t.nodes["listen"] == nil {
		s.Listen = []string{DefaultListen}
	}
	if t.nodes["crl_grace"] == nil {
		s.CRLGrace = DefaultCRLGrace
	}
	if t.nodes["max_connections"] == nil {
		s.MaxConnections = DefaultMaxConnections
	}
	if s.CRLRequired && len(s.CRL) == 0 {
		d.problem(t.at("crl_required"), "needs crl: without a list every client would be refused")
	}
	d.required(t, "cert", "key", "client_ca")
	d.notEmpty(t, "listen", "client_ca")
	return s
}

func (d *decoder) clients(t *table) Clients {
	d.required(t, "ca_cert", "ca_key", "dir")
	return Clients{CACert: d.one(t, "ca_cert", d.path), CAKey: d.one(t, "ca_key", d.path), Dir: d.one(t, "dir", d.path)}
}

func (d *decoder) archive(t *table) Archive {
	a := Archive{
		Name:          d.one(t, "name", cleanName),
		URIs:          d.list(t, "uris", CleanURI),
		Suites:        d.list(t, "suites", CleanSuite),
		Components:    d.list(t, "components", CleanComponent),
		Architectures: d.list(t, "architectures", CleanArchitecture),
		Languages:     d.list(t, "languages", CleanLanguage),
		SignedBy:      d.list(t, "signed_by", d.signer),
		Refresh:       d.refresh(t),
		Download:      d.one(t, "download", oneOf(OnDemand, All)),
		Installer:     d.yes(t, "installer"),
		MaxAge:        d.duration(t, "max_age", MinMaxAge),
		Aliases:       d.list(t, "aliases", CleanURI),
	}
	if t.nodes["languages"] == nil {
		a.Languages = []string{DefaultLanguage}
	}
	if a.Download == "" {
		a.Download = OnDemand
	}
	d.required(t, "name", "uris", "suites", "architectures", "signed_by")
	d.notEmpty(t, "suites", "architectures", "signed_by", "aliases")
	d.route(t, &a)
	d.checkFlat(t, a)
	d.checkKeyring(t, a.SignedBy)
	return a
}

func (d *decoder) refresh(t *table) time.Duration {
	n := t.nodes["refresh"]
	if uris := t.nodes["uris"]; uris != nil && uris.kind == unstable.Array && len(uris.items) == 0 {
		if n != nil {
			d.problem(n.place, "leave it out: an archive without uris is fed by imports and has nothing to refresh from")
		}
		return 0
	}
	if interval := d.duration(t, "refresh", MinRefresh); interval > 0 {
		return interval
	}
	return DefaultRefresh
}

// checkFlat holds sources.list(5)'s rule: a suite that ends in "/" is an exact path and has no components.
func (d *decoder) checkFlat(t *table, a Archive) {
	flat := 0
	for _, s := range a.Suites {
		if strings.HasSuffix(s, "/") {
			flat++
		}
	}
	components := t.nodes["components"]
	switch {
	case flat > 0 && flat < len(a.Suites):
		d.problem(t.at("suites"), `flat repositories (that end in "/") and suites below dists/ need an archive each`)
	case flat > 0 && len(a.Components) > 0:
		d.problem(t.at("components"), `flat repositories (suites that end in "/") have no components: leave it out`)
	case flat == 0 && len(a.Suites) > 0 && components == nil:
		d.required(t, "components")
	case flat == 0 && len(a.Suites) > 0:
		d.notEmpty(t, "components")
	}
}

func (d *decoder) checkKeyring(t *table, signedBy []string) {
	if len(signedBy) > 0 && !slices.ContainsFunc(signedBy, filepath.IsAbs) {
		d.problem(t.at("signed_by"), "names fingerprints only: they choose keys from a keyring file, add the file")
	}
}
