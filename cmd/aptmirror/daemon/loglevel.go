package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"aptmirror/proxy/admin"
)

// logLevels are what people call the levels of slog.
var logLevels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// LogLevel changes what is logged until the daemon ends.
func (d *Daemon) LogLevel(ctx context.Context, by admin.Caller, r admin.LogRequest) (*admin.LogLevel, error) {
	if d.Level == nil {
		return nil, &admin.Error{Text: "no daemon is serving, so that there is no log", Exit: admin.ExitFailed}
	}
	was := levelName(d.Level.Level())
	if r.Level == "" {
		return &admin.LogLevel{Level: was, Was: was}, nil
	}
	level, known := logLevels[r.Level]
	if !known {
		return nil, &admin.Error{Text: fmt.Sprintf("log level %q: debug, info, warn and error are known", r.Level), Exit: admin.ExitUsage}
	}
	d.Level.Set(level)
	// Whoever reads the log later must know why it begins or ends here.
	d.Log.Log(ctx, max(level, slog.LevelWarn), "log level changed", "to", r.Level, "from", was, "by", by.String())
	return &admin.LogLevel{Level: r.Level, Was: was}, nil
}

func levelName(l slog.Level) string { return strings.ToLower(l.String()) }
