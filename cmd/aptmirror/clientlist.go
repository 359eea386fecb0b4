package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
)

func clientList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	clients, err := site.Clients(loaded)
	if err != nil {
		return err
	}
	list, err := clients.List()
	if err != nil {
		return err
	}
	rows, data := [][]string{}, []clientRow{}
	for _, k := range list {
		r := rowOf(k, clock())
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
