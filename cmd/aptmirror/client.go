package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
)

func clientCommand() *cli.Command {
	days := &cli.IntFlag{Name: "days", Usage: "valid for that many `DAYS`", DefaultText: "397; of a renewal as many as before"}
	algorithm := &cli.StringFlag{Name: "algorithm", Usage: "`KIND` of key: p256 or ed25519", DefaultText: "p256; of a renewal as before"}
	csr := &cli.StringFlag{Name: "csr", Usage: "the signing request, a `FILE` (PEM or DER) or - for standard input"}
	return &cli.Command{
		Name:  "client",
		Usage: "certificates of the built-in CA, and what a machine needs to use this site",
		Subcommands: []*cli.Command{
			{
				Name: "add", Usage: "issue a key and a certificate; NAME becomes its DNS name", ArgsUsage: "NAME",
				UsageText: "aptmirror client add host1.example.org\naptmirror client add host1.example.org --days 90 --algorithm ed25519",
				Flags:     []cli.Flag{days, algorithm}, Action: clientAdd,
			},
			{
				Name: "sign", Usage: "issue a certificate for a key that never leaves the machine called NAME", ArgsUsage: "NAME",
				Description: "Only the public key is taken from the request; the certificate is for NAME whatever it asks for.",
				UsageText: "# on the machine\nopenssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\\n" +
					"  -subj /CN=host1 -keyout client.key -out client.csr\n# here\n" +
					"aptmirror client sign host1.example.org --csr client.csr",
				Flags: []cli.Flag{csr, days}, Action: clientSign,
			},
			{
				Name: "renew", Usage: "issue a new key and certificate to NAME, or with --csr a certificate for its new key", ArgsUsage: "NAME",
				Description: "The old certificate stays good until it ends or is revoked, so that the new kit can be brought\nto the machine meanwhile.",
				UsageText:   "aptmirror client renew host1.example.org\naptmirror client renew host1.example.org --csr client.csr",
				Flags:       []cli.Flag{csr, days, algorithm}, Action: clientRenew,
			},
			kitCommand(),
			{
				Name: "list", Usage: "list issued certificates", Action: clientList,
				UsageText: "aptmirror client list\naptmirror client list --json",
			},
			{
				Name: "show", Usage: "tell who NAME is, what it may read by which rule, and whether its certificates are good", ArgsUsage: "NAME",
				Description: "NAME may also be an identity of another kind, as grants name it: uri:..., cn:...",
				UsageText:   "aptmirror client show host1.example.org\naptmirror client show uri:spiffe://example.org/host1",
				Action:      clientShow,
			},
			{
				Name: "revoke", Usage: "revoke all certificates of NAME", ArgsUsage: "NAME", Action: clientRevoke,
				UsageText: "aptmirror client revoke host1.example.org",
			},
		},
		Action: unknownSubcommand,
	}
}

func unknownSubcommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return usagef("there is no command %q (see aptmirror %s --help)%s", c.Command.Name+" "+name, c.Command.Name, suggestion(c.Command.Subcommands, name))
	}
	return help(c.App, strings.Fields(c.Command.Name))
}

// oneName gives the only argument.
func oneName(c *cli.Context) (string, error) {
	name, err := oneArgument(c)
	if err == nil {
		err = pki.CheckName(name)
	}
	if err != nil {
		return "", usageError{err}
	}
	return name, nil
}

func oneArgument(c *cli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", usagef("%s takes one NAME, got %d", strings.TrimPrefix(c.Command.HelpName, c.App.Name+" "), c.NArg())
	}
	return c.Args().First(), nil
}

// clientAct is a command that changes something about the client called name.
type clientAct struct {
	name    string
	loaded  *config.Config
	clients *pki.Clients
	audit   *auditLog
}

// beginAct opens the built-in CA as its owner, and the record of what is done
// with it. The caller closes the record.
func beginAct(c *cli.Context, name string) (*clientAct, error) {
	loaded, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	return beginActOf(loaded, name)
}

func beginActOf(loaded *config.Config, name string) (*clientAct, error) {
	if loaded.Clients.Dir == "" {
		return nil, site.ErrNoCA
	}
	audit, err := openAudit(loaded)
	if err != nil {
		return nil, err
	}
	a := &clientAct{name: name, loaded: loaded, audit: audit}
	if err = becomeOwner(loaded.Clients.Dir); err == nil {
		a.clients, err = site.Clients(loaded)
	}
	if err != nil {
		audit.close()
		return nil, err
	}
	return a, nil
}
