// Package outcome says what became of suites: in lines for people, as errors with
// exit codes, with what to do about a refusal, and in the forms of package admin.
package outcome

import (
	"context"
	"fmt"
	"strings"

	"aptmirror/proxy/admin"
)

// Event tells the outcome of one suite in a line.
func Event(r admin.SuiteResult) admin.Event {
	e := admin.Event{Archive: r.Archive, Suite: r.Suite}
	switch {
	case r.Error != "":
		e.Failed, e.Text = true, r.Error
		if r.Advice != "" {
			e.Text += "\n  what to do: " + r.Advice
		}
	case r.Repository != "" && r.New:
		e.Text = fmt.Sprintf("%s %s: built and published; %d packages, generation %d", r.Repository, r.Suite, r.Packages, r.Generation)
	case r.Repository != "":
		e.Text = fmt.Sprintf("%s %s: unchanged, generation %d", r.Repository, r.Suite, r.Generation)
	case r.New:
		e.Text = fmt.Sprintf("%s %s: verified, dated %s, signed by %s; %d packages, generation %d",
			r.Archive, r.Suite, admin.Second(r.Date), signedBy(r.Signers), r.Packages, r.Generation)
	default:
		e.Text = fmt.Sprintf("%s %s: unchanged since %s, generation %d", r.Archive, r.Suite, admin.Second(r.Date), r.Generation)
	}
	if r.Error == "" && r.Wanted > 0 {
		e.Text += fmt.Sprintf("; all %d files are here", r.Present)
	}
	if lacks := Essential(r.Missing); r.Error == "" && len(lacks) > 0 {
		e.Text += "; without what is named by " + strings.Join(lacks, ", ") + ", which no mirror has"
	}
	if r.Error == "" && r.LeftOut != nil {
		e.Text += fmt.Sprintf("; without %d files that nobody can verify", r.LeftOut.Files)
	}
	return e
}

// signedBy names the first key and counts the others, which status lists:
// Debian's suites have three.
func signedBy(signers []admin.Signer) string {
	if len(signers) == 0 {
		return "nobody"
	}
	text := signers[0].Fingerprint
	if name := signers[0].Name; name != "" {
		text += " (" + name + ")"
	}
	if more := len(signers) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// Summary counts what became of suites.
func Summary(results []admin.SuiteResult) string {
	changed, failed := 0, 0
	for _, r := range results {
		switch {
		case r.Error != "":
			failed++
		case r.New:
			changed++
		}
	}
	return fmt.Sprintf("%d suites: %d new, %d unchanged, %d failed", len(results), changed, len(results)-changed-failed, failed)
}

// Downloads says in a line how much of several suites is here.
func Downloads(results []admin.SuiteResult) string {
	wanted, present := 0, 0
	for _, r := range results {
		wanted, present = wanted+r.Wanted, present+r.Present
	}
	return fmt.Sprintf("%d suites: %d of %d files are here", len(results), present, wanted)
}

// DownloadEvent tells in a line how much of a suite is here.
func DownloadEvent(r admin.SuiteResult) admin.Event {
	if r.Error != "" {
		return Event(r)
	}
	return admin.Event{Archive: r.Archive, Suite: r.Suite, Text: fmt.Sprintf("%s %s: all %d files are here", r.Archive, r.Suite, r.Present)}
}

// Of turns the results into the exit code of the whole: a refusal goes
// before anything else, since somebody must look at it.
func Of(ctx context.Context, results []admin.SuiteResult) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	failed, refused, nothing := 0, 0, true
	for _, r := range results {
		if r.Error != "" {
			failed++
		}
		if r.Generation != 0 {
			nothing = false
		}
		if r.Refused {
			refused++
		}
	}
	switch {
	case refused > 0:
		return &admin.Error{Text: fmt.Sprintf("of %d of %d suites, something did not verify and was refused; what was served before still is", refused, len(results)), Exit: admin.ExitRefused}
	case failed > 0 && nothing:
		return &admin.Error{Text: "no suite could be refreshed; what was served before still is", Exit: admin.ExitFailed}
	case failed > 0:
		return &admin.Error{Text: fmt.Sprintf("%d of %d suites are not as they should be", failed, len(results)), Exit: admin.ExitPartly}
	}
	return nil
}
