package doctor

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/daemon/listen"
	"aptmirror/proxy/admin"
)

// names looks up the hosts of the site and of its archives.
func (d *Doctor) names(ctx context.Context) []Finding {
	f := &findings{check: "name"}
	if host := d.publicHost(); host != "" {
		d.resolve(ctx, f, host, "clients cannot find this server: add the name to DNS, or set serve.public_url to one that is there")
	}
	seen := map[string]bool{}
	for _, a := range d.Config.Archives {
		if cmp.Or(a.Proxy, os.Getenv("http_proxy"), os.Getenv("HTTPS_PROXY"), os.Getenv("https_proxy")) != "" && a.Proxy != "direct" {
			f.note(a.Name, "a proxy looks its names up")
			continue
		}
		for _, uri := range a.URIs {
			u, err := url.Parse(uri)
			if err != nil || seen[u.Hostname()] {
				continue
			}
			seen[u.Hostname()] = true
			d.resolve(ctx, f, u.Hostname(), "look into /etc/resolv.conf, and whether archive "+a.Name+" has the right uris")
		}
	}
	return f.list
}

func (d *Doctor) resolve(ctx context.Context, f *findings, host, mend string) {
	if net.ParseIP(host) != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		f.bad(host, err.Error(), mend)
		return
	}
	f.ok(host, "is "+strings.Join(addresses, ", "))
}

// ports looks whether the addresses to listen on are the daemon's, or free.
func (d *Doctor) ports(ctx context.Context, status *admin.Status) []Finding {
	f := &findings{check: "port"}
	if d.Config.Serve.Cert == "" {
		return nil
	}
	if status != nil {
		d.ownPorts(ctx, f, status.Listen)
		return f.list
	}
	if d.DaemonError != nil {
		f.note("", "whose the ports are is not known: the daemon cannot be asked")
		return f.list
	}
	if d.socketListens(ctx) {
		f.ok(socketUnit, "listens for the service, so that serve.listen does not count")
	} else {
		for _, address := range d.Config.Serve.Listen {
			freePort(ctx, f, address, "serve.listen")
		}
	}
	if d.Config.Status.Listen != "" {
		freePort(ctx, f, d.Config.Status.Listen, "status.listen")
	}
	return f.list
}

// ownPorts compares with what the daemon says. Where systemd passes sockets on,
// they are meant to be others than serve.listen.
func (d *Doctor) ownPorts(ctx context.Context, f *findings, listen []string) {
	if d.socketListens(ctx) {
		f.ok(strings.Join(listen, ", "), "the daemon has it from "+socketUnit+", so that serve.listen does not count")
		return
	}
	for _, address := range d.Config.Serve.Listen {
		_, port, _ := net.SplitHostPort(address)
		mine := func(a string) bool { _, p, _ := net.SplitHostPort(a); return p == port }
		if port == "0" || slices.ContainsFunc(listen, mine) {
			f.ok(address, "the daemon listens")
			continue
		}
		f.warn(address, "the daemon listens on "+strings.Join(listen, ", ")+" instead",
			"systemctl restart aptmirror")
	}
}

func freePort(ctx context.Context, f *findings, address, key string) {
	l, err := listen.On(ctx, address, key)
	fault := (*listen.Error)(nil)
	switch {
	case err == nil:
		l.Close()
		f.ok(address, "is free")
	case errors.Is(err, fs.ErrPermission):
		f.note(address, "only root may listen there, or the service by aptmirror.socket")
	case errors.As(err, &fault):
		f.bad(address, fault.What, fault.Next)
	default:
		f.bad(address, err.Error(), "change "+key)
	}
}
