package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/pki"
)

func clientList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	clients, err := openClients(c)
	if err != nil {
		return err
	}
	list, err := clients.List()
	if err != nil {
		return err
	}
	rows, data := [][]string{}, []clientRow{}
	for _, k := range list {
		r := rowOf(k, time.Now())
		data = append(data, r)
		rows = append(rows, []string{r.Name, r.Serial, when(r.NotAfter), r.State})
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, data)
	}
	return printTable(c.App.Writer, []string{"NAME", "SERIAL", "VALID UNTIL", "STATE"}, rows)
}

type clientRow struct {
	Name     string    `json:"name"`
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"not_after"`
	State    string    `json:"state"` // good, retired, expired or revoked
}

func rowOf(k pki.Client, now time.Time) clientRow {
	r := clientRow{k.Name, fmt.Sprintf("%x", k.Cert.SerialNumber), k.Cert.NotAfter, "good"}
	switch {
	case !k.RevokedAt.IsZero():
		r.State = "revoked"
	case now.After(k.Cert.NotAfter):
		r.State = "expired"
	case k.Retired:
		r.State = "retired"
	}
	return r
}

func clientRevoke(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	clients, err := openClients(c)
	if err != nil {
		return err
	}
	if err := becomeOwner(clients.Dir); err != nil {
		return err
	}
	revoked, err := revokeAll(clients, name, time.Now())
	if err != nil {
		return err
	}
	if revoked == 0 {
		return fmt.Errorf("%s has no certificate that could be revoked", name)
	}
	fmt.Fprintf(c.App.Writer, "revoked %d certificates of %s; a running daemon refuses them within seconds\n", revoked, name)
	return nil
}

// revokeAll revokes every certificate that was issued to name, replaced ones too.
func revokeAll(clients *pki.Clients, name string, now time.Time) (revoked int, err error) {
	list, err := clients.List()
	if err != nil {
		return 0, err
	}
	for _, k := range list {
		if k.Name != name || !k.RevokedAt.IsZero() {
			continue
		}
		if err := clients.Revoke(k.Cert.SerialNumber, now); err != nil {
			return revoked, err
		}
		revoked++
	}
	return revoked, nil
}
