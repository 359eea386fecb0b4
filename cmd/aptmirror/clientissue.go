package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/pki"
)

func clientAdd(c *cli.Context) error {
	return issue(c, false, func(a *clientAct, l pki.Leaf, _ []byte) error {
		issued, err := a.add(l)
		if err != nil {
			return err
		}
		return sayIssued(c, a, issued, "issued a certificate to "+a.name)
	})
}

func clientSign(c *cli.Context) error {
	return issue(c, true, func(a *clientAct, l pki.Leaf, csr []byte) error {
		issued, err := a.clients.AddRequest(a.name, csr, l, clock())
		if err := a.record("client sign", issued, err); err != nil {
			return hasOne(a.name, err)
		}
		return sayIssued(c, a, issued, "signed the request of "+a.name+", whose key stays where it is")
	})
}

func clientRenew(c *cli.Context) error {
	return issue(c, false, func(a *clientAct, l pki.Leaf, csr []byte) error {
		old, err := a.current()
		if err != nil {
			return err
		}
		if csr == nil && !old.HasKey {
			return usagef("%s has made its key itself: give its new signing request with --csr FILE", a.name)
		}
		l = asBefore(c, l, old)
		issued, err := a.clients.Renew(a.name, l, csr, clock())
		if err := a.record("client renew", issued, err, slog.String("replaces", serialOf(old))); err != nil {
			return err
		}
		return sayIssued(c, a, issued, fmt.Sprintf("renewed the certificate of %s; the old one, %s, stays good until %s", a.name, serialOf(old), when(old.Cert.NotAfter)))
	})
}

// issue does what commands have in common that issue certificates. What root
// names on the command line is read as root.
func issue(c *cli.Context, needsCSR bool, do func(*clientAct, pki.Leaf, []byte) error) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	leaf, err := leafOf(c)
	if err != nil {
		return err
	}
	csr, err := readCSR(c)
	if err != nil {
		return err
	}
	if needsCSR && csr == nil {
		return usagef("%s needs --csr FILE", c.Command.HelpName)
	}
	a, err := beginAct(c, name)
	if err != nil {
		return err
	}
	defer a.audit.close()
	return do(a, leaf, csr)
}

func leafOf(c *cli.Context) (pki.Leaf, error) {
	l := pki.Leaf{Days: c.Int("days")}
	if c.IsSet("days") && l.Days < 1 {
		return l, usagef("--days %d: a certificate is valid for at least one day", l.Days)
	}
	if !c.IsSet("algorithm") {
		return l, nil
	}
	if c.IsSet("csr") {
		return l, usagef("--algorithm and --csr: the key of a request is what it is")
	}
	var err error
	if l.Algorithm, err = pki.ParseAlgorithm(c.String("algorithm")); err != nil {
		return l, usageError{err}
	}
	return l, nil
}

// maxCSR is far more than a request has; package pki has the exact bound.
const maxCSR = 1 << 20

// readCSR gives nil where there is no such option.
func readCSR(c *cli.Context) ([]byte, error) {
	name := c.String("csr")
	if name == "" {
		return nil, nil
	}
	from := untilEnd(c.Context, c.App.Reader)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("reading the signing request: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxCSR))
	if err == nil && len(text) == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the signing request: %w", err)
	}
	return text, nil
}

// addClient is client add for a configuration that is at hand.
func addClient(loaded *config.Config, name string) error {
	a, err := beginActOf(loaded, name)
	if err != nil {
		return err
	}
	defer a.audit.close()
	_, err = a.add(pki.Leaf{})
	return err
}

func (a *clientAct) add(l pki.Leaf) (*pki.Issued, error) {
	issued, err := a.clients.Add(a.name, l, clock())
	return issued, hasOne(a.name, a.record("client add", issued, err))
}

func hasOne(name string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s has a certificate already: aptmirror client renew %[1]s issues the next, and client revoke takes it away", name)
	}
	return err
}

// record writes an act on certificates down, and gives its error or that of writing.
func (a *clientAct) record(act string, issued *pki.Issued, failed error, attrs ...slog.Attr) error {
	if failed == nil {
		attrs = append(attrs, slog.String("serial", issued.Cert.SerialNumber.Text(16)),
			slog.String("key", pki.KeyName(issued.Cert.PublicKey)), slog.Time("not_after", issued.Cert.NotAfter))
	}
	return errors.Join(failed, a.audit.write(act, a.name, failed, attrs...))
}

// current gives the certificate that is not retired.
func (a *clientAct) current() (pki.Client, error) {
	all, err := a.clients.Of(a.name)
	if err != nil {
		return pki.Client{}, err
	}
	if len(all) == 0 || all[0].Retired {
		return pki.Client{}, fmt.Errorf("%s has no certificate that could be renewed: aptmirror client add %[1]s issues one", a.name)
	}
	return all[0], nil
}

// asBefore lets a renewal have the life and kind of key of the certificate that
// it replaces, where the command does not say otherwise.
func asBefore(c *cli.Context, l pki.Leaf, old pki.Client) pki.Leaf {
	if !c.IsSet("days") {
		// An hour or so more, since certificates are backdated.
		l.Days = max(1, int(old.Cert.NotAfter.Sub(old.Cert.NotBefore)/(24*time.Hour)))
	}
	if !c.IsSet("algorithm") && pki.KeyName(old.Cert.PublicKey) == "Ed25519" {
		l.Algorithm = pki.Ed25519
	}
	return l
}

func serialOf(k pki.Client) string { return k.Cert.SerialNumber.Text(16) }

type issuedRow struct {
	Name        string    `json:"name"`
	Serial      string    `json:"serial"`
	Algorithm   string    `json:"algorithm"`
	NotAfter    time.Time `json:"not_after"`
	Certificate string    `json:"certificate"` // its file
}

func sayIssued(c *cli.Context, a *clientAct, issued *pki.Issued, what string) error {
	file, _, err := a.clients.Files(a.name)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		cert := issued.Cert
		return printJSON(c.App.Writer, issuedRow{a.name, cert.SerialNumber.Text(16), pki.KeyName(cert.PublicKey), cert.NotAfter.UTC(), file})
	}
	if absolute, err := filepath.Abs(file); err == nil {
		file = absolute
	}
	fmt.Fprintf(c.App.Writer, "%s; next: %s client kit %s --format dir --out FOLDER\n", what, programFor(a.loaded), a.name)
	fmt.Fprintf(c.App.ErrWriter, "valid until %s, in %s\n", when(issued.Cert.NotAfter), file)
	return nil
}
