package config

import (
	"bytes"
	"errors"
	"sort"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// MaxFile is the size in bytes beyond which a file is refused.
const MaxFile = 1 << 20

// place is a position in the file and the key that is there.
type place struct {
	line, column int
	key          string
}

// table is a TOML table, inline or not.
type table struct {
	place
	keys  []string // in the order of the file
	nodes map[string]*node
}

// node is a value. Its place is the value's key, or the value itself where it is an element of a list.
type node struct {
	place
	kind unstable.Kind // Table for a table of its own and for an inline one
	text string        // of a String, a Bool or an Integer
	// textLine is the line in which the text of a String begins.
	textLine int
	items    []*node // of an Array
	table    *table
}

func newTable(at place) *table { return &table{place: at, nodes: map[string]*node{}} }

func (t *table) set(name string, n *node) {
	if t.nodes[name] == nil {
		t.keys = append(t.keys, name)
	}
	t.nodes[name] = n
}

// at is the place of a key, or where it is missing, of its table.
func (t *table) at(name string) place {
	if n := t.nodes[name]; n != nil {
		return n.place
	}
	return place{t.line, t.column, t.join(name)}
}

func (t *table) join(name string) string {
	if t.key == "" {
		return name
	}
	return t.key + "." + name
}

// tree turns TOML into tables that know their places. go-toml's decoder gives positions to its own errors only, so it runs
// first, for the rules of TOML (syntax, types, keys and tables that occur twice); its parser then walks the same bytes.
func (d *decoder) tree(text []byte) *table {
	var any map[string]any
	if err := toml.Unmarshal(text, &any); err != nil {
		d.notTOML(err)
		return nil
	}
	b := &builder{text: text, lines: lineStarts(text)}
	b.parser.Reset(text)
	root := newTable(place{line: 1, column: 1})
	current := root
	for b.parser.NextExpression() {
		current = b.expression(root, current, b.parser.Expression())
	}
	if err := b.parser.Error(); err != nil {
		d.notTOML(err)
		return nil
	}
	return root
}

func (d *decoder) notTOML(err error) {
	var at place
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		at.line, at.column = e.Position()
	}
	d.problem(at, "not TOML: %s", bytes.TrimPrefix([]byte(err.Error()), []byte("toml: ")))
}

type builder struct {
	parser unstable.Parser
	text   []byte
	lines  []int // offset of the first byte of each line
}

func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, c := range text {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

func (b *builder) place(r unstable.Range, key string) place {
	line := sort.SearchInts(b.lines, int(r.Offset)+1)
	return place{line: line, column: int(r.Offset) - b.lines[line-1] + 1, key: key}
}

// expression adds a header or a key with its value, and returns the table that the keys after it belong to.
func (b *builder) expression(root, current *table, e *unstable.Node) *table {
	switch e.Kind {
	case unstable.Table:
		return b.descend(root, e.Key(), false)
	case unstable.ArrayTable:
		return b.descend(root, e.Key(), true)
	case unstable.KeyValue:
		b.keyValue(current, e)
	}
	return current
}

// descend follows a dotted key and makes the tables that are not there yet. With appending, the last part of the key is a
// list of tables that gets another one.
func (b *builder) descend(t *table, key unstable.Iterator, appending bool) *table {
	for key.Next() {
		k := key.Node()
		name := string(k.Data)
		at := b.place(k.Raw, t.join(name))
		if appending && key.IsLast() {
			return appendTable(t, name, at)
		}
		t = subtable(t, name, at)
	}
	return t
}

func subtable(t *table, name string, at place) *table {
	n := t.nodes[name]
	if n != nil && n.kind == unstable.Array && len(n.items) > 0 {
		n = n.items[len(n.items)-1]
	}
	if n == nil || n.table == nil {
		n = &node{place: at, kind: unstable.Table, table: newTable(at)}
		t.set(name, n)
	}
	return n.table
}

func appendTable(t *table, name string, at place) *table {
	list := t.nodes[name]
	if list == nil || list.kind != unstable.Array {
		list = &node{place: at, kind: unstable.Array}
		t.set(name, list)
	}
	item := &node{place: at, kind: unstable.Table, table: newTable(at)}
	list.items = append(list.items, item)
	return item.table
}

func (b *builder) keyValue(t *table, e *unstable.Node) {
	for key := e.Key(); key.Next(); {
		k := key.Node()
		name := string(k.Data)
		at := b.place(k.Raw, t.join(name))
		if key.IsLast() {
			t.set(name, b.value(e.Value(), at))
			return
		}
		t = subtable(t, name, at)
	}
}

// textLine is where the text of a string begins: TOML passes over a line end right after three quotes.
func (b *builder) textLine(r unstable.Range) int {
	line := b.place(r, "").line
	after := bytes.TrimPrefix(b.text[min(int(r.Offset)+3, len(b.text)):], []byte("\r"))
	quotes := b.text[r.Offset:min(int(r.Offset)+3, len(b.text))]
	if (string(quotes) == `"""` || string(quotes) == "'''") && bytes.HasPrefix(after, []byte("\n")) {
		line++
	}
	return line
}

func (b *builder) value(v *unstable.Node, at place) *node {
	n := &node{place: at, kind: v.Kind}
	switch v.Kind {
	case unstable.String, unstable.Bool, unstable.Integer:
		n.text, n.textLine = string(v.Data), b.textLine(v.Raw)
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			item := it.Node()
			where := at
			if item.Raw.Length > 0 { // a list in a list has no range of its own
				where = b.place(item.Raw, at.key)
			}
			n.items = append(n.items, b.value(item, where))
		}
	case unstable.InlineTable:
		n.kind, n.table = unstable.Table, newTable(at)
		for it := v.Children(); it.Next(); {
			b.keyValue(n.table, it.Node())
		}
	}
	return n
}
