package gate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
)

func TestWarningsAreInTime(t *testing.T) {
	c := newSite(t)
	loaded, err := Load(c)
	if err != nil {
		t.Fatal(err)
	}
	a := Describe(loaded, time.Now())
	const d = 24 * time.Hour
	authority := a.Authorities[0].NotAfter
	for _, test := range []struct {
		when time.Time
		want string // "": none
	}{
		{time.Now(), ""},
		{a.CRLs[0].NextUpdate.Add(-8 * d), ""},
		{a.CRLs[0].NextUpdate.Add(-7 * d), fmt.Sprintf("the revocation list of %q runs out on", "aptmirror client CA")},
		{a.CRLs[0].NextUpdate.Add(time.Hour), fmt.Sprintf("the revocation list of %q ran out on", "aptmirror client CA")},
		{a.Certificate.NotAfter.Add(-29 * d), `the server certificate "localhost" ends on`},
		{a.Certificate.NotAfter.Add(time.Hour), `the server certificate "localhost" ended on`},
		{authority.Add(-364 * d), `the client CA "aptmirror client CA" ends on`},
		{authority.Add(-364 * d), "aptmirror certificate renew client-ca"},
		{authority.Add(-364 * d), `the server CA "aptmirror server CA of localhost" ends on`},
	} {
		got := strings.Join(Warnings(c, loaded, test.when), "\n")
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("at %s: %q, want %q", test.when, got, test.want)
		}
	}
	stranger := *c
	stranger.Clients = config.Clients{}
	if got := strings.Join(Warnings(&stranger, loaded, authority.Add(-364*d)), "\n"); strings.Contains(got, "the client CA") {
		t.Errorf("of a CA that is not the site's own: %q", got)
	}
}

// Clients on record are named in time, but for those that have another certificate
// already or have lost theirs.
func TestClientsThatEndSoonAreNamed(t *testing.T) {
	c := newSite(t)
	clients, err := site.Clients(c)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	add := func(name string, days int) *pki.Issued {
		t.Helper()
		issued, err := clients.Add(name, pki.Leaf{Days: days}, now)
		if err != nil {
			t.Fatal(err)
		}
		return issued
	}
	add("host", 0)
	add("far", 396) // a day before host
	add("renewed", 10)
	lost := add("lost", 10)
	add("later", 12)
	add("sooner", 11)
	if _, err := clients.Renew("renewed", pki.Leaf{}, nil, now); err != nil {
		t.Fatal(err)
	}
	if err := clients.Revoke(lost.Cert.SerialNumber, now); err != nil {
		t.Fatal(err)
	}
	r := &Record{}
	named := func(days int) (names string) {
		t.Helper()
		ending, err := r.Ending(c, now.AddDate(0, 0, days))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range ending {
			names += k.Name + " "
		}
		return names
	}
	for days, want := range map[int]string{0: "", 9: "sooner later ", 11: "later ", 20: "", 380: "far host renewed "} {
		if got := named(days); got != want {
			t.Errorf("after %d days: %q, want %q", days, got, want)
		}
	}
	if _, err := clients.Renew("sooner", pki.Leaf{}, nil, now); err != nil {
		t.Fatal(err)
	}
	if got := named(9); got != "later " {
		t.Errorf("after a renewal: %q", got)
	}
}
