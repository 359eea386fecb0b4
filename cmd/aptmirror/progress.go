package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"aptmirror/proxy/admin"
)

// lineInterval is how often a line says how far a download is, where there is
// no terminal to draw a bar on.
const lineInterval = 5 * time.Second

// showWork gives a function that shows events as they come: on a terminal with
// a bar for each suite that is being downloaded, elsewhere in plain lines. done
// ends it. Neither uses colours.
func showWork(w io.Writer) (news func(admin.Event), done func()) {
	if isTerminal(w) {
		b := &bars{w: w, all: map[string]*bar{}}
		return b.show, b.done
	}
	return lines(w), func() {}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

func suiteOf(e admin.Event) string { return e.Archive + " " + e.Suite }

// lines prints every event, but of those that say how far a suite is only one
// now and then.
func lines(w io.Writer) func(admin.Event) {
	print := printNews(w)
	told := map[string]time.Time{}
	return func(e admin.Event) {
		if e.Progress != nil {
			last, ok := told[suiteOf(e)]
			if !ok {
				last = e.Time
				told[suiteOf(e)] = last
			}
			if e.Time.Sub(last) < lineInterval {
				return
			}
			told[suiteOf(e)] = e.Time
		}
		print(e)
	}
}

// bars draws on a terminal. Only the goroutine that events come to calls it.
type bars struct {
	w       io.Writer
	options []mpb.ContainerOption // of tests
	drawing *mpb.Progress         // nil until there is a bar; then all lines go through it
	all     map[string]*bar       // by suite
}

type bar struct {
	*mpb.Bar
	pace *atomic.Pointer[pace] // read by the goroutine that draws
}

func (b *bars) show(e admin.Event) {
	if e.Progress != nil {
		b.move(e)
		return
	}
	if ended := b.all[suiteOf(e)]; ended != nil {
		ended.Abort(true)
		ended.Wait()
		delete(b.all, suiteOf(e))
	}
	if b.drawing != nil {
		printNews(b.drawing)(e)
	} else {
		printNews(b.w)(e)
	}
}

func (b *bars) move(e admin.Event) {
	own := b.all[suiteOf(e)]
	if own == nil {
		own = b.add(e)
	}
	p := own.pace.Load().next(e)
	own.pace.Store(&p)
	own.SetTotal(max(p.now.WantedBytes, 1), false)
	own.SetCurrent(p.now.PresentBytes)
}

func (b *bars) add(e admin.Event) *bar {
	if b.drawing == nil {
		b.drawing = mpb.New(append([]mpb.ContainerOption{mpb.WithOutput(b.w)}, b.options...)...)
	}
	current := &atomic.Pointer[pace]{}
	current.Store(&pace{first: *e.Progress, began: e.Time})
	own := &bar{pace: current}
	own.Bar = b.drawing.AddBar(0,
		mpb.BarWidth(30),
		mpb.PrependDecorators(decor.Name(suiteOf(e), decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return current.Load().String() })))
	b.all[suiteOf(e)] = own
	return own
}

// done takes away what is drawn and leaves the lines.
func (b *bars) done() {
	for _, own := range b.all {
		own.Abort(true)
	}
	if b.drawing != nil {
		b.drawing.Wait()
	}
}

// pace is how far a download is and how fast it goes.
type pace struct {
	first, now admin.Progress
	began, at  time.Time
}

func (p pace) next(e admin.Event) pace {
	p.now, p.at = *e.Progress, e.Time
	return p
}

// rate is the mean of bytes in a second since it began.
func (p pace) rate() float64 {
	seconds := p.at.Sub(p.began).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(p.now.PresentBytes-p.first.PresentBytes) / seconds
}

// String is "12/345 files  1.2 GB/3.4 GB  10.5 MB/s  3m20s left", without what
// is not known yet.
func (p pace) String() string {
	text := fmt.Sprintf("  %s/%s", size(p.now.PresentBytes), size(p.now.WantedBytes))
	if p.now.Wanted > 0 {
		text = fmt.Sprintf(" %d/%d files", p.now.Present, p.now.Wanted) + text
	}
	rate := p.rate()
	if rate < 1 {
		return text
	}
	text += fmt.Sprintf("  %s/s", size(int64(rate)))
	if left := p.now.WantedBytes - p.now.PresentBytes; left > 0 {
		text += fmt.Sprintf("  %s left", (time.Duration(float64(left)/rate) * time.Second).Truncate(time.Second))
	}
	return text
}
