package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
)

// Those of the site itself, as the command calls them.
const (
	serverCertificate = "server"
	serverCA          = "server-ca"
	clientCA          = "client-ca"
)

var certificateNames = []string{serverCertificate, serverCA, clientCA}

func certificateCommand() *cli.Command {
	return &cli.Command{
		Name:  "certificate",
		Usage: "the certificates of this site itself: the server's, and those of its CAs",
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list them, until when they are good, and who renews them", Action: certificateList,
				UsageText: "aptmirror certificate list\naptmirror certificate list --json",
			},
			{
				Name: "renew", Usage: "issue one anew, for the same key", ArgsUsage: "CERTIFICATE",
				Description: "CERTIFICATE is server, server-ca or client-ca. What is replaced stays good until its end, and no\n" +
					"connection is dropped. The daemon renews the server's itself, two months before it ends.\n" +
					"A CA keeps its name and its key, so that what it has issued and revoked counts as before. Nobody has\n" +
					"to be told of a new client-ca; of a new server-ca each machine needs a new kit before the old one ends.\n" +
					"What has come from elsewhere is renewed there, and taken up by the daemon when it is in its file.",
				UsageText: "aptmirror certificate renew server\n# under another name\naptmirror certificate renew server --host mirror.example.org\n" +
					"aptmirror certificate renew server-ca",
				Flags: []cli.Flag{
					&cli.StringSliceFlag{Name: "host", Usage: "of server: a `NAME` or address under which clients reach this host", DefaultText: "those of the old one"},
					&cli.IntFlag{Name: "days", Usage: "of server: valid for that many `DAYS`", DefaultText: "as many as the old one"},
				}, Action: certificateRenew,
			},
		},
		Action: unknownSubcommand,
	}
}

type certificateRow struct {
	Certificate string    `json:"certificate"` // server, server-ca or client-ca
	Name        string    `json:"name"`
	Names       []string  `json:"names,omitempty"` // of server: DNS names and addresses
	NotAfter    time.Time `json:"not_after"`
	File        string    `json:"file"`
	// Renewable says that the site's own CA issues it: certificate renew does that.
	Renewable bool `json:"renewable"`
}

func certificateList(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	data, err := certificatesOfSite(loaded)
	if err != nil || c.Bool("json") {
		return errors.Join(err, printJSON(c.App.Writer, data))
	}
	rows := [][]string{}
	for _, r := range data {
		by := "whoever issued it"
		switch {
		case r.Renewable && r.Certificate == serverCertificate:
			by = "the daemon, in time"
		case r.Renewable:
			by = "certificate renew " + r.Certificate
		}
		rows = append(rows, []string{r.Certificate, r.Name, when(r.NotAfter), by})
	}
	return printTable(c.App.Writer, []string{"CERTIFICATE", "NAME", "VALID UNTIL", "RENEWED BY"}, rows)
}

func certificatesOfSite(c *config.Config) ([]certificateRow, error) {
	data := []certificateRow{}
	own, ownErr := site.ServerAuthority(c)
	if c.Serve.Cert != "" {
		cert, err := site.ServerCertificate(c)
		if err != nil {
			return data, err
		}
		r := certificateRow{Certificate: serverCertificate, Name: cert.Subject.CommonName, NotAfter: cert.NotAfter, File: c.Serve.Cert, Renewable: ownErr == nil && own.Issued(cert)}
		r.Names = slices.Clone(cert.DNSNames)
		for _, ip := range cert.IPAddresses {
			r.Names = append(r.Names, ip.String())
		}
		data = append(data, r)
	}
	add := func(what, file string, isOwn func(*x509.Certificate) bool) error {
		certs, err := pki.LoadCertificates(file)
		for _, cert := range certs {
			data = append(data, certificateRow{Certificate: what, Name: cert.Subject.CommonName, NotAfter: cert.NotAfter, File: file, Renewable: isOwn(cert)})
		}
		return err
	}
	var err error
	if c.Serve.ServerCA != "" {
		err = add(serverCA, c.Serve.ServerCA, func(cert *x509.Certificate) bool { return ownErr == nil && cert.Equal(own.Certificate()) })
	}
	clients, clientsErr := site.Clients(c)
	for _, file := range c.Serve.ClientCA {
		err = errors.Join(err, add(clientCA, file, func(cert *x509.Certificate) bool {
			return clientsErr == nil && cert.Equal(clients.Authority.Certificate())
		}))
	}
	return data, err
}

