package outcome

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"aptmirror/proxy/admin"
)

func TestOutcomeIsTheExitCode(t *testing.T) {
	good := admin.SuiteResult{Archive: "a", Suite: "good", Generation: 1}
	failed := admin.SuiteResult{Archive: "a", Suite: "failed", Error: "no answer"}
	refused := admin.SuiteResult{Archive: "a", Suite: "refused", Error: "not signed", Refused: true}
	partly := admin.SuiteResult{Archive: "a", Suite: "partly", Generation: 1, Error: "1 of 5 files"}
	tests := []struct {
		name    string
		results []admin.SuiteResult
		want    int
		text    string
	}{
		{"nothing to do", nil, 0, ""},
		{"all good", []admin.SuiteResult{good, good}, 0, ""},
		{"all failed", []admin.SuiteResult{failed, failed}, admin.ExitFailed, "no suite could be refreshed"},
		{"some failed", []admin.SuiteResult{good, failed}, admin.ExitPartly, "1 of 2 suites"},
		{"refreshed, not downloaded", []admin.SuiteResult{partly}, admin.ExitPartly, "1 of 1 suites"},
		{"refused before failed", []admin.SuiteResult{failed, refused, good}, admin.ExitRefused, "of 1 of 3 suites, something did not verify"},
		{"all refused", []admin.SuiteResult{refused}, admin.ExitRefused, "of 1 of 1 suites, something did not verify"},
	}
	for _, test := range tests {
		err := Of(t.Context(), test.results)
		fault := (*admin.Error)(nil)
		if !errors.As(err, &fault) {
			fault = &admin.Error{}
		}
		if (err == nil) != (test.want == 0) || fault.Exit != test.want || !strings.Contains(fault.Text, test.text) {
			t.Errorf("%s: got %v with exit code %d, want %d and %q", test.name, err, fault.Exit, test.want, test.text)
		}
	}
}

// A sync that was broken off is no verdict on the suites.
func TestOutcomeOfAnInterruptedSync(t *testing.T) {
	errClosing := errors.New("it ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errClosing)
	err := Of(ctx, []admin.SuiteResult{{Error: "context canceled", Refused: true}})
	if !errors.Is(err, errClosing) {
		t.Errorf("got %v", err)
	}
}

func TestEventsAreOneLineForAPerson(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	signers := []admin.Signer{{Fingerprint: "AB", Name: "One"}, {Fingerprint: "CD"}}
	tests := []struct {
		result admin.SuiteResult
		want   string
		failed bool
	}{
		{admin.SuiteResult{Archive: "debian", Suite: "stable", New: true, Date: date, Signers: signers, Packages: 7, Generation: 3},
			"debian stable: verified, dated 2026-01-02 02:04:05 UTC, signed by AB (One) and 1 more; 7 packages, generation 3", false},
		{admin.SuiteResult{Archive: "debian", Suite: "stable", Date: date, Generation: 3},
			"debian stable: unchanged since 2026-01-02 02:04:05 UTC, generation 3", false},
		{admin.SuiteResult{Archive: "debian", Suite: "stable", Date: date, Generation: 3, Wanted: 9, Present: 9},
			"debian stable: unchanged since 2026-01-02 02:04:05 UTC, generation 3; all 9 files are here", false},
		{admin.SuiteResult{Archive: "debian", Suite: "stable", Error: "archive debian: no answer", Wanted: 9}, "archive debian: no answer", true},
	}
	for _, test := range tests {
		got := Event(test.result)
		if got.Text != test.want || got.Failed != test.failed || got.Archive != "debian" || got.Suite != "stable" {
			t.Errorf("got %+v\nwant %s", got, test.want)
		}
	}
}

func TestSummaryCounts(t *testing.T) {
	got := Summary([]admin.SuiteResult{{New: true}, {}, {}, {Error: "x"}, {Error: "y", New: true}})
	if want := "5 suites: 1 new, 2 unchanged, 2 failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
