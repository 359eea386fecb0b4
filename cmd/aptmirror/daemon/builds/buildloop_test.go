package builds

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
)

// loopTest has a build loop whose builds take their time and are noted.
type loopTest struct {
	t       *testing.T
	began   time.Time
	changes chan string
	takes   map[string]time.Duration // a build, by the suite
	fails   atomic.Bool
	due     string
	built   []string // time, suite and why
}

func (l *loopTest) run(suites ...string) {
	l.began, l.changes = time.Now(), make(chan string, 1)
	loop := &buildLoop{changes: l.changes, due: func(context.Context) string { return l.due }, rests: &rests{}, now: time.Now}
	loop.suites = func() (keys []inforce.BuiltSuite) {
		for _, s := range suites {
			keys = append(keys, inforce.BuiltSuite{Repository: "site", Suite: s})
		}
		return keys
	}
	loop.build = func(ctx context.Context, why string, resting map[inforce.BuiltSuite]bool) error {
		for _, b := range loop.suites() {
			if resting[b] {
				continue
			}
			began := time.Now()
			l.built = append(l.built, fmt.Sprintf("%v %s: %s", began.Sub(l.began), b.Suite, why))
			wait.For(ctx, l.takes[b.Suite])
			loop.rests.note(b, began, time.Now())
		}
		if l.fails.Load() {
			return errors.New("a test")
		}
		return nil
	}
	ctx, cancel := context.WithCancel(l.t.Context())
	l.t.Cleanup(cancel)
	go loop.run(ctx)
	synctest.Wait()
}

// change asks for a build as Workshop.Ask does.
func (l *loopTest) change(why string) {
	select {
	case l.changes <- why:
	default:
	}
	synctest.Wait()
}

func (l *loopTest) want(want ...string) {
	l.t.Helper()
	synctest.Wait() // after a pause, for what it woke, too
	if diff := cmp.Diff(want, l.built); diff != "" {
		l.t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestManyChangesAreFewBuilds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loopTest{t: t, takes: map[string]time.Duration{"stable": 5 * time.Second}}
		l.run("stable")
		time.Sleep(time.Hour)
		synctest.Wait()
		l.built = nil
		for range 100 { // uploads for 100 seconds, after an hour without
			l.change("pool internal")
			time.Sleep(time.Second)
		}
		time.Sleep(time.Hour)
		l.want("1h0m0s stable: pool internal", "1h0m25s stable: pool internal", "1h0m50s stable: pool internal", "1h1m15s stable: pool internal", "1h1m40s stable: pool internal")
	})
}

func TestOneSuiteRestsAndOthersDoNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loopTest{t: t, takes: map[string]time.Duration{"large": 10 * time.Second, "small": time.Second}}
		l.run("large", "small")
		time.Sleep(20 * time.Second) // large rests until 0:50, small until 0:15
		l.change("pool internal")
		time.Sleep(2 * time.Minute)
		l.want("0s large: start", "10s small: start", "20s small: pool internal", "50s large: pool internal", "1m0s small: pool internal")
	})
}

func TestARestIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loopTest{t: t, takes: map[string]time.Duration{"huge": time.Hour}}
		l.run("huge")
		time.Sleep(time.Hour)
		l.change("pool internal")
		time.Sleep(longestRest + time.Minute)
		l.want("0s huge: start", "1h10m0s huge: pool internal")
	})
}

func TestWhatIsDueIsLookedForLessOftenWhileItFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &loopTest{t: t, due: "the end of a hold"}
		l.fails.Store(true)
		l.run("stable")
		time.Sleep(15*time.Minute + time.Second)
		l.fails.Store(false)
		time.Sleep(18 * time.Minute)
		synctest.Wait()
		var at []string
		for _, b := range l.built {
			var when, rest string
			fmt.Sscan(b, &when, &rest)
			at = append(at, when)
		}
		if want := []string{"0s", "2m0s", "6m0s", "14m0s", "30m0s", "31m0s", "32m0s", "33m0s"}; !slices.Equal(at, want) {
			t.Errorf("built at %v, want %v", at, want)
		}
	})
}

func TestAClockSetBackEndsNoRestLater(t *testing.T) {
	var r rests
	b, now := inforce.BuiltSuite{Repository: "site", Suite: "stable"}, time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r.note(b, now, now.Add(time.Minute))
	for at, want := range map[time.Duration]bool{time.Minute: true, 5 * time.Minute: false, -time.Hour: false} {
		if resting, _ := r.among([]inforce.BuiltSuite{b}, now.Add(at)); resting[b] != want {
			t.Errorf("after %v: resting %v, want %v", at, resting[b], want)
		}
	}
}
