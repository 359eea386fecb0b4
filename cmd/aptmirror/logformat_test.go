package main

import (
	"bytes"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func TestJournalLinesBeginWithTheirPriority(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := slog.New(newJournal(&out, level)).With("archive", "debian")
	log.Debug("not logged")
	log.Info("published", "time", "kept", "level", "too")
	level.Set(slog.LevelDebug)
	log.Debug("asked")
	log.WithGroup("mirror").Warn("slow", "level", 3)
	log.Error("broken\nin two")
	want := strings.Join([]string{
		`<6>msg=published archive=debian time=kept level=too`, `<7>msg=asked archive=debian`,
		`<4>msg=slow archive=debian mirror.level=3`, `<3>msg="broken\nin two" archive=debian`, "",
	}, "\n")
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func BenchmarkJournal(b *testing.B) {
	log := slog.New(newJournal(io.Discard, slog.LevelInfo))
	b.ReportAllocs()
	for b.Loop() {
		log.Info("request", "path", "/debian/dists/stable/InRelease", "status", 200)
	}
}
