package status

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func drawn(t *testing.T, s span) string {
	t.Helper()
	text := string(chart(s, "Label", "15:04", 2))
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return text
		} else if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
	}
}

func TestChart(t *testing.T) {
	s := span{time.Date(2026, 3, 15, 8, 0, 0, 0, time.UTC), time.Hour, []period{{Hits: 3, Misses: 1, Stored: 6e6, Fresh: 2e6}, {}, {Refused: 2}, {Hits: 1, Stored: 4e6}}}
	text := drawn(t, s)
	for want, n := range map[string]int{
		"<title>": 3, // the empty hour has no column
		"15 Mar 08:00–09:00 UTC: 8\u00a0MB sent to clients, 6\u00a0MB of it from the store; 75 % of 4 files were hits": 1,
		`aria-label="Label: 12` + "\u00a0MB sent": 1,
		">8\u00a0MB</text>":                       1, ">4\u00a0MB</text>": 1, ">0</text>": 1, ">08:00</text>": 1, ">10:00</text>": 1, ">09:00</text>": 0,
		`class="stored" x="76.00" y="44.00" width="118.50" height="90.00"`: 1,
		`class="fresh" x="76.00" y="14.00" width="118.50" height="30.00"`:  1,
		`class="rate" d="M76.0 178.5H195.5M434.5 166.0H554.0"`:             1, // with a hole where nobody asked
	} {
		if got := strings.Count(text, want); got != n {
			t.Errorf("%q is there %d times, want %d", want, got, n)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestChartOfNothing(t *testing.T) {
	text := drawn(t, newRing(time.Hour, 24).span(noon))
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || strings.Contains(text, "rect") || strings.Contains(text, `class="rate"`) {
		t.Error(text)
	}
}

func TestNiceTop(t *testing.T) {
	for most, want := range map[int64]int64{0: 1000, 999: 1000, 1001: 2000, 2001: 4000, 5e6: 6e6, 7e9: 8e9, 9e12: 1e13, 1e18: 1e18} {
		if got := niceTop([]period{{Stored: most}}); got != want {
			t.Errorf("%d: %d, want %d", most, got, want)
		}
	}
}

func TestTextForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", -59 * time.Second: "now", -time.Minute: "1 min ago", 59 * time.Minute: "in 59 min", -47 * time.Hour: "47 h ago", 48 * time.Hour: "in 2 days", 800 * day: "in 2 years",
	} {
		if got := relative(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for share, want := range map[float64]string{0: "0 %", 0.001: "<1 %", 0.5: "50 %", 0.999: ">99 %", 1: "100 %"} {
		if got := percent(share); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}
