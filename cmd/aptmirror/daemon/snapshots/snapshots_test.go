package snapshots

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/jobs"
	"aptmirror/upstream/upstreamtest"
)

func TestLastDue(t *testing.T) {
	zone := time.FixedZone("here", 2*3600)
	at := func(text string) time.Time {
		t.Helper()
		moment, err := time.ParseInLocation("2006-01-02 15:04:05", text, zone)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	three := 3 * time.Hour
	for _, c := range []struct {
		s         config.Snapshot
		now, want string
	}{
		{config.Snapshot{Every: config.Hourly}, "2026-11-22 10:59:59", "2026-11-22 10:00:00"},
		{config.Snapshot{Every: config.Daily, At: three}, "2026-11-22 03:00:00", "2026-11-22 03:00:00"},
		{config.Snapshot{Every: config.Daily, At: three}, "2026-11-22 02:59:59", "2026-11-21 03:00:00"},
		{config.Snapshot{Every: config.Daily, At: three + 30*time.Minute}, "2026-03-01 01:00:00", "2026-02-28 03:30:00"},
		{config.Snapshot{Every: config.Weekly, At: three}, "2026-11-22 10:00:00", "2026-11-16 03:00:00"}, // a Sunday
		{config.Snapshot{Every: config.Weekly, At: three}, "2026-11-23 10:00:00", "2026-11-23 03:00:00"},
		{config.Snapshot{Every: config.Weekly, At: three}, "2026-11-23 02:00:00", "2026-11-16 03:00:00"},
		{config.Snapshot{Every: config.Monthly, At: three}, "2026-11-22 10:00:00", "2026-11-01 03:00:00"},
		{config.Snapshot{Every: config.Monthly, At: three}, "2026-01-01 02:00:00", "2025-12-01 03:00:00"},
	} {
		if got := lastDue(c.s, at(c.now)); !got.Equal(at(c.want)) {
			t.Errorf("%s at %s was due at %s, want %s", c.s.Every, c.now, got, c.want)
		}
	}
}

func TestSuperfluousLeavesWhatAScheduleKeeps(t *testing.T) {
	day := time.Date(2026, 3, 31, 3, 0, 0, 0, time.Local)
	var made []catalog.Snapshot // 100 days, twice a day, newest first
	for i := range 200 {
		made = append(made, catalog.Snapshot{Created: day.Add(-time.Duration(i) * 12 * time.Hour)})
	}
	for _, c := range []struct {
		s    config.Snapshot
		want []string // kept
	}{
		{config.Snapshot{Keep: 3}, []string{"03-31 03", "03-30 15", "03-30 03"}},
		{config.Snapshot{KeepDaily: 2}, []string{"03-31 03", "03-30 15"}},
		{config.Snapshot{KeepDaily: 2, KeepWeekly: 2, KeepMonthly: 3}, []string{"03-31 03", "03-30 15", "03-29 15", "02-28 15", "01-31 15"}},
		{config.Snapshot{KeepMonthly: 1}, []string{"03-31 03"}},
	} {
		gone := map[time.Time]bool{}
		for _, x := range superfluous(c.s, made) {
			gone[x.Created] = true
		}
		var kept []string
		for _, x := range made {
			if !gone[x.Created] {
				kept = append(kept, x.Created.Format("01-02 15"))
			}
		}
		if diff := cmp.Diff(c.want, kept); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.s, diff)
		}
	}
}

func TestSchedulesMakeAndForgetSnapshots(t *testing.T) {
	a := upstreamtest.New(t)
	d := newSite(t, a, "stable")
	d.history(1)
	nightly := config.Snapshot{Name: "nightly", Repositories: []string{"debian"}, Every: config.Daily, At: 3 * time.Hour, Keep: 2, Complete: true}
	d.now = time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	names := func() (all []string) {
		t.Helper()
		if err := d.keepSchedule(t.Context(), nightly); err != nil {
			t.Fatal(err)
		}
		list, err := d.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list.Snapshots {
			if s.By != jobs.BySchedule || s.Schedule == "nightly" && s.Completed.IsZero() {
				t.Errorf("%+v", s)
			}
			all = append(all, s.Name)
		}
		return all
	}
	for _, c := range []struct {
		pause time.Duration
		want  []string
	}{
		{0, []string{"nightly-20261130T0300Z"}},
		{time.Minute, []string{"nightly-20261130T0300Z"}},
		{time.Hour, []string{"nightly-20261201T0300Z", "nightly-20261130T0300Z"}},
		{5 * time.Hour, []string{"nightly-20261201T0300Z", "nightly-20261130T0300Z"}},
		{5 * 24 * time.Hour, []string{"nightly-20261206T0300Z", "nightly-20261201T0300Z"}}, // it was off
	} {
		d.now = d.now.Add(c.pause)
		if diff := cmp.Diff(c.want, names()); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", d.now, diff)
		}
	}
}

