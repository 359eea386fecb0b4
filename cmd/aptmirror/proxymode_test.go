package main

import (
	"strings"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

// known is where clients of the tests had the archive before.
const known = "http://deb.example.org/debian"

// keepSources makes the client one that keeps the sources it had and only names
// the mirror as its proxy.
func (c *client) keepSources(uri string) *client {
	c.t.Helper()
	c.change("etc/sources.list.d/aptmirror.sources", func(text string) string {
		return strings.ReplaceAll(text, "https://localhost:"+c.port+"/debian", uri)
	})
	c.change("apt.conf", func(text string) string {
		return text + "\nAcquire::http::Proxy \"https://localhost:" + c.port + "\";\n"
	})
	return c
}

// proxyHost mirrors an archive that clients know under another address.
func proxyHost(t *testing.T) (h *host, hello upstreamtest.Package) {
	t.Helper()
	a, hello, _ := sample(t)
	h = newHost(t, a)
	h.edit(func(text string) string {
		text = replaceOnce(t, text, "[serve]\n", "[serve]\nproxy_mode = true\n")
		return replaceOnce(t, text, "[[archive]]\nname = \"debian\"\n", "[[archive]]\nname = \"debian\"\naliases = [\""+known+"\"]\n")
	})
	return h, hello
}

func TestAptKeepsItsSourcesInProxyMode(t *testing.T) {
	t.Parallel()
	h, hello := proxyHost(t)
	c := h.client("client").keepSources(known)
	h.must("sync")
	p := h.serve()
	seen := 0
	c.update()
	if got := c.requests(p, &seen); len(got) < 3 || !strings.Contains(got[0], "/InRelease 200") {
		t.Errorf("the first update asked for\n%s", strings.Join(got, "\n"))
	}
	c.download(hello)
	c.mustApt("apt-get", "source", "--download-only", "hello")
	c.answered(p, hello.Filename, ".debian.tar.gz")
	c.requests(p, &seen)
	c.update()
	if got := strings.Join(c.requests(p, &seen), "\n"); got != known+"/dists/stable/InRelease 304" {
		t.Errorf("an update without news asked for\n%s", got)
	}
	if out, ok := c.apt("apt-get", "update", "-oAcquire::http::Proxy=http://localhost:"+h.port); ok || !strings.Contains(out, "400  this server speaks HTTPS alone: write https://") {
		t.Errorf("an http proxy: %v\n%s", ok, out)
	}
}

// What the person at a client reads who does it wrong.
func TestAptIsToldWhatAProxyRefuses(t *testing.T) {
	t.Parallel()
	h, _ := proxyHost(t)
	h.edit(func(text string) string { return replaceOnce(t, text, "dns:**", "dns:*.branch.example.org") })
	tests := []struct {
		name, client, uri string
		change            func(*client)
		want              string
		fails             bool // apt takes a proxy without tunnels for a failure that passes
	}{
		{"other host", "a.branch.example.org", "http://other.example.org/debian", nil, "403  http://other.example.org/debian/dists/stable/InRelease is not mirrored here, only http://", true},
		{"other folder", "b.branch.example.org", "http://deb.example.org/ubuntu", nil, "403  http://deb.example.org/ubuntu/dists/stable/InRelease is not mirrored here, only http://", true},
		{"https", "c.branch.example.org", "https://deb.example.org/debian", nil, "405 this proxy opens no tunnels: write http:// in the sources of mirrored archives", false},
		{"no grant", "stranger.example.org", known, nil, "403  dns:stranger.example.org may not read debian", true},
		{"no certificate", "d.branch.example.org", known, func(c *client) { c.change("apt.conf", withoutCertificate) }, "403  client certificate required", true},
		{"expired", "e.branch.example.org", known, func(c *client) { c.expire() }, "403  client certificate expired on", true},
	}
	for _, test := range tests {
		c := h.client(test.client).keepSources(test.uri)
		if test.change != nil {
			test.change(c)
		}
	}
	h.must("sync")
	h.serve()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &client{h, test.client, h.dir + "/kit-" + test.client}
			out, ok := c.apt("apt-get", "update")
			if ok == test.fails || !strings.Contains(out, test.want) {
				t.Errorf("apt-get update: %v, want %q in\n%s", ok, test.want, out)
			}
			if lists := listed(t, c); len(lists) > 0 {
				t.Errorf("got %v", lists)
			}
		})
	}
}
