package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/pki"
)

// clientReport is all that there is to know about one client.
type clientReport struct {
	Identity string `json:"identity"`
	// Read is what the rules come to: repositories, or suites of them.
	Read         []string            `json:"read"`
	Rules        []ruleReport        `json:"rules"`
	Certificates []certificateReport `json:"certificates"`
}

type ruleReport struct {
	Where    string   `json:"where"` // file:line
	Identity string   `json:"identity"`
	Read     []string `json:"read"`
}

type certificateReport struct {
	Serial      string    `json:"serial"`
	Algorithm   string    `json:"algorithm"`
	Fingerprint string    `json:"fingerprint"` // for a grant to this very certificate
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	State       string    `json:"state"` // as in client list
	KeyOnRecord bool      `json:"key_on_record"`
	// Refused is what the server tells whoever shows this certificate; empty: it is accepted.
	Refused string `json:"refused,omitempty"`
}

func clientShow(c *cli.Context) error {
	name, err := oneArgument(c)
	if err != nil {
		return err
	}
	who := name
	if !strings.Contains(name, ":") {
		if name, err = oneName(c); err != nil {
			return err
		}
		who = "dns:" + name
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	report, err := reportOf(loaded, name, who, clock())
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, report)
	}
	printReport(c.App.Writer, loaded, report)
	return nil
}

func reportOf(loaded *config.Config, name, who string, now time.Time) (*clientReport, error) {
	trust, err := site.Trust(loaded.Serve)
	if err != nil {
		return nil, err
	}
	grants, err := site.Grants(loaded)
	if err != nil {
		return nil, err
	}
	issued, err := certificatesOf(loaded, name)
	if err != nil {
		return nil, err
	}
	r := &clientReport{Identity: who, Read: []string{}, Rules: []ruleReport{}, Certificates: []certificateReport{}}
	id := identity.Identity{Name: who}
	for i, k := range issued {
		own, err := identity.Of(k.Cert, loaded.Serve.CNAllowed)
		if err == nil && i == 0 {
			id, r.Identity = own, own.Name
		}
		r.Certificates = append(r.Certificates, reportOn(k, own, trust, now))
	}
	grant := grants.For(id)
	r.Read = append(r.Read, site.Readable(loaded, grant)...)
	for _, rule := range grant.Rules() {
		r.Rules = append(r.Rules, ruleReport{rule.Where, rule.Identity, rule.Read})
	}
	return r, nil
}

// certificatesOf gives none where the site has another CA.
func certificatesOf(loaded *config.Config, name string) ([]pki.Client, error) {
	if loaded.Clients.Dir == "" || strings.Contains(name, ":") {
		return nil, nil
	}
	clients, err := site.Clients(loaded)
	if err != nil {
		return nil, err
	}
	return clients.Of(name)
}

func reportOn(k pki.Client, id identity.Identity, trust *identity.Trust, now time.Time) certificateReport {
	c := certificateReport{
		Serial: serialOf(k), Algorithm: pki.KeyName(k.Cert.PublicKey), Fingerprint: id.Fingerprint,
		NotBefore: k.Cert.NotBefore, NotAfter: k.Cert.NotAfter, State: rowOf(k, now).State, KeyOnRecord: k.HasKey,
	}
	if _, err := trust.Identify(k.Chain, now); err != nil {
		c.Refused = err.Error()
	}
	return c
}

func printReport(w io.Writer, loaded *config.Config, r *clientReport) {
	fmt.Fprintf(w, "identity     %s\n", r.Identity)
	if len(r.Rules) == 0 {
		fmt.Fprintf(w, "may read     nothing: no [[grant]] in %s names it\n", loaded.Path)
	} else {
		fmt.Fprintf(w, "may read     %s\n", strings.Join(r.Read, ", "))
	}
	for _, rule := range r.Rules {
		fmt.Fprintf(w, "by rule      %s: identity = %q, read = %q\n", rule.Where, rule.Identity, rule.Read)
	}
	if len(r.Certificates) == 0 {
		fmt.Fprintln(w, "certificate  none on record here")
	}
	for _, c := range r.Certificates {
		fmt.Fprintf(w, "certificate  %s, %s, %s to %s: %s\n", c.Serial, c.Algorithm, when(c.NotBefore), when(c.NotAfter), c.State)
		if c.Refused != "" {
			fmt.Fprintf(w, "  refused    %s\n", c.Refused)
		}
	}
}
