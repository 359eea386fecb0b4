// Command aptmirror mirrors Debian and Ubuntu archives, verified, for machines
// that show a client certificate. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v2"

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

// exitInterrupted is the exit code after a signal, as shells have it.
const exitInterrupted = 130

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole program but for the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if err == nil {
		return 0
	}
	if !errors.Is(err, errSilent) {
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
	var topic cli.ExitCoder // the library's own, from help for what there is not
	switch {
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &topic):
		return admin.ExitUsage
	case errors.As(err, &fault):
		return fault.Exit
	}
	return admin.ExitFailed
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:                      "aptmirror",
		Usage:                     "a verifying apt mirror and cache that serves only machines with a client certificate",
		Version:                   buildVersion(),
		HideVersion:               true,
		Writer:                    stdout,
		ErrWriter:                 stderr,
		Suggest:                   true,
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
			quickstartCommand(), initCommand(), serveCommand(), reloadCommand(), syncCommand(), statusCommand(), archiveCommand(),
			jobsCommand(), verifyCommand(), gcCommand(), clientCommand(), versionCommand(),
		},
	}
	for _, c := range everyCommand(app.Commands) {
		c.OnUsageError = onUsageError
	}
	return app
}

func onUsageError(_ *cli.Context, err error, _ bool) error {
	return usageError{fmt.Errorf("%w (see aptmirror help)", err)}
}

func unknownCommand(c *cli.Context) error {
	if name := c.Args().First(); name != "" {
		return usagef("there is no command %q (see aptmirror help)%s", name, suggestion(c.App.Commands, name))
	}
	return cli.ShowAppHelp(c)
}

// suggestion is a question about a mistyped name, or nothing.
func suggestion(commands []*cli.Command, name string) string {
	if s := cli.SuggestCommand(commands, name); s != "" {
		return ". " + s
	}
	return ""
}
