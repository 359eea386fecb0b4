package status

import (
	"fmt"
	"strings"
	"time"

	"aptmirror/proxy/admin"
)

// unready says why clients do not accept what a suite serves; "" if they do.
func unready(s admin.SuiteStatus, now time.Time) string {
	switch {
	case s.Reason == damaged:
		return "what it serves is damaged in the store"
	case s.Generation == 0:
		return "nothing verified yet"
	case !s.ValidUntil.IsZero() && now.After(s.ValidUntil):
		return "expired on " + admin.Minute(s.ValidUntil)
	}
	return ""
}

// damaged is the reason of a suite whose current generation cannot be read.
const damaged = "damaged"

// level is how much something wants a person.
type level int

const (
	good level = iota
	note       // worth knowing
	warn       // will be wrong if nobody does anything
	bad        // is wrong now, for clients
)

// String names the level's colour and icon in the page.
func (l level) String() string { return [...]string{"good", "note", "warn", "bad"}[l] }

// verdict is one word about a suite.
type verdict struct {
	Level level
	Word  string
}

func judge(s admin.SuiteStatus, now time.Time) verdict {
	switch {
	case s.Reason == damaged:
		return verdict{bad, "damaged"}
	case s.Generation == 0 && s.Error == "" && s.Checked.IsZero():
		return verdict{bad, "not fetched yet"}
	case s.Generation == 0:
		return verdict{bad, "nothing to serve"}
	case !s.ValidUntil.IsZero() && now.After(s.ValidUntil):
		return verdict{bad, "expired"}
	case s.Held != nil:
		return verdict{warn, "held"}
	case s.Error != "" && s.Advice != "":
		return verdict{warn, "refused"}
	case s.Error != "" && s.Built:
		return verdict{warn, "not built"}
	case s.Error != "":
		return verdict{warn, "not refreshed"}
	case s.Warning != "":
		return verdict{warn, "ends soon"}
	case len(s.Unmet) > 0:
		return verdict{note, "lacks something"}
	}
	return verdict{good, "fresh"}
}

// concern is something that a person should know of.
type concern struct {
	Level   level
	Subject string
	What    string
	Advice  string    // what to do
	Command string    // that helps
	Since   time.Time // zero: not known
	Lead    string    // goes before Since in a sentence
}

// Label says in a word what the icon of a concern shows.
func (c concern) Label() string {
	return [...]string{"fine", "worth knowing", "needs a person soon", "wrong now"}[c.Level]
}

// concerns lists what is not as it should be, the worst first.
func concerns(s *State, now time.Time) (all []concern) {
	for _, x := range s.Suites {
		if c, ok := suiteConcern(x, now); ok {
			all = append(all, c)
		}
	}
	all = append(all, accessConcerns(s.Access)...)
	all = append(all, expiryConcerns(s.Expiries, now)...)
	all = append(all, mirrorConcerns(s.Mirrors)...)
	all = append(all, storeConcerns(s.Store)...)
	all = append(all, poolConcerns(s.Pools)...)
	all = append(all, jobConcerns(s.Finished)...)
	sorted := make([]concern, 0, len(all))
	for _, l := range []level{bad, warn, note} {
		for _, c := range all {
			if c.Level == l {
				sorted = append(sorted, c)
			}
		}
	}
	return sorted
}

func suiteConcern(x admin.SuiteStatus, now time.Time) (concern, bool) {
	v := judge(x, now)
	if v.Level == good {
		return concern{}, false
	}
	c := concern{Level: v.Level, Subject: x.Repository + " " + x.Suite, Advice: x.Advice, Since: x.CheckedOK, Lead: "last good"}
	switch {
	case x.Held != nil && x.Reason != damaged:
		c.What, c.Since, c.Lead = "Waits for somebody to accept it: "+x.Held.What, x.Held.Since, "since"
		if x.Archive != "" { // otherwise the advice names it
			c.Command = "aptmirror archive accept " + x.Archive + " " + x.Suite
		}
	case x.Error != "":
		// The subject says already which suite it is; of several mirrors, each says it.
		c.What = strings.ReplaceAll(x.Error, fmt.Sprintf("archive %s, suite %s: ", x.Archive, x.Suite), "")
		c.Command = strings.TrimSpace("aptmirror sync " + x.Archive) // what is built comes from several
	case x.Warning != "":
		c.What = x.Warning
	case len(x.Unmet) > 0:
		c.What = fmt.Sprintf("Nothing meets %s of packages that the policy allows with dependencies: %s", relations(len(x.Unmet)), listed(x.Unmet))
		c.Advice = "let the policy allow what is asked for; clients cannot install these packages otherwise"
	default:
		c.What = unready(x, now)
		c.Command = strings.TrimSpace("aptmirror sync " + x.Archive) // what is built comes from several
	}
	if why := unready(x, now); why != "" && !strings.Contains(c.What, why) {
		c.What += " (" + why + ")"
	}
	return c, true
}

