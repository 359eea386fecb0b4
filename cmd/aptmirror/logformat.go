package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/urfave/cli/v2"
)

func newLog(w io.Writer, level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// logLevel is what a command that shows its results itself logs.
func logLevel(c *cli.Context) slog.Level {
	if c.Bool("verbose") {
		return slog.LevelDebug
	}
	return slog.LevelError
}

// serveLog is the daemon's log: requests, jobs and what goes wrong. Its level
// can be changed later.
func serveLog(c *cli.Context) (*slog.Logger, *slog.LevelVar, error) {
	level := new(slog.LevelVar)
	if c.Bool("verbose") {
		level.Set(slog.LevelDebug)
	}
	w := c.App.ErrWriter
	switch format := c.String("log-format"); format {
	case "text":
		return newLog(w, level), level, nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), level, nil
	case "journal":
		return slog.New(newJournal(w, level)), level, nil
	default:
		return nil, nil, usagef("--log-format %s: text, json and journal are known", format)
	}
}

// journal writes lines of text that begin with a priority, as sd-daemon(3) has
// it, and without time, which the journal knows. It has one handler for each
// priority.
type journal []journalPriority

type journalPriority struct {
	from slog.Level
	slog.Handler
}

// priorities are those of syslog, from the most to the least urgent.
var priorities = []struct {
	from   slog.Level
	prefix string
}{{slog.LevelError, "<3>"}, {slog.LevelWarn, "<4>"}, {slog.LevelInfo, "<6>"}, {slog.LevelDebug, "<7>"}}

func newJournal(w io.Writer, level slog.Leveler) journal {
	var j journal
	for _, p := range priorities {
		h := slog.NewTextHandler(prefixed{w, p.prefix}, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime})
		j = append(j, journalPriority{p.from, h})
	}
	return j
}

// withoutTime drops what slog itself gives a record.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	_, level := a.Value.Any().(slog.Level)
	if len(groups) == 0 && (a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime || a.Key == slog.LevelKey && level) {
		return slog.Attr{}
	}
	return a
}

// prefixed puts a prefix before every record: slog writes each at once.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p prefixed) Write(record []byte) (int, error) {
	_, err := p.w.Write(append([]byte(p.prefix), record...))
	return len(record), err
}

func (j journal) of(l slog.Level) slog.Handler {
	for _, p := range j {
		if l >= p.from {
			return p.Handler
		}
	}
	return j[len(j)-1].Handler
}

func (j journal) Enabled(ctx context.Context, l slog.Level) bool { return j.of(l).Enabled(ctx, l) }

func (j journal) Handle(ctx context.Context, r slog.Record) error {
	return j.of(r.Level).Handle(ctx, r)
}

func (j journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return j.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (j journal) WithGroup(name string) slog.Handler {
	return j.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (j journal) with(change func(slog.Handler) slog.Handler) slog.Handler {
	var next journal
	for _, p := range j {
		next = append(next, journalPriority{p.from, change(p.Handler)})
	}
	return next
}
