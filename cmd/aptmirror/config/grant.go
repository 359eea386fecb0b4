package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxGrantConnections is the most connections of one client that a grant may name: beyond it, it is no limit.
const maxGrantConnections = 10_000

// Grant is one [[grant]]: what a client may do. Several grants for one identity add up. At least one of Read, Upload,
// Status and Admin is set.
type Grant struct {
	// Identity is a pattern dns:NAME, uri:URI, cn:NAME or sha256:HEX (64 lower-case digits, of the certificate).
	Identity string
	// Read are repositories (NAME) or suites of them (NAME/SUITE) of the same file, or "*" for everything.
	Read []string
	// Upload are pools of the same file, or "*" for all, that the client may add packages to.
	Upload []string
	// Status lets the client see the status page and the metrics. Defaults to false.
	Status bool
	// Admin lets the client do over mTLS what the commands do on the host. Includes Status. Defaults to false.
	Admin bool
	// Rate is the most that goes to one client, in bytes a second. 0: no limit of this grant.
	Rate int64
	// Connections is the most connections of one client at a time. 0: no limit of this grant.
	Connections int
	// Line is where it begins in the file. Format and Changed pass over it.
	Line int
}

func (d *decoder) grant(t *table, c *Config) Grant {
	g := Grant{
		Identity:    d.one(t, "identity", cleanIdentity),
		Read:        d.list(t, "read", func(s string) (string, error) { return s, c.checkRead(s) }),
		Upload:      d.list(t, "upload", func(s string) (string, error) { return s, c.checkUpload(s) }),
		Status:      d.yes(t, "status"),
		Admin:       d.yes(t, "admin"),
		Connections: d.number(t, "connections", 1, maxGrantConnections),
		Line:        t.line,
	}
	g.Rate, _ = parseBandwidth(d.one(t, "rate", cleanBandwidth))
	d.required(t, "identity")
	d.notEmpty(t, "read", "upload")
	if t.nodes["read"] == nil && t.nodes["upload"] == nil && !g.Status && !g.Admin {
		d.problem(t.at("read"), "is required, unless the grant has upload, status or admin")
	}
	return g
}

// checkRead looks up what a grant names, so that a misspelled repository does not become a grant for nothing.
func (c *Config) checkRead(s string) error {
	if s == "*" {
		return nil
	}
	name, suite, hasSuite := strings.Cut(s, "/")
	for _, r := range c.Repositories {
		if r.Name != name || !hasSuite {
			continue
		}
		if suites := c.SuitesOf(r); !slices.Contains(suites, suite) {
			return fmt.Errorf("repository %q has no suite %q%s", name, suite, DidYouMean(suite, suites))
		}
	}
	if names := c.RepositoryNames(); !slices.Contains(names, name) {
		return fmt.Errorf(`there is no repository %q%s; write NAME, NAME/SUITE or "*"`, name, DidYouMean(name, names))
	}
	return nil
}

func (c *Config) checkUpload(s string) error {
	names := c.poolNames()
	if s != "*" && !slices.Contains(names, s) {
		return fmt.Errorf(`there is no pool %q%s; write its name or "*"`, s, DidYouMean(s, names))
	}
	return nil
}

func (c *Config) poolNames() (names []string) {
	for _, p := range c.Pools {
		names = append(names, p.Name)
	}
	return names
}

func grantValues(g Grant) values {
	v := values{
		"identity":    quoteSet(g.Identity),
		"read":        quoteList(g.Read),
		"upload":      quoteList(g.Upload),
		"status":      whenTrue(g.Status),
		"admin":       whenTrue(g.Admin),
		"connections": formatNumber(g.Connections),
	}
	if g.Rate > 0 {
		v["rate"] = quote(formatSize(g.Rate) + "/s")
	}
	return v
}
