package status

import (
	"cmp"
	"net"
	"slices"
	"sync"
	"time"

	"aptmirror/proxy/identity"
)

// Bounds of what is remembered: beyond them, who was here longest ago goes.
const (
	maxClients = 5000
	maxTurned  = 50
)

// clients remembers who was here.
type clients struct {
	mu     sync.Mutex // guards both
	byName map[string]*client
	turned map[turnedKey]*turned
}

// client is what is known of one identity.
type client struct {
	Last     time.Time `json:"last"`
	Requests int64     `json:"requests"`
	Bytes    int64     `json:"bytes"`
	NotAfter time.Time `json:"not_after,omitzero"` // of the certificate it last came with
}

// turnedKey tells refusals apart: the text names the reason and what the
// client's certificate says.
type turnedKey struct{ host, text string }

// turned is a client that was turned away, and how often.
type turned struct {
	Host   string    `json:"host"`
	Text   string    `json:"text"`
	Reason string    `json:"reason"`
	Last   time.Time `json:"last"`
	Count  int64     `json:"count"`
}

func newClients() *clients {
	return &clients{byName: map[string]*client{}, turned: map[turnedKey]*turned{}}
}

func (c *clients) seen(r Request, now time.Time) {
	if r.Identity.Name == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.byName[r.Identity.Name]
	if x == nil {
		if len(c.byName) >= maxClients {
			c.forgetOldest()
		}
		x = &client{}
		c.byName[r.Identity.Name] = x
	}
	x.Last, x.NotAfter = now, r.Identity.NotAfter
	x.Requests++
	x.Bytes += r.Bytes
}

// forgetOldest makes room for a tenth, so that it is not done at every request.
func (c *clients) forgetOldest() {
	names := make([]string, 0, len(c.byName))
	for name := range c.byName {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return c.byName[a].Last.Compare(c.byName[b].Last) })
	for _, name := range names[:maxClients/10] {
		delete(c.byName, name)
	}
}

func (c *clients) refused(peer string, reason identity.Reason, why string, now time.Time) {
	host, _, err := net.SplitHostPort(peer)
	if err != nil {
		host = peer
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := turnedKey{host, why}
	x := c.turned[key]
	if x == nil {
		c.makeRoom()
		x = &turned{Host: host, Text: why, Reason: string(reason)}
		c.turned[key] = x
	}
	x.Last = now
	x.Count++
}

func (c *clients) makeRoom() {
	for len(c.turned) >= maxTurned {
		var oldest turnedKey
		for key, x := range c.turned {
			if o := c.turned[oldest]; o == nil || x.Last.Before(o.Last) {
				oldest = key
			}
		}
		delete(c.turned, oldest)
	}
}

// since counts the identities that were here after a moment.
func (c *clients) since(t time.Time) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.byName {
		if x.Last.After(t) {
			n++
		}
	}
	return n
}

// soonest gives the identity whose certificate ends first, of those who were
// here after a moment: who stays away needs no new one.
func (c *clients) soonest(t time.Time) (name string, end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n, x := range c.byName {
		if !x.NotAfter.IsZero() && x.Last.After(t) && (end.IsZero() || x.NotAfter.Before(end)) {
			name, end = n, x.NotAfter
		}
	}
	return name, end
}

// named is a client with its name.
type named struct {
	Name string
	client
}

// list gives the clients that were here last, the last first.
func (c *clients) list() []named {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]named, 0, len(c.byName))
	for name, x := range c.byName {
		all = append(all, named{name, *x})
	}
	slices.SortFunc(all, func(a, b named) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Name, b.Name)) })
	return all
}

// turnedAway gives who was refused, the last first.
func (c *clients) turnedAway() []turned {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]turned, 0, len(c.turned))
	for _, x := range c.turned {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b turned) int { return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Host, b.Host)) })
	return all
}

// Bounds of the note: it is written in one transaction of the catalog, which
// takes about a megabyte.
const (
	keptClients = 3000
	keptName    = 200 // bytes; URIs may be longer, and are then forgotten
)

// clientsKept is the note of a clients.
type clientsKept struct {
	Clients map[string]client `json:"clients"`
	Turned  []turned          `json:"turned"`
}

func (c *clients) note() clientsKept {
	kept := clientsKept{Clients: map[string]client{}, Turned: c.turnedAway()}
	for _, x := range c.list() {
		if len(x.Name) <= keptName && len(kept.Clients) < keptClients {
			x.Last = x.Last.UTC().Truncate(time.Second)
			kept.Clients[x.Name] = x.client
		}
	}
	return kept
}

func (c *clients) restore(kept clientsKept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, x := range kept.Clients {
		if len(c.byName) < maxClients {
			c.byName[name] = &x
		}
	}
	for _, x := range kept.Turned {
		if len(c.turned) < maxTurned {
			c.turned[turnedKey{x.Host, x.Text}] = &x
		}
	}
}
