package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/kit"
)

func kitCommand() *cli.Command {
	return &cli.Command{
		Name: "kit", Usage: "write everything that the machine called NAME needs", ArgsUsage: "NAME",
		Description: "The kit has the sources that grants let the machine read. It holds the private key, unless the machine\n" +
			"has made that itself: bring it there like a password. The file proxy/kit/README.md shows what to do with it.",
		UsageText: "# a folder with an install script\naptmirror client kit host1.example.org --out host1-kit\n" +
			"# a Debian package\naptmirror client kit host1.example.org --format deb --out host1.deb",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "`FORMAT`: dir, a folder with an install script and a private apt.conf to try it without root; deb, a Debian package; tar, the files for the root of the machine", Value: "dir"},
			&cli.StringFlag{Name: "out", Usage: "the `PATH` to write; - is standard output, for deb and tar"},
			&cli.StringFlag{Name: "cert", Usage: "certificate of another CA, a `FILE`"},
			&cli.StringFlag{Name: "key", Usage: "key of that certificate, a `FILE`; left out: the machine has it already"},
		},
		Action: clientKit,
	}
}

func clientKit(c *cli.Context) error {
	name, err := oneName(c)
	if err != nil {
		return err
	}
	format, out := c.String("format"), c.String("out")
	if err := checkKitOptions(c, format, out); err != nil {
		return err
	}
	loaded, err := loadConfig(c)
	if err != nil {
		return err
	}
	k, grant, err := kitOf(c, loaded, name)
	if err != nil {
		return fmt.Errorf("making the kit of %s: %w", name, err)
	}
	if grant.Empty() {
		fmt.Fprintf(c.App.ErrWriter, "aptmirror: %s may read nothing yet: no [[grant]] in %s names it\n", name, loaded.Path)
	}
	if err := recordKit(loaded, name, k, format, out); err != nil {
		return err
	}
	if err := writeKitAs(k, format, out, c.App.Writer); err != nil || out == "-" {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, kitRow{name, format, out})
	}
	fmt.Fprintf(c.App.Writer, "wrote the kit of %s to %s; %s\n", name, out, kitHint(format, out))
	return nil
}

type kitRow struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Out    string `json:"out"` // where it is
}

func checkKitOptions(c *cli.Context, format, out string) error {
	switch {
	case format != "dir" && format != "deb" && format != "tar":
		return usagef("--format %s: dir, deb and tar are known", format)
	case out == "" && format == "dir":
		return usagef("client kit needs --out FOLDER")
	case out == "":
		return usagef("client kit needs --out FILE")
	case out == "-" && format == "dir":
		return usagef("--out -: a folder cannot go to standard output, deb and tar can")
	case c.String("key") != "" && c.String("cert") == "":
		return usagef("--key is for the key of a --cert FILE")
	}
	return nil
}

// kitOf takes the certificate on record, or the one of another CA that the command names.
func kitOf(c *cli.Context, loaded *config.Config, name string) (*kit.Kit, identity.Grant, error) {
	if c.String("cert") == "" {
		k, grant, err := site.Kit(loaded, name, clock())
		if errors.Is(err, site.ErrNoCA) {
			err = fmt.Errorf("%w: name one with --cert FILE, and its key with --key FILE", err)
		}
		return k, grant, err
	}
	cert, err := os.ReadFile(c.String("cert"))
	var key []byte
	if err == nil && c.String("key") != "" {
		key, err = os.ReadFile(c.String("key"))
	}
	if err != nil {
		return nil, identity.Grant{}, err
	}
	return site.KitFor(loaded, cert, key, clock())
}

// recordKit comes before writing: a kit gives a key away.
func recordKit(loaded *config.Config, name string, k *kit.Kit, format, out string) error {
	audit, err := openAudit(loaded)
	if err != nil {
		return err
	}
	defer audit.close()
	return audit.write("client kit", name, nil, slog.String("format", format), slog.String("out", out), slog.Bool("with_key", len(k.ClientKey) > 0))
}

// writeKit writes the folder of a client on record.
func writeKit(loaded *config.Config, name, out string) error {
	k, _, err := site.Kit(loaded, name, clock())
	if err == nil {
		err = recordKit(loaded, name, k, "dir", out)
	}
	if err != nil {
		return err
	}
	return k.WriteDir(out, true)
}

func writeKitAs(k *kit.Kit, format, out string, stdout io.Writer) error {
	write := k.WriteDeb
	switch format {
	case "dir":
		return k.WriteDir(out, true)
	case "tar":
		write = k.WriteTar
	}
	if out == "-" {
		return write(stdout, clock())
	}
	return replaceFile(out, func(w io.Writer) error { return write(w, clock()) })
}

// replaceFile writes a file that only its owner may read, in one step.
func replaceFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func kitHint(format, out string) string {
	switch format {
	case "deb":
		return "on that machine: dpkg -i " + filepath.Base(out)
	case "tar":
		return "on that machine: tar -xpf " + filepath.Base(out) + " -C /"
	}
	return fmt.Sprintf("try it: APT_CONFIG=%s/apt.conf apt-get update", out)
}
