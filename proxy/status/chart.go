package status

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
	"time"

	"aptmirror/proxy/admin"
)

// Measures of a chart in its own units; the page scales it to its column.
const (
	chartWidth  = 560
	leftMargin  = 76 // labels of the upright axis
	rightMargin = 6
	topMargin   = 14
	barHeight   = 120 // of the upper part: bytes
	rateTop     = topMargin + barHeight + 32
	rateHeight  = 50 // of the lower part: share of hits
	axisHeight  = 24
	chartHeight = rateTop + rateHeight + axisHeight
)

// chart draws a span: above, how many bytes clients were sent, with what came
// from the store below and what was just fetched on top; underneath, the share
// of files that came from the store. Everything in it is a number or a date of
// ours. Each column tells its figures when pointed at.
func chart(s span, label, tick string, every int) template.HTML {
	w := &svg{}
	fmt.Fprintf(w, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(label+": "+inWords(s.total())))
	top := niceTop(s.periods)
	w.grid(topMargin, barHeight, []string{"0", size(top / 2), size(top)})
	w.grid(rateTop, rateHeight, []string{"0 %", "", "100 %"})
	w.ticks(s, tick, every)
	for i, p := range s.periods {
		w.bar(s, i, p, top)
	}
	w.rate(s)
	w.WriteString("</svg>")
	return template.HTML(w.String())
}

// inWords is what a chart says to who cannot see it.
func inWords(p period) string {
	text := fmt.Sprintf("%s sent to clients, %s of it from the store", size(p.Stored+p.Fresh), size(p.Stored))
	if rate, ok := p.hitRate(); ok {
		text += fmt.Sprintf("; %s of %d files were hits", percent(rate), p.Hits+p.Misses)
	}
	return text
}

type svg struct{ strings.Builder }

// x gives the left edge of a column.
func (s span) x(i int) float64 {
	return leftMargin + float64(i)*float64(chartWidth-leftMargin-rightMargin)/float64(len(s.periods))
}

// grid draws lines with labels, the lowest first.
func (w *svg) grid(top, height int, labels []string) {
	for i, l := range labels {
		y := float64(top) + float64(height)*(1-float64(i)/float64(len(labels)-1))
		fmt.Fprintf(w, `<line class="%s" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, lineClass(i), leftMargin, chartWidth-rightMargin, y, y)
		fmt.Fprintf(w, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`, leftMargin-6, y+4, l)
	}
}

func lineClass(i int) string {
	if i == 0 {
		return "axis"
	}
	return "grid"
}

// ticks writes times below every so many columns, counted from the beginning
// of a day.
func (w *svg) ticks(s span, format string, every int) {
	step := time.Duration(every) * s.step
	for i := range s.periods {
		t := s.start.Add(time.Duration(i) * s.step)
		if t.Truncate(step).Equal(t) && s.x(i) < chartWidth-30 {
			fmt.Fprintf(w, `<line class="grid" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, s.x(i), s.x(i), rateTop+rateHeight, rateTop+rateHeight+4)
			fmt.Fprintf(w, `<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, s.x(i), chartHeight-3, t.Format(format))
		}
	}
}

// bar draws one column, over all of whose height the figures are told.
func (w *svg) bar(s span, i int, p period, top int64) {
	if p == (period{}) {
		return
	}
	x, width := s.x(i), s.x(i+1)-s.x(i)
	gap := min(1, width/5)
	from := s.start.Add(time.Duration(i) * s.step)
	fmt.Fprintf(w, `<g><title>%s–%s UTC: %s</title>`, from.Format("2 Jan 15:04"), from.Add(s.step).Format("15:04"), html.EscapeString(inWords(p)))
	fmt.Fprintf(w, `<rect class="column" x="%.2f" y="%d" width="%.2f" height="%d"/>`, x, topMargin, width, rateTop+rateHeight-topMargin)
	stored, fresh := scaled(p.Stored, top), scaled(p.Fresh, top)
	fmt.Fprintf(w, `<rect class="stored" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`, x, topMargin+barHeight-stored, width-gap, stored)
	fmt.Fprintf(w, `<rect class="fresh" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/></g>`, x, topMargin+barHeight-stored-fresh, width-gap, fresh)
}

func scaled(bytes, top int64) float64 { return barHeight * float64(bytes) / float64(top) }

// rate draws the share of hits as steps, with a hole where nobody asked.
func (w *svg) rate(s span) {
	var path strings.Builder
	drawing := false
	for i, p := range s.periods {
		rate, ok := p.hitRate()
		if !ok {
			drawing = false
			continue
		}
		y := rateTop + rateHeight*(1-rate)
		if drawing {
			fmt.Fprintf(&path, "V%.1f", y)
		} else {
			fmt.Fprintf(&path, "M%.1f %.1f", s.x(i), y)
		}
		fmt.Fprintf(&path, "H%.1f", s.x(i+1))
		drawing = true
	}
	if path.Len() > 0 {
		fmt.Fprintf(w, `<path class="rate" d="%s"/>`, path.String())
	}
}

// niceTop gives a round number of bytes that no column exceeds, for which half
// is round, too.
func niceTop(periods []period) int64 {
	most := int64(1000)
	for _, p := range periods {
		most = max(most, p.Stored+p.Fresh)
	}
	unit := int64(math.Pow10(int(math.Log10(float64(most)))))
	for _, n := range []int64{1, 2, 4, 6, 8, 10} {
		if n*unit >= most {
			return n * unit
		}
	}
	return 20 * unit
}

// size is admin.Size without a fraction that is zero, and all on one line.
func size(n int64) string {
	return strings.Replace(strings.Replace(admin.Size(n), ".0 ", " ", 1), " ", "\u00a0", 1)
}
