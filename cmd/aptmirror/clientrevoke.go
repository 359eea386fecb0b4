package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/proxy/admin"
)

func clientRevoke(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	a, err := beginAct(c, name)
	if err != nil {
		return err
	}
	defer a.audit.close()
	revoked, err := a.revokeAll(clock())
	if err != nil {
		return err
	}
	if revoked == 0 {
		return fmt.Errorf("%s has no certificate that could be revoked", name)
	}
	effect, err := enforce(c, a.loaded.Socket())
	if c.Bool("json") {
		return errors.Join(printJSON(c.App.Writer, revokedRow{name, revoked, effect}), err)
	}
	fmt.Fprintf(c.App.Writer, "revoked %d certificates of %s; %s\n", revoked, name, effect)
	return err
}

type revokedRow struct {
	Name    string `json:"name"`
	Revoked int    `json:"revoked"` // certificates
	Effect  string `json:"effect"`  // on the daemon
}

// enforce makes a running daemon take the new list up and tells what comes of it.
func enforce(c *cli.Context, socket string) (effect string, err error) {
	_, err = reload(c, socket)
	fault := (*admin.Error)(nil)
	switch {
	case err == nil:
		return "the daemon refuses them from now on", nil
	case errors.Is(err, admin.ErrNoDaemon):
		return "no daemon is running", nil
	case errors.As(err, &fault):
		return "the daemon still accepts them", fmt.Errorf("the daemon cannot use its files as they are now: %w", err)
	}
	return "a running daemon refuses them within seconds", nil // it could not be asked, but looks itself
}

// revokeAll revokes every certificate that was issued to the client, replaced ones too.
func (a *clientAct) revokeAll(now time.Time) (revoked int, err error) {
	list, err := a.clients.Of(a.name)
	if err != nil {
		return 0, err
	}
	for _, k := range list {
		if !k.RevokedAt.IsZero() {
			continue
		}
		err := a.clients.Revoke(k.Cert.SerialNumber, now)
		if err := errors.Join(err, a.audit.write("client revoke", a.name, err, slog.String("serial", serialOf(k)))); err != nil {
			return revoked, err
		}
		revoked++
	}
	return revoked, nil
}
