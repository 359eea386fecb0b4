package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon"
	"aptmirror/proxy/admin"
)

func loadConfig(c *cli.Context) (*config.Config, error) {
	loaded, err := config.Load(c.String("config"))
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w; name one with --config, or make one with aptmirror init", err)
	}
	if err != nil {
		return nil, usageError{err}
	}
	return loaded, nil
}

// withBackend calls do with a client of the running daemon or, where none
// runs, of one opened in this process for the time of the call.
func withBackend(c *cli.Context, do func(context.Context, *admin.Client) error) (err error) {
	loaded, err := loadConfig(c)
	if err != nil {
		return askRunning(c, err, do)
	}
	client, err := admin.Dial(c.Context, loaded.Socket())
	if err == nil {
		return watching(c.Context, do(c.Context, client))
	}
	if !errors.Is(err, admin.ErrNoDaemon) {
		return err
	}
	if err := becomeOwner(loaded.State); err != nil {
		return err
	}
	d, err := openDaemon(c, loaded)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return do(c.Context, admin.InProcess(admin.NewHandler(d, os.Getuid())))
}

// watching says, where a person ends a command that asks the daemon, that this
// does not end the work.
func watching(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errors.New("interrupted; the daemon goes on with what it was asked for, and aptmirror jobs tells how that ends")
	}
	return err
}

// askRunning is for a configuration that has become invalid while a daemon runs
// with an earlier state of it: it can still be asked what it does.
func askRunning(c *cli.Context, invalid error, do func(context.Context, *admin.Client) error) error {
	socket, err := config.FindSocket(c.String("config"))
	if err != nil {
		return invalid
	}
	client, err := admin.Dial(c.Context, socket)
	if err != nil {
		return invalid
	}
	fmt.Fprintf(c.App.ErrWriter, "aptmirror: asking the daemon, which runs with an earlier state of the configuration; that is wrong now: %v\n", invalid)
	return watching(c.Context, do(c.Context, client))
}

// openDaemon opens the store for a command that tells what it does itself.
func openDaemon(c *cli.Context, loaded *config.Config) (*daemon.Daemon, error) {
	return daemon.Open(c.Context, loaded, daemon.Options{Version: buildVersion(), Now: clock, SlowDisk: slowDisk, Log: newLog(c.App.ErrWriter, logLevel(c))})
}

// becomeOwner gives up root for the user that a directory belongs to, so that
// the daemon can still open what this process leaves there.
func becomeOwner(dir string) error {
	info, err := os.Stat(dir)
	if os.Geteuid() != 0 || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking whose directory it is: %w", err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	if err := errors.Join(syscall.Setgroups([]int{int(owner.Gid)}), syscall.Setgid(int(owner.Gid)), syscall.Setuid(int(owner.Uid))); err != nil {
		return fmt.Errorf("becoming the owner of %s: %w", dir, err)
	}
	return nil
}
