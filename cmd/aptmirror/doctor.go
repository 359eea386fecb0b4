package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/doctor"
	"aptmirror/proxy/admin"
)

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "look over everything, and tell what mends each fault",
		Description: "Looks at configuration, disk, permissions, certificates, keyrings, clock, names, ports, archives,\n" +
			"the daemon and its service, and tries whether a client with a certificate gets in and one without does not.\n" +
			"Changes nothing; works with and without a running daemon, best as root.\n\n" +
			"Exit codes: 0 no fault, 1 faults, 2 the configuration cannot be read.",
		UsageText: "sudo aptmirror doctor\n# nothing on the network\naptmirror doctor --offline\n" +
			"# where clients have certificates of another CA\naptmirror doctor --cert client.crt --key client.key\n" +
			"aptmirror doctor --json | jq '.findings[] | select(.level == \"fault\")'",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "offline", Usage: "ask no other machine"},
			&cli.BoolFlag{Name: "quiet", Usage: "print only faults and warnings"},
			&cli.StringFlag{Name: "cert", Usage: "try to get in with the certificate in this `FILE`"},
			&cli.StringFlag{Name: "key", Usage: "private key of that certificate, a `FILE`"},
		},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			loaded, err := config.Load(c.String("config"))
			if err != nil {
				return errors.Join(printFindings(c, doctor.Invalid(err)), usageError{errSilent})
			}
			d, err := doctorOf(c, loaded)
			if err != nil {
				return err
			}
			report := d.Examine(c.Context)
			if err := printFindings(c, report); err != nil {
				return err
			}
			if report.Faults > 0 {
				return errSilent
			}
			return nil
		},
	}
}

func doctorOf(c *cli.Context, loaded *config.Config) (*doctor.Doctor, error) {
	d := &doctor.Doctor{
		Config: loaded, Program: programFor(loaded), Version: buildVersion(), Now: time.Now, Offline: c.Bool("offline"), Systemctl: systemctl(),
	}
	if c.IsSet("cert") != c.IsSet("key") {
		return nil, usagef("--cert and --key go together")
	}
	if c.IsSet("cert") {
		pair, err := tls.LoadX509KeyPair(c.String("cert"), c.String("key"))
		if err != nil {
			return nil, fmt.Errorf("loading --cert and --key: %w", err)
		}
		d.Client = &pair
	}
	client, err := admin.Dial(c.Context, loaded.Socket())
	switch {
	case err == nil:
		d.Daemon = client
	case !errors.Is(err, admin.ErrNoDaemon):
		d.DaemonError = err
	}
	return d, nil
}

// programFor is how commands for a site begin.
func programFor(loaded *config.Config) string {
	if loaded.Path == standardConfig {
		return "aptmirror"
	}
	return "aptmirror --config " + loaded.Path
}

// systemctl runs the program, or is nil where systemd does not run the machine.
func systemctl() func(context.Context, ...string) (string, error) {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return nil
	}
	return func(ctx context.Context, arguments ...string) (string, error) {
		text, err := exec.CommandContext(ctx, "systemctl", arguments...).Output()
		return string(text), err
	}
}

func printFindings(c *cli.Context, r doctor.Report) error {
	if c.Bool("json") {
		return printJSON(c.App.Writer, r)
	}
	writeFindings(c.App.Writer, r, c.Bool("quiet"))
	return nil
}

// marks are the levels as they are printed.
var marks = map[string]string{doctor.OK: "ok", doctor.Note: "note", doctor.Warning: "WARNING", doctor.Fault: "FAULT"}

func writeFindings(w io.Writer, r doctor.Report, quiet bool) {
	checks := map[string]bool{}
	for _, f := range r.Findings {
		checks[f.Check] = true
		if quiet && !slices.Contains([]string{doctor.Warning, doctor.Fault}, f.Level) {
			continue
		}
		subject := f.Check
		if f.Subject != "" {
			subject += " " + f.Subject
		}
		fmt.Fprintf(w, "%-7s  %s: %s\n", marks[f.Level], subject, strings.ReplaceAll(f.Text, "\n", "\n         "))
		if f.Mend != "" {
			fmt.Fprintf(w, "         -> %s\n", f.Mend)
		}
	}
	fmt.Fprintf(w, "%d checks: %d faults, %d warnings\n", len(checks), r.Faults, r.Warnings)
}
