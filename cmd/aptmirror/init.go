package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/pki"
)

func initCommand() *cli.Command {
	return &cli.Command{
		Name:      "init",
		Usage:     "make the folder of a site for a real host; nothing is started",
		ArgsUsage: "[NAME...]",
		Description: "Writes aptmirror.toml with every key explained, the server's certificate, the CA of client certificates\n" +
			"with its revocation list, and the site's signing key. The archives are those of this machine,\n" +
			"and so is the name, unless options say something else. It ends with what to do next.",
		UsageText: "sudo aptmirror init\n# under the name that clients will use\nsudo aptmirror init --host mirror.example.org\n" +
			"# somewhere else, without root\naptmirror init --dir site --host localhost --port 9443",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "the `FOLDER` to make", Value: standardDir},
			&cli.StringSliceFlag{Name: "host", Usage: "a `NAME` or address under which clients reach this host; the first one goes into client kits", DefaultText: "this machine's"},
			&cli.StringFlag{Name: "port", Usage: "the `PORT` to serve on", Value: "8443"},
			&cli.StringFlag{Name: "state", Usage: "the `FOLDER` of the store", DefaultText: config.DefaultState + "; of another --dir, state in it"},
			&cli.BoolFlag{Name: "no-import", Usage: "leave this machine's apt sources out"},
		},
		Action: initialise,
	}
}

func initialise(c *cli.Context) error {
	// A list behind --host reads naturally: --host NAME NAME...
	hosts := append(c.StringSlice("host"), c.Args().Slice()...)
	if len(hosts) == 0 {
		name, err := ownName(c.Context)
		if err != nil {
			return err
		}
		hosts = []string{name}
	}
	plan := site.Plan{Dir: c.String("dir"), Hosts: hosts, Listen: net.JoinHostPort("", c.String("port"))}
	if err := placeState(c, &plan); err != nil {
		return err
	}
	if err := errors.Join(plan.Check(), plan.Absent()); err != nil {
		return usageError{err}
	}
	leftOut := []string{}
	if !c.Bool("no-import") {
		archives, embedded, skipped, err := site.Import("")
		if err != nil {
			return err
		}
		allowPrivate(c.Context, archives)
		plan.Archives, plan.Embedded = archives, embedded
		for _, line := range skipped {
			leftOut = append(leftOut, line)
			fmt.Fprintln(c.App.ErrWriter, "left out:", line)
		}
	}
	loaded, err := site.Create(plan, clock())
	if errors.Is(err, fs.ErrExist) {
		return usageError{err}
	}
	if errors.Is(err, fs.ErrPermission) && c.String("dir") == standardDir {
		err = fmt.Errorf("%w; run it as root, or name another folder with --dir", err)
	}
	if err != nil {
		return err
	}
	if err := site.HandOver(loaded); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, madeSite{loaded.Path, loaded.Serve.PublicURL, len(loaded.Archives), leftOut})
	}
	sayNext(c, loaded)
	return nil
}

type madeSite struct {
	Config    string   `json:"config"`
	PublicURL string   `json:"public_url"`
	Archives  int      `json:"archives"`
	LeftOut   []string `json:"left_out"` // apt sources that cannot be mirrored
}

const (
	// standardDir and its configuration are where the package's service and all commands look.
	standardDir    = "/etc/aptmirror"
	standardConfig = standardDir + "/" + site.ConfigName
)

// placeState decides where the store goes: beside the standard folder it is
// where the package's service may write.
func placeState(c *cli.Context, plan *site.Plan) error {
	s := c.String("state")
	if s == "" && filepath.Clean(plan.Dir) == standardDir {
		s = config.DefaultState
	}
	if s == "" {
		return nil
	}
	state, err := filepath.Abs(s)
	if err != nil {
		return fmt.Errorf("finding the folder of the store: %w", err)
	}
	plan.State = state
	return nil
}

// ownName is this machine's name with its domain, where it has one.
func ownName(ctx context.Context) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("asking for this machine's name, name it with --host: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if full, err := net.DefaultResolver.LookupCNAME(ctx, host); err == nil && !strings.Contains(host, ".") {
		host = strings.TrimSuffix(full, ".")
	}
	if err := pki.CheckName(host); err != nil || host == "localhost" {
		return "", usagef("this machine is called %q, which clients cannot use: say with --host under which name they reach it", host)
	}
	return host, nil
}

// sayNext tells the three commands that come next.
func sayNext(c *cli.Context, loaded *config.Config) {
	program := programFor(loaded)
	start := program + " serve"
	if loaded.Path == standardConfig && serviceInstalled() {
		start = "systemctl enable --now aptmirror"
	}
	w := c.App.Writer
	fmt.Fprintf(w, "made a site for %s in %s with %d archives\n", loaded.Serve.PublicURL, c.String("dir"), len(loaded.Archives))
	fmt.Fprintf(w, "%s explains every setting.\n", loaded.Path)
	fmt.Fprintf(w, "\nNext:\n")
	fmt.Fprintf(w, "  %s\n", start)
	fmt.Fprintf(w, "  %s client add host1.example.org\n", program)
	fmt.Fprintf(w, "  %s client kit host1.example.org --format dir --out host1-kit\n", program)
	fmt.Fprintf(w, "\nIf something does not work: %s doctor\n", program)
}

// serviceInstalled reports whether systemd runs this machine and knows the
// package's service.
func serviceInstalled() bool {
	for _, unit := range []string{"/usr/lib/systemd/system/aptmirror.service", "/etc/systemd/system/aptmirror.service"} {
		if _, err := os.Stat(unit); err == nil {
			_, err := os.Stat("/run/systemd/system")
			return err == nil
		}
	}
	return false
}
