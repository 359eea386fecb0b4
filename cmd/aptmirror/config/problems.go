package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/xrash/smetrics"
)

// maxProblems bounds the problems of one Error; those after it are counted, not listed.
const maxProblems = 100

// Problem is one thing wrong with the file.
type Problem struct {
	// File is the path as it was given to Load or Parse.
	File string
	// Line and Column are 1-based and point at the key or list element; where a key is missing, at the header of its
	// table. Columns count bytes. Both are 0 where the whole file is meant.
	Line, Column int
	// Key is the key with its tables, as in archive.suites. Empty where the file is not TOML at that place.
	Key string
	// Msg says what is wrong and what is allowed.
	Msg string
}

// String is the form file:line:column: key: message, which editors recognise.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	return b.String() + ": " + p.Msg
}

// Error holds every problem of a file, in the order of the lines. There is at least one.
type Error struct {
	Problems []Problem
	// More counts the problems beyond the listed ones.
	More int
}

// Error has one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more problems", e.More))
	}
	return strings.Join(lines, "\n")
}

// problem records what is wrong at a place of the file.
func (d *decoder) problem(at place, format string, args ...any) {
	if len(d.problems) == maxProblems {
		d.more++
		return
	}
	p := Problem{File: d.file, Line: at.line, Column: at.column, Key: at.key, Msg: fmt.Sprintf(format, args...)}
	d.problems = append(d.problems, p)
}

func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{Problems: d.problems, More: d.more}
}

// DidYouMean is a question about the nearest of the known words, or nothing where none is near.
func DidYouMean(word string, known []string) string {
	if best := Nearest(word, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// Nearest gives the known word that a mistyped one is likely to mean, or "".
func Nearest(word string, known []string) string {
	best, distance := "", 3
	for _, k := range known {
		if n := editDistance(plain(word), plain(k)); n < distance && n < len(k) {
			best, distance = k, n
		}
	}
	return best
}

// plain makes spellings equal that people confuse: Signed-By and signed_by.
func plain(s string) string {
	if len(s) > maxName {
		s = s[:maxName] // editDistance takes the product of the lengths
	}
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// editDistance counts insertions, deletions and replacements of bytes (Levenshtein).
func editDistance(a, b string) int { return smetrics.WagnerFischer(a, b, 1, 1, 1) }