// A machine without a battery may begin in another year.
func TestAScheduleGoesOnWhenTheClockIsSetBack(t *testing.T) {
	a := upstreamtest.New(t)
	d := newSite(t, a, "stable")
	d.history(1)
	hourly := config.Snapshot{Name: "hourly", Repositories: []string{"debian"}, Every: config.Hourly, Keep: 1}
	right := d.now.Truncate(time.Hour)
	for _, c := range []struct {
		now  time.Time
		want int
	}{{right.AddDate(2, 0, 0), 1}, {right, 2}, {right.Add(time.Minute), 2}, {right.Add(time.Hour), 2}} {
		d.now = c.now
		if err := d.keepSchedule(t.Context(), hourly); err != nil {
			t.Fatal(err)
		}
		list, err := d.List(t.Context())
		if err != nil || len(list.Snapshots) != c.want || c.want == 2 && list.Snapshots[1].Name != scheduledName(hourly, lastDue(hourly, c.now)) {
			t.Errorf("at %v: %+v, %v", c.now, list, err)
		}
	}
}

func TestASnapshotThatWasCutShortIsServedLater(t *testing.T) {
	a := upstreamtest.New(t)
	a.AddSuite("updates")
	d := newSite(t, a, "stable", "updates")
	d.history(1)
	x := catalog.Snapshot{Name: "cut", Created: d.now}
	publications, err := d.Catalog.Publications(t.Context())
	if err != nil || len(publications) != 2 {
		t.Fatal(publications, err)
	}
	for _, p := range publications {
		x.Pins = append(x.Pins, catalog.Pin{Repository: "debian", Suite: p.Suite, Ref: p.Current, Published: p.Published})
	}
	gone := x.Pins[0]
	gone.Repository = "no longer configured"
	x.Pins = append(x.Pins, gone)
	if err := d.Catalog.AddSnapshot(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Find(t.Context(), "debian", "cut"); err == nil {
		t.Error("it is served without having been published")
	}
	if err := d.publishState(t.Context(), x.Pins[0], "cut", "test"); err != nil {
		t.Fatal(err)
	}
	d.serveUnserved(t.Context())
	served, err := d.Find(t.Context(), "debian", "cut")
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"stable", "updates"} {
		if _, err := d.Catalog.Resolve(served, "dists/"+suite+"/InRelease", func(string) bool { return true }); err != nil {
			t.Errorf("%s: %v", suite, err)
		}
	}
}

func TestAScheduledSnapshotThatARingServesStays(t *testing.T) {
	d := newSite(t, published(t), "stable")
	d.sync()
	hourly := config.Snapshot{Name: "hourly", Repositories: []string{"debian"}, Every: config.Hourly, Keep: 1}
	if err := d.keepSchedule(t.Context(), hourly); err != nil {
		t.Fatal(err)
	}
	first, err := d.Named(scheduledName(hourly, lastDue(hourly, d.now)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Move(t.Context(), catalog.Move{Repository: "ring", Suite: "stable", Next: first.Pins[0].Ref, Snapshot: first.Name}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		d.now = d.now.Add(time.Hour)
		if err := d.keepSchedule(t.Context(), hourly); err != nil {
			t.Fatal(err)
		}
	}
	list, err := d.List(t.Context())
	if err != nil || len(list.Snapshots) != 2 || list.Snapshots[1].Name != first.Name {
		t.Errorf("%+v, %v", list, err)
	}
}
