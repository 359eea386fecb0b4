package debian

import (
	"testing"
	"time"
)

func TestParseDateTakesWhatAptTakes(t *testing.T) {
	for in, want := range map[string]string{
		"Sat, 11 Jul 2026 10:16:37 UTC":    "2026-07-11T10:16:37Z",
		"Fri, 20 Nov 2026  2:27:59 UTC":    "2026-11-20T02:27:59Z",
		"Sun, 1 Nov 2026 00:00:00 GMT":     "2026-11-01T00:00:00Z",
		"Sun,  1 Nov 2026 00:00:00 Z":      "2026-11-01T00:00:00Z",
		"sun, 01 nov 2026 00:00:00 +0000":  "2026-11-01T00:00:00Z",
		"Sun, 01 Nov 2026 00:00:00 -0000":  "2026-11-01T00:00:00Z",
		"Sun, 01 Nov 2026 00:00:00 0":      "2026-11-01T00:00:00Z",
		" Sun, 01 Nov 2026\t23:59:59 UTC ": "2026-11-01T23:59:59Z",
		"Thu, 31 Dec 2026 00:00:00 UTC":    "2026-12-31T00:00:00Z",
		"Thu, 29 Feb 2024 12:00:00 UTC":    "2024-02-29T12:00:00Z",
		"Mon, 01 Nov 2026 00:00:00 UTC":    "2026-11-01T00:00:00Z", // was a Sunday
		"Sunday, 06-Nov-94 08:49:37 GMT":   "1994-11-06T08:49:37Z",
		"Sun Nov  6 08:49:37 1994":         "1994-11-06T08:49:37Z",
	} {
		got, err := ParseDate(in)
		if err != nil || got.Format(time.RFC3339Nano) != want || got.Location() != time.UTC {
			t.Errorf("ParseDate(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
}

func TestParseDateRefuses(t *testing.T) {
	for _, in := range []string{
		"",
		"2026-11-01T00:00:00Z",
		"Sun, 01 Nov 2026 00:00:00",
		"Sun, 01 Nov 2026 00:00:00 CEST",
		"Sun, 01 Nov 2026 00:00:00 utc",
		"Sun, 01 Nov 2026 00:00:00 +0100",
		"Sun, 01 Nov 2026 00:00:00 +-0",
		"Sun, 01 Nov 2026 00:00:00 +",
		"Sun, 01 Nov 2026 00:00:00 UTC x",
		"So, 01 Nov 2026 00:00:00 UTC",
		"Foo, 01 Nov 2026 00:00:00 UTC",
		"Sun 01 Nov 2026 00:00:00 UTC",
		"Sun, 01 November 2026 00:00:00 UTC",
		"Sun, 01 11 2026 00:00:00 UTC",
		"Sun, 31 Nov 2026 00:00:00 UTC",
		"Sun, 29 Feb 2026 00:00:00 UTC",
		"Sun, 00 Nov 2026 00:00:00 UTC",
		"Sun, 01 Nov 26 00:00:00 UTC",
		"Sun, 01 Nov 12026 00:00:00 UTC",
		"Sun, 01 Nov -026 00:00:00 UTC",
		"Sun, 01 Nov 2026 24:00:00 UTC",
		"Sun, 01 Nov 2026 00:60:00 UTC",
		"Sun, 01 Nov 2026 00:00:60 UTC",
		"Sun, 01 Nov 2026 00:00 UTC",
		"Sun, 01 Nov 2026 0:0:0:0 UTC",
		"Sun, 01 Nov 2026 000:00:00 UTC",
		"Sun, +1 Nov 2026 00:00:00 UTC",
		"Sun, 01 Nov 2026 00:00:00.5 UTC",
		"Sun, 06-Nov-94 08:49:37 GMT",
		"Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sunday, 06 Nov 1994 08:49:37 GMT",
		"Sunday, 06-Nov 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37 CET",
		"Sun Nov  6 08:49:37 1994 UTC",
		"Sun, 01\u00a0Nov 2026 00:00:00 UTC",
	} {
		if got, err := ParseDate(in); err == nil {
			t.Errorf("ParseDate(%q) = %v, want an error", in, got)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add("Sat, 11 Jul 2026 10:16:37 UTC")
	f.Add("Sunday, 06-Nov-94 08:49:37 GMT")
	f.Add("Sun Nov  6 08:49:37 1994")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseDate(s)
		if err != nil {
			return
		}
		const form = "Mon, 02 Jan 2006 15:04:05 UTC"
		if again, err := ParseDate(got.Format(form)); err != nil || !again.Equal(got) {
			t.Errorf("ParseDate(%q) = %v, written and read again %v, %v", s, got, again, err)
		}
	})
}