func relations(n int) string {
	if n == 1 {
		return "a relation"
	}
	return fmt.Sprintf("%d relations", n)
}

// listed names the first of many.
func listed(all []string) string {
	const shown = 5
	text := strings.Join(first(all, shown), ", ")
	if len(all) > shown {
		text += fmt.Sprintf(" and %d more", len(all)-shown)
	}
	return text
}

func accessConcerns(a *admin.Access) (all []concern) {
	if a == nil {
		return nil
	}
	if a.Problem != "" {
		all = append(all, concern{Level: warn, Subject: "Configuration", What: "What the files say now cannot be used, what was read before stays in force: " + a.Problem,
			Command: "aptmirror reload", Since: a.ProblemSince, Lead: "since"})
	}
	for _, w := range a.Warnings {
		all = append(all, concern{Level: warn, Subject: "Certificates", What: w})
	}
	if len(a.Restart) > 0 {
		all = append(all, concern{Level: note, Subject: "Configuration", What: "Changed where only a restart helps: " + strings.Join(a.Restart, ", "),
			Command: "systemctl restart aptmirror"})
	}
	return all
}

// soon is how long before its end something is worth a word.
const soon = 30 * day

// expiryConcerns are about what the daemon's own warnings leave out.
func expiryConcerns(expiries []Expiry, now time.Time) (all []concern) {
	for _, x := range expiries {
		left := x.End.Sub(now)
		if left >= soon || x.Kind != ClientCertificate && x.Kind != SiteKey && x.Kind != ArchiveKey {
			continue
		}
		c := concern{Level: warn, Subject: kindNames[x.Kind] + " " + x.Name, What: "Ends on " + admin.Minute(x.End)}
		if left < 0 {
			c.What = "Ended on " + admin.Minute(x.End)
		}
		if x.Kind == ClientCertificate { // its holder's trouble, not the mirror's
			c.Level = note
			c.Command = "aptmirror client renew " + plainName(x.Name)
		}
		all = append(all, c)
	}
	return all
}

// plainName is an identity without its kind.
func plainName(identity string) string {
	_, name, _ := strings.Cut(identity, ":")
	return name
}

var kindNames = map[string]string{
	ServerCertificate: "Server certificate", ServerCA: "Server CA", ClientCA: "Client CA", RevocationList: "Revocation list",
	ClientCertificate: "Client certificate", SiteKey: "Site key", ArchiveKey: "Archive key",
}

func mirrorConcerns(mirrors []Mirror) (all []concern) {
	for _, m := range mirrors {
		if !m.AsideUntil.IsZero() {
			all = append(all, concern{Level: note, Subject: "Mirror of " + m.Archive, What: m.URI + " is asked last until " + admin.Minute(m.AsideUntil) + ": " + m.Why})
		}
	}
	return all
}

// Shares of the file system that are left when it is time to say so.
const (
	scarce    = 0.05
	exhausted = 0.01
)

func storeConcerns(s Store) []concern {
	if s.DiskSize == 0 || float64(s.DiskFree) > scarce*float64(s.DiskSize) {
		return nil
	}
	c := concern{Level: warn, Subject: "Disk", What: fmt.Sprintf("%s of %s are free", admin.Size(s.DiskFree), admin.Size(s.DiskSize)),
		Advice: "lower cache.max_size or give the file system more room; nothing that is published is lost meanwhile"}
	if float64(s.DiskFree) < exhausted*float64(s.DiskSize) {
		c.Level = bad
	}
	return []concern{c}
}

func poolConcerns(pools []admin.PoolUse) (all []concern) {
	for _, p := range pools {
		if p.NearlyFull() {
			all = append(all, concern{Level: warn, Subject: "Pool " + p.Pool, What: "Has " + p.String() + "; what is more than that is refused",
				Advice: "remove versions that are not needed any more, or raise max_size of the pool", Command: "aptmirror package list " + p.Pool})
		}
	}
	return all
}

// jobConcerns are the newest jobs of each kind that failed. What a sync meets
// is said of its suites; of the others that are left out, whoever gave the
// command was told, and all is as it was.
func jobConcerns(finished []admin.Job) (all []concern) {
	seen := map[string]bool{"sync": true, "snapshot delete": true, "publish": true, "rollback": true}
	for _, j := range finished {
		if !seen[j.Kind] && j.Error != "" {
			all = append(all, concern{Level: warn, Subject: fmt.Sprintf("Job %d (%s)", j.Number, j.Kind), What: j.Error, Command: "aptmirror jobs", Since: j.Finished, Lead: "ended"})
		}
		seen[j.Kind] = true
	}
	return all
}
