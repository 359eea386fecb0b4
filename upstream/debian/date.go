package debian

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseDate reads the time in a Date or Valid-Until field. It takes the three
// forms of RFC 7231 7.1.1.1 that apt takes, with apt's freedom in blanks and
// digits, and only in UTC:
//
//	Sun, 06 Nov 1994 08:49:37 UTC
//	Sunday, 06-Nov-94 08:49:37 UTC      the year counts from 1900
//	Sun Nov  6 08:49:37 1994
//
// The zone is GMT, UTC, Z or a numeric zero such as +0000. The day of the week
// has to be one, but not the right one. The result is in UTC.
func ParseDate(s string) (time.Time, error) {
	t, ok := parseDate(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' }))
	if !ok {
		return time.Time{}, fmt.Errorf(`date %.60q is not like "Sun, 06 Nov 1994 08:49:37 UTC"`, s)
	}
	return t, nil
}

func parseDate(words []string) (time.Time, bool) {
	switch {
	case len(words) == 6 && isWeekday(words[0], "%.3s,") && isUTC(words[5]):
		return makeTime(words[3], 4, words[2], words[1], words[4])
	case len(words) == 5 && isWeekday(words[0], "%.3s"):
		return makeTime(words[4], 4, words[1], words[2], words[3])
	case len(words) == 4 && isWeekday(words[0], "%s,") && isUTC(words[3]):
		date := strings.Split(words[1], "-")
		if len(date) != 3 {
			return time.Time{}, false
		}
		return makeTime(date[2], 2, date[1], date[0], words[2])
	}
	return time.Time{}, false
}

// isWeekday reports whether word is the English name of a day in the given
// format, in any case.
func isWeekday(word, format string) bool {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(word, fmt.Sprintf(format, day)) {
			return true
		}
	}
	return false
}

func isUTC(zone string) bool {
	switch zone {
	case "GMT", "UTC", "Z":
		return true
	}
	digits := strings.TrimLeft(zone, "+-")
	return len(zone)-len(digits) <= 1 && digits != "" && strings.Trim(digits, "0") == ""
}

// makeTime puts a time together and refuses days and hours that do not exist.
func makeTime(year string, yearDigits int, month, day, clock string) (time.Time, bool) {
	hms := strings.Split(clock, ":")
	if len(hms) != 3 || len(year) != yearDigits {
		return time.Time{}, false
	}
	var n [5]int
	for i, word := range []string{year, day, hms[0], hms[1], hms[2]} {
		v, err := strconv.ParseUint(word, 10, 16)
		if err != nil || i > 0 && len(word) > 2 {
			return time.Time{}, false
		}
		n[i] = int(v)
	}
	if yearDigits == 2 {
		n[0] += 1900
	}
	mon, ok := parseMonth(month)
	t := time.Date(n[0], mon, n[1], n[2], n[3], n[4], 0, time.UTC)
	exists := t.Day() == n[1] && t.Hour() == n[2] && t.Minute() == n[3] && t.Second() == n[4]
	return t, ok && exists
}

func parseMonth(name string) (time.Month, bool) {
	for m := time.January; m <= time.December; m++ {
		if strings.EqualFold(name, m.String()[:3]) {
			return m, true
		}
	}
	return 0, false
}
