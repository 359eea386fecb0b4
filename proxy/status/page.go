package status

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"aptmirror/proxy/admin"
)

//go:embed page.html
var pageText string

//go:embed style.css
var style string

//go:embed icon.svg
var icon []byte

// styleHash is how the security policy knows the style sheet.
var styleHash = "sha256-" + hashOf(style)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"size": size, "count": count, "percent": percent, "stamp": admin.Minute, "words": words, "kind": func(k string) string { return kindNames[k] },
}).Parse(pageText))

// Rows of long lists that the page shows; it says how many there are.
const (
	shownClients   = 12
	shownOthers    = 500 // further clients, folded away
	shownTurned    = 8
	shownJobs      = 6
	shownSnapshots = 6
)

// view is what the template shows.
type view struct {
	*State
	Style        template.CSS
	Now          time.Time
	Level        level
	Headline     string
	Concerns     []concern
	Repositories []repository
	Ready        int
	Day, Month   period
	DayChart     template.HTML
	MonthChart   template.HTML
	Clients      []named
	Others       []named // folded away
	Unshown      int     // clients
	AllSnapshots int
	Today        int // clients that were here within a day
	Turned       []turned
	now          time.Time
	users        *users
}

type repository struct {
	Name   string
	Suites []suiteRow
}

type suiteRow struct {
	admin.SuiteStatus
	Verdict verdict
}

// view prepares a page.
func (b *Board) view(s *State) *view {
	now := b.Now().UTC()
	fine, coarse := b.traffic.rows(now)
	v := &view{
		State: s, Style: template.CSS(style), Now: now, now: now, users: b.users,
		Concerns: concerns(s, now), Repositories: rows(s.Suites, now),
		Day: fine.total(), Month: coarse.total(), Turned: b.clients.turnedAway(),
		DayChart: chart(fine, "The last 24 hours", "15:04", 16), MonthChart: chart(coarse, "The last 30 days", "2 Jan", 20),
		Clients: b.clients.list(), Today: b.clients.since(now.Add(-day)),
	}
	v.AllSnapshots, v.Turned = len(s.Snapshots), first(v.Turned, shownTurned)
	v.fold()
	short := *s
	short.Finished, short.Snapshots = first(s.Finished, shownJobs), first(s.Snapshots, shownSnapshots)
	v.State = &short
	v.Ready, v.Level, v.Headline = headline(s.Suites, v.Concerns, now)
	return v
}

// fold parts the clients into those that are shown at once, those that are
// shown when asked for, and the rest.
func (v *view) fold() {
	others := v.Clients[min(len(v.Clients), shownClients):]
	v.Clients, v.Others = first(v.Clients, shownClients), first(others, shownOthers)
	v.Unshown = len(others) - len(v.Others)
}

// clientTable is what the template "clients" shows.
type clientTable struct {
	View    *view
	Caption string
	Rows    []named
}

func (v *view) ClientRows() clientTable {
	if len(v.Others) == 0 {
		return clientTable{v, "All that were here, the last first", v.Clients}
	}
	return clientTable{v, fmt.Sprintf("The %d that were here last", len(v.Clients)), v.Clients}
}

func (v *view) OtherRows() clientTable { return clientTable{v, "Here before those", v.Others} }

// Alarm reports whether the window's title should say that something is wrong.
func (v *view) Alarm() bool { return v.Level >= warn }

func first[T any](all []T, n int) []T { return all[:min(len(all), n)] }

// rows groups suites by repository, both in the order they come in.
func rows(suites []admin.SuiteStatus, now time.Time) (all []repository) {
	for _, s := range suites {
		if n := len(all); n == 0 || all[n-1].Name != s.Repository {
			all = append(all, repository{Name: s.Repository})
		}
		r := &all[len(all)-1]
		r.Suites = append(r.Suites, suiteRow{s, judge(s, now)})
	}
	return all
}

// headline says in one sentence how the mirror does.
func headline(suites []admin.SuiteStatus, concerns []concern, now time.Time) (ready int, l level, text string) {
	for _, s := range suites {
		if unready(s, now) == "" {
			ready++
		}
	}
	for _, c := range concerns {
		l = max(l, c.Level)
	}
	switch {
	case len(suites) == 0:
		return 0, max(l, warn), "No repository is configured yet"
	case ready < len(suites):
		return ready, bad, fmt.Sprintf("Clients do not get what they need from %s", suitesOf(len(suites)-ready, len(suites)))
	case l == bad:
		return ready, l, "Something is wrong"
	case l == warn:
		return ready, l, "Clients are served; something needs a person"
	}
	return ready, l, "Everything is as it should be"
}

