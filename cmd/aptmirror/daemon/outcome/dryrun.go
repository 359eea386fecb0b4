package outcome

import (
	"context"
	"fmt"
	"strings"

	"aptmirror/proxy/admin"
)

// DryRunEvent tells in a line what would come of one suite.
func DryRunEvent(r admin.SuiteResult) admin.Event {
	e := admin.Event{Archive: r.Archive, Suite: r.Suite}
	if r.Error != "" {
		return Event(r)
	}
	e.Text = fmt.Sprintf("%s %s: nothing new since %s", r.Archive, r.Suite, admin.Second(r.Date))
	if r.New {
		e.Text = fmt.Sprintf("%s %s: something new, dated %s, %s of indexes would come", r.Archive, r.Suite, admin.Second(r.Date), admin.Size(r.IndexBytes))
	}
	switch missing := r.Wanted - r.Present; {
	case r.Wanted == 0:
	case missing > 0:
		e.Text += fmt.Sprintf("; %d of %d files would come, %s", missing, r.Wanted, admin.Size(r.WantedBytes-r.PresentBytes))
	default:
		e.Text += fmt.Sprintf("; all %d files are here", r.Present)
	}
	if lacks := Essential(r.Missing); len(lacks) > 0 {
		e.Text += "; no mirror has " + strings.Join(lacks, ", ")
	}
	return e
}

// OfDryRun is the exit code that a sync would have ended with as far as it
// can be known.
func OfDryRun(ctx context.Context, results []admin.SuiteResult) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	failed, refused := 0, 0
	for _, r := range results {
		if r.Error != "" {
			failed++
		}
		if r.Refused {
			refused++
		}
	}
	fault := &admin.Error{Text: fmt.Sprintf("%d of %d suites cannot be refreshed", failed, len(results)), Exit: admin.ExitPartly}
	switch {
	case failed == 0:
		return nil
	case refused > 0:
		fault.Exit = admin.ExitRefused
	case failed == len(results):
		fault.Exit = admin.ExitFailed
	}
	return fault
}
