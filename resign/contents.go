package resign

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// Contents of more than maxContents bytes, or with a line of more than
// maxContentsLine bytes, make their suite fail to build. The largest known have
// 1 GB and lines of 10 kB.
const (
	maxContents     = 8 << 30
	maxContentsLine = 1 << 20
)

// contentsReader gives the lines of one Contents, in their order.
type contentsReader struct {
	lines *bufio.Scanner
	path  []byte // "" at the end
	list  []byte // comma separated, each [SECTION/]PACKAGE
	whole bool   // all of it remains
}

func newContentsReader(r io.Reader) *contentsReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxContentsLine)
	return &contentsReader{lines: lines}
}

// next goes to the next line that names a file and packages; it is false at the
// end and on an error.
func (c *contentsReader) next() bool {
	for c.lines.Scan() {
		line := c.lines.Bytes()
		i := bytes.LastIndexAny(line, " \t")
		if i <= 0 {
			continue
		}
		c.path, c.list = bytes.TrimRight(line[:i], " \t"), line[i+1:]
		if len(c.path) > 0 {
			return true
		}
	}
	c.path = nil
	return false
}

func (c *contentsReader) err() error {
	if errors.Is(c.lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("a line of more than %d bytes", maxContentsLine)
	}
	return c.lines.Err()
}

// mergeContents writes the lines of all inputs, each ordered by path as
// archives have them, without the packages that keep does not want; a file that
// none of the rest has is left out.
func mergeContents(ctx context.Context, p *packer, inputs []*contentsReader, keep func(name []byte) bool) error {
	live := inputs[:0:0]
	for _, in := range inputs {
		if in.next() {
			live = append(live, in)
		}
	}
	var file, list []byte
	for n := 0; len(live) > 0; n++ {
		file = append(file[:0], smallest(live)...)
		list = list[:0]
		for _, in := range live {
			if bytes.Equal(in.path, file) {
				list = appendKept(list, in.list, maxContentsLine-len(file)-len("\t\n")-1, func(name []byte) bool { return in.whole || keep(name) })
				in.next()
			}
		}
		live = unended(live)
		if len(list) > 0 {
			p.add(text(file), file, tab, list, newline)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	for _, in := range inputs {
		if err := in.err(); err != nil {
			return err
		}
	}
	return nil
}

var tab = []byte{'\t'}

func smallest(live []*contentsReader) []byte {
	first := live[0].path
	for _, in := range live[1:] {
		if bytes.Compare(in.path, first) < 0 {
			first = in.path
		}
	}
	return first
}

func unended(live []*contentsReader) []*contentsReader {
	kept := live[:0]
	for _, in := range live {
		if in.path != nil {
			kept = append(kept, in)
		}
	}
	return kept
}

// appendKept appends the packages of a line that remain and are not in the list
// yet, as far as the list has at most so many bytes.
func appendKept(list, more []byte, most int, keep func([]byte) bool) []byte {
	for item := range bytes.SplitSeq(more, []byte{','}) {
		name := item[bytes.LastIndexByte(item, '/')+1:]
		if len(list)+len(item) >= most || !keep(name) || hasItem(list, item) {
			continue
		}
		if len(list) > 0 {
			list = append(list, ',')
		}
		list = append(list, item...)
	}
	return list
}

func hasItem(list, item []byte) bool {
	for have := range bytes.SplitSeq(list, []byte{','}) {
		if bytes.Equal(have, item) {
			return true
		}
	}
	return false
}