func suitesOf(n, all int) string {
	if all == 1 {
		return "its only suite"
	}
	return fmt.Sprintf("%d of %d suites", n, all)
}

// Who names who asked for something.
func (v *view) Who(by string) string { return v.users.name(by, v.now) }

// When writes a time as people say it, with the exact one to point at.
func (v *view) When(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">never</span>`
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, t.UTC().Format(time.RFC3339), admin.Minute(t), relative(t.Sub(v.now))))
}

// relative says how far away something is: "12 min ago", "in 3 days".
func relative(d time.Duration) string {
	switch {
	case d > -time.Minute && d < time.Minute:
		return "now"
	case d < 0:
		return length(-d) + " ago"
	}
	return "in " + length(d)
}

// length writes a duration in its largest unit.
func length(d time.Duration) string {
	switch {
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d < 730*day:
		return fmt.Sprintf("%d days", d/day)
	}
	return fmt.Sprintf("%d years", d/(365*day))
}

// Left tells how near an end is.
func (v *view) Left(t time.Time) level {
	switch left := t.Sub(v.now); {
	case t.IsZero():
		return good
	case left < 0:
		return bad
	case left < soon:
		return warn
	}
	return good
}

// Near reports whether an end is worth a word, or past.
func (v *view) Near(t time.Time) bool { return v.Left(t) != good }

// Ends is a badge for an end.
func (v *view) Ends(t time.Time) verdict {
	l := v.Left(t)
	return verdict{l, map[level]string{good: "good", warn: "ends soon", bad: "ended"}[l]}
}

// listSoon is how long before its end a revocation list is worth a word: lists
// live for weeks and are made anew well before that.
const listSoon = 7 * day

// EndOf is a badge for an end that is worth one, else nil.
func (v *view) EndOf(x Expiry) *verdict {
	if !v.Near(x.End) || x.Kind == RevocationList && x.End.Sub(v.now) >= listSoon {
		return nil
	}
	badge := v.Ends(x.End)
	return &badge
}

// Ended is a badge for a job.
func (v *view) Ended(j admin.Job) verdict {
	switch {
	case j.Error != "":
		return verdict{warn, "failed"}
	case j.Finished.IsZero():
		return verdict{note, "interrupted"}
	}
	return verdict{good, "done"}
}

// RingState is a badge for a ring.
func (v *view) RingState(r Ring) verdict {
	switch {
	case r.Published.IsZero():
		return verdict{bad, "nothing published"}
	case r.Behind:
		return verdict{note, "newer to come"}
	}
	return verdict{good, "up to date"}
}

// SentToday and SentMonth are bytes to clients; DiskTaken is what of the file
// system is not free.
func (v *view) SentToday() int64 { return v.Day.Stored + v.Day.Fresh }
func (v *view) SentMonth() int64 { return v.Month.Stored + v.Month.Fresh }
func (v *view) DiskTaken() int64 { return v.Store.DiskSize - v.Store.DiskFree }

// Took is how long a job ran.
func (v *view) Took(j admin.Job) string {
	switch d := j.Finished.Sub(j.Started); {
	case j.Finished.IsZero():
		return "–"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	default:
		return length(d)
	}
}

// Hits writes a share of hits, or a dash.
func (v *view) Hits(p period) string {
	if rate, ok := p.hitRate(); ok {
		return percent(rate)
	}
	return "–"
}

// Bar draws how much of a whole is there.
func (v *view) Bar(part, whole int64) template.HTML {
	share := 0.0
	if whole > 0 {
		share = min(1, max(0, float64(part)/float64(whole)))
	}
	return template.HTML(fmt.Sprintf(`<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">`+
		`<rect class="track" width="100" height="6"/><rect class="part" width="%.2f" height="6"/></svg>`, 100*share))
}

// Share is a part of a whole in words.
func (v *view) Share(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	return percent(float64(part) / float64(whole))
}

// percent never rounds up to all, nor down to nothing.
func percent(share float64) string {
	switch {
	case share > 0 && share < 0.01:
		return "<1 %"
	case share > 0.99 && share < 1:
		return ">99 %"
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}

// count writes a whole number with thin spaces between thousands.
func count(n any) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

func words(list []string) string { return strings.Join(list, ", ") }
