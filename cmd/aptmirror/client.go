package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
)

func clientCommand() *cli.Command {
	return &cli.Command{
		Name:  "client",
		Usage: "certificates of the built-in CA, and what a machine needs to use this site",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "issue a certificate; NAME becomes its DNS name", ArgsUsage: "NAME",
				Flags:  []cli.Flag{&cli.IntFlag{Name: "days", Usage: "valid for that many `DAYS`", Value: pki.DefaultDays}},
				Action: clientAdd,
			},
			{
				Name: "kit", Usage: "write everything that the machine called NAME needs", ArgsUsage: "NAME",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "format", Usage: "dir: a folder, with a private apt.conf to try it without root", Value: "dir"},
					&cli.StringFlag{Name: "out", Usage: "the `FOLDER` to write"},
				},
				Action: clientKit,
			},
			{Name: "list", Usage: "list issued certificates", Action: clientList},
			{Name: "revoke", Usage: "revoke all certificates of NAME", ArgsUsage: "NAME", Action: clientRevoke},
		},
		Action: unknownSubcommand,
	}
}

func unknownSubcommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return usagef("there is no command %q (see aptmirror %s --help)%s", c.Command.Name+" "+name, c.Command.Name, suggestion(c.Command.Subcommands, name))
	}
	return cli.ShowSubcommandHelp(c)
}

// oneName gives the only argument.
func oneName(c *cli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", usagef("%s takes one NAME, got %d", c.Command.FullName(), c.NArg())
	}
	name := c.Args().First()
	if err := pki.CheckName(name); err != nil {
		return "", usageError{err}
	}
	return name, nil
}

func clientAdd(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	if err := becomeOwner(loaded.Clients.Dir); err != nil {
		return err
	}
	if err := addClient(loaded, name, c.Int("days")); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "issued a certificate to %s; next: aptmirror --config %s client kit %s --format dir --out FOLDER\n", name, loaded.Path, name)
	return nil
}

// openClients gives the built-in CA of the configuration that the command names.
func openClients(c *cli.Context) (*pki.Clients, error) {
	loaded, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	return site.Clients(loaded)
}

func addClient(loaded *config.Config, name string, days int) error {
	clients, err := site.Clients(loaded)
	if err != nil {
		return err
	}
	_, err = clients.Add(name, pki.Leaf{Days: days}, time.Now())
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s has a certificate already: %w", name, err)
	}
	return err
}

func clientKit(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	if c.String("out") == "" {
		return usagef("client kit needs --out FOLDER")
	}
	if f := c.String("format"); f != "dir" {
		return usagef("--format %s: only dir is known", f)
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	if err := writeKit(loaded, name, c.String("out")); err != nil {
		return err
	}
	fmt.Fprintf(c.App.Writer, "wrote the kit of %s to %s; try it: APT_CONFIG=%s/apt.conf apt-get update\n", name, c.String("out"), c.String("out"))
	return nil
}

func writeKit(loaded *config.Config, name, out string) error {
	k, err := site.Kit(loaded, name)
	if err != nil {
		return err
	}
	return k.WriteDir(out, true)
}
