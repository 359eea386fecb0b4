package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/migrate"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name: "config", Usage: "check a configuration, or carry over that of another program",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "look for mistakes in the configuration", ArgsUsage: "[FILE]",
				Description: "Names every mistake with its line. Files that the configuration names are not looked at: doctor does that.",
				UsageText:   "aptmirror config check\naptmirror config check new.toml && mv new.toml /etc/aptmirror/aptmirror.toml",
				Action:      configCheck,
			},
			{
				Name: "import", Usage: "turn the configuration of another mirror into tables for this one", ArgsUsage: "FILE",
				Description: "FILE is mirror.list of apt-mirror, acng.conf of apt-cacher-ng, or sources that apt has on another machine\n" +
					"(sources.list, *.sources; init and quickstart read this machine's). Archives and repositories go to standard\n" +
					"output, to be added to aptmirror.toml; what could not be carried over goes to standard error, line by line.",
				UsageText: "aptmirror config import /etc/apt/mirror.list >> aptmirror.toml\n" +
					"aptmirror config import /etc/apt-cacher-ng/acng.conf\naptmirror config import ubuntu.sources",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "from", Usage: "`PROGRAM` whose configuration it is: apt-mirror, apt-cacher-ng or apt", DefaultText: "by what it looks like"},
				},
				Action: configImport,
			},
		},
		Action: unknownSubcommand,
	}
}

func configCheck(c *cli.Context) error {
	if c.NArg() > 1 {
		return usagef("config check takes at most one FILE, got %d", c.NArg())
	}
	path := c.String("config")
	if c.NArg() == 1 {
		path = c.Args().First()
	}
	loaded, err := config.Load(path)
	if err != nil {
		return usageError{err}
	}
	report := checkReport{loaded.Path, len(loaded.Archives), len(loaded.Pools), len(loaded.Repositories), len(loaded.Grants)}
	if c.Bool("json") {
		return printJSON(c.App.Writer, report)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s is valid: %d archives, %d pools, %d repositories, %d grants\n",
		report.File, report.Archives, report.Pools, report.Repositories, report.Grants)
	return err
}

type checkReport struct {
	File         string `json:"file"`
	Archives     int    `json:"archives"`
	Pools        int    `json:"pools"`
	Repositories int    `json:"repositories"`
	Grants       int    `json:"grants"`
}

func configImport(c *cli.Context) error {
	if c.NArg() != 1 {
		return usagef("config import takes one FILE, got %d", c.NArg())
	}
	from := c.String("from")
	if from != "" && from != migrate.AptMirror && from != migrate.AptCacherNG && from != migrate.Apt {
		return usagef("--from %s: %s, %s and %s are known", from, migrate.AptMirror, migrate.AptCacherNG, migrate.Apt)
	}
	result, err := migrate.File(c.Args().First(), from)
	if err != nil {
		return err
	}
	allowPrivate(c.Context, result.Archives)
	report := importReport{string(config.Excerpt(result.Archives, result.Repositories)), append([]migrate.Remark{}, result.Notes...)}
	if c.Bool("json") {
		return printJSON(c.App.Writer, report)
	}
	for _, n := range report.Notes {
		fmt.Fprintln(c.App.ErrWriter, n)
	}
	if len(result.Archives) == 0 {
		return fmt.Errorf("%s names nothing that can be mirrored", c.Args().First())
	}
	_, err = fmt.Fprint(c.App.Writer, report.TOML)
	return err
}

type importReport struct {
	TOML  string           `json:"toml"`
	Notes []migrate.Remark `json:"notes"`
}