type renewedRow struct {
	Certificate string    `json:"certificate"`
	NotAfter    time.Time `json:"not_after"`
	Serial      string    `json:"serial"`
	Effect      string    `json:"effect"` // on the daemon
}

func certificateRenew(c *cli.Context) error {
	if c.NArg() != 1 || !slices.Contains(certificateNames, c.Args().First()) {
		return usagef("certificate renew takes one of %s, %s, %s", serverCertificate, serverCA, clientCA)
	}
	what := c.Args().First()
	if what != serverCertificate && (c.IsSet("host") || c.IsSet("days")) {
		return usagef("--host and --days are for %s: a CA keeps its name, and is renewed for ten years", serverCertificate)
	}
	if c.IsSet("days") && c.Int("days") < 1 {
		return usagef("--days %d: a certificate is valid for at least one day", c.Int("days"))
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	cert, err := renewCertificate(c, loaded, what)
	if err != nil {
		return fmt.Errorf("renewing %s: %w", what, err)
	}
	effect, err := takeUp(c, loaded.Socket())
	sayAfterRenewal(c, loaded, what, cert)
	if c.Bool("json") {
		return errors.Join(printJSON(c.App.Writer, renewedRow{what, cert.NotAfter, cert.SerialNumber.Text(16), effect}), err)
	}
	fmt.Fprintf(c.App.Writer, "renewed %s, until %s; %s\n", what, when(cert.NotAfter), effect)
	return err
}

// renewCertificate does it as the owner of the file's folder, and records it.
func renewCertificate(c *cli.Context, loaded *config.Config, what string) (cert *x509.Certificate, err error) {
	audit, err := openAudit(loaded)
	if err != nil {
		return nil, err
	}
	defer audit.close()
	file := map[string]string{serverCertificate: loaded.Serve.Cert, serverCA: loaded.Serve.ServerCA, clientCA: loaded.Clients.CACert}[what]
	if err := becomeOwner(filepath.Dir(file)); err != nil {
		return nil, err
	}
	attrs := []slog.Attr{slog.String("certificate", what)}
	switch what {
	case serverCA:
		cert, err = site.RenewServerCA(loaded, clock())
	case clientCA:
		cert, err = site.RenewClientCA(loaded, clock())
	default:
		cert, err = site.RenewServer(loaded, c.StringSlice("host"), c.Int("days"), clock())
	}
	if err == nil {
		attrs = append(attrs, slog.String("serial", cert.SerialNumber.Text(16)), slog.Time("not_after", cert.NotAfter))
	}
	return cert, errors.Join(err, audit.write("certificate renew", "", err, attrs...))
}

// takeUp makes a running daemon read the new file and tells what comes of it.
func takeUp(c *cli.Context, socket string) (effect string, err error) {
	_, err = reload(c, socket)
	fault := (*admin.Error)(nil)
	switch {
	case err == nil:
		return "the daemon uses it from now on", nil
	case errors.Is(err, admin.ErrNoDaemon):
		return "no daemon is running", nil
	case errors.As(err, &fault):
		return "the daemon still uses the old one", fmt.Errorf("the daemon cannot use its files as they are now: %w", err)
	}
	return "a running daemon uses it within seconds", nil // it could not be asked, but looks itself
}

// sayAfterRenewal tells what is left to do.
func sayAfterRenewal(c *cli.Context, loaded *config.Config, what string, cert *x509.Certificate) {
	w := c.App.ErrWriter
	switch public, err := url.Parse(loaded.Serve.PublicURL); {
	case what == serverCA:
		fmt.Fprintf(w, "next: bring a new kit to every machine before the old one ends: aptmirror --config %s client kit NAME\n", loaded.Path)
	case what == serverCertificate && err == nil && public.Hostname() != "" && cert.VerifyHostname(public.Hostname()) != nil:
		fmt.Fprintf(w, "aptmirror: client kits name %s, which is not in the certificate: change serve.public_url, or renew it with --host %[1]s\n", public.Hostname())
	}
	if what != serverCertificate {
		return
	}
	if ca, err := site.ServerAuthority(loaded); err == nil && !cert.NotAfter.Before(ca.Certificate().NotAfter) {
		fmt.Fprintf(w, "aptmirror: it ends with its CA: aptmirror --config %s certificate renew %s\n", loaded.Path, serverCA)
	}
}
