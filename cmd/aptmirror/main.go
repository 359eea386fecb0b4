// Command aptmirror mirrors Debian and Ubuntu archives, verified, for machines
// that show a client certificate. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon"
	"aptmirror/proxy/admin"
)

// version is set when a release is linked; otherwise the commit that was built from counts.
var version = ""

func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

// clock is what the daemon, a new site and new certificates go by; only tests
// set another.
var clock = time.Now

// exitInterrupted is the exit code after a signal, as shells have it.
const exitInterrupted = 130

func main() {
	signals, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, hangUp := context.WithCancelCause(signals)
	hangups.end(func() { hangUp(errHangup) })
	endAnyway(ctx, os.Stderr, stop, os.Exit)
	code := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program but for the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	asRoot := os.Geteuid() == 0 // commands may become another user
	app := newApp(stdout, stderr)
	if len(args) == 2 && args[1] == "--version" {
		args = []string{args[0], "version"}
	}
	asked, err := helpFor(app, args[1:])
	if !asked {
		args, err = arrange(app, args)
		if err == nil {
			err = app.RunContext(ctx, args)
		}
	}
	if err == nil {
		return 0
	}
	switch {
	case errors.Is(err, errSilent):
	case ctx.Err() != nil && strings.HasSuffix(err.Error(), context.Cause(ctx).Error()):
		fmt.Fprintln(stderr, "aptmirror: interrupted; what was finished stays")
	default:
		if errors.Is(err, fs.ErrPermission) && !asRoot && !strings.Contains(err.Error(), "as root") {
			err = fmt.Errorf("%w; run the command as root or as the user of the service", err)
		}
		fmt.Fprintln(stderr, "aptmirror:", err)
	}
	return exitCode(ctx, err)
}

// errSilent ends a command that has said everything already.
var errSilent = errors.New("")

// usageError is a mistake in the command line or the configuration.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(ctx context.Context, err error) int {
	var fault *admin.Error
	var usage usageError
	var stop *daemon.StopError
	switch {
	case errors.As(err, &stop):
		return admin.ExitFailed
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage):
		return admin.ExitUsage
	case errors.As(err, &fault):
		return fault.Exit
	}
	return admin.ExitFailed
}

const programDescription = "Options may stand anywhere on the line. Data goes to standard output, and everything for people to standard error.\n\n" +
	"Exit codes: 0 done, 1 failed, 2 wrong options or configuration, 3 done in part, 4 something did not verify, 130 interrupted."

const programExamples = `# a working site in a folder, from this machine's apt sources
aptmirror quickstart
# a site for a real host
sudo aptmirror init
# what is wrong, and what to do about it
sudo aptmirror doctor`

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                      "aptmirror",
		Usage:                     "a verifying apt mirror and cache that serves only machines with a client certificate",
		Description:               programDescription,
		UsageText:                 programExamples,
		Version:                   buildVersion(),
		HideVersion:               true,
		HideHelp:                  true, // help.go has its own
		Writer:                    stdout,
		ErrWriter:                 stderr,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {}, // main decides about exit codes
		OnUsageError:              onUsageError,
		Action:                    unknownCommand,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "the configuration `FILE`", Value: "/etc/aptmirror/aptmirror.toml", EnvVars: []string{"APTMIRROR_CONFIG"}},
			&cli.BoolFlag{Name: "json", Usage: "print data as JSON"},
			&cli.BoolFlag{Name: "verbose", Usage: "log more, to standard error"},
		},
		Commands: []*cli.Command{
			quickstartCommand(),
			initCommand(),
			serveCommand(),
			reloadCommand(),
			logCommand(),
			syncCommand(),
			statusCommand(),
			archiveCommand(),
			packageCommand(), keyCommand(),
			policyCommand(),
			whyCommand(),
			snapshotCommand(),
			exportCommand(),
			importCommand(),
			publishCommand(),
			rollbackCommand(),
			historyCommand(),
			jobsCommand(),
			verifyCommand(),
			gcCommand(),
			clientCommand(),
			certificateCommand(),
			versionCommand(),
			completionCommand(),
			doctorCommand(),
			configCommand(),
			helpCommand(),
			completeCommand(),
			manCommand(),
		},
	}
	for _, c := range everyCommand(app.Commands) {
		c.OnUsageError, c.HideHelp = onUsageError, true
	}
	return app
}

func onUsageError(c *cli.Context, err error, _ bool) error {
	command := c.App.Name
	if c.Command != nil && c.Command.HelpName != "" {
		command = c.Command.HelpName
	}
	option, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usagef("%w (see %s --help)", err, command)
	}
	hint := suggestOption(c, option)
	if hint == "" {
		hint = "; an argument that begins with a dash goes behind --"
	}
	return usagef("there is no option %q (see %s --help)%s", option, command, hint)
}

// suggestOption is a question about a mistyped option, or nothing.
func suggestOption(c *cli.Context, option string) string {
	flags := c.App.Flags
	if c.Command != nil {
		flags = slices.Concat(flags, c.Command.Flags)
	}
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return didYouMean("--", config.Nearest(strings.TrimPrefix(option, "-"), names))
}

func unknownCommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return usagef("there is no command %q (see aptmirror help)%s", name, suggestion(c.App.Commands, name))
	}
	return help(c.App, nil)
}

// suggestion is a question about a mistyped name, or nothing.
func suggestion(commands []*cli.Command, name string) string {
	var names []string
	for _, c := range visible(commands) {
		names = append(names, c.Names()...)
	}
	return didYouMean("", config.Nearest(name, names))
}

func didYouMean(before, name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(". Did you mean %q?", before+name)
}
