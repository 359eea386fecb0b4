package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"aptmirror/proxy/admin"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // user IDs of keys have angle brackets
	return e.Encode(v)
}

// printTable prints rows under a head in columns.
func printTable(w io.Writer, head []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	return t.Flush()
}

// printNews gives a function that prints events as lines for a person.
func printNews(w io.Writer) func(admin.Event) {
	return func(e admin.Event) {
		if e.Failed {
			fmt.Fprintf(w, "FAILED: %s\n", e.Text)
		} else {
			fmt.Fprintln(w, e.Text)
		}
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return admin.Second(t)
}

// who is the name of a user of this machine where "uid 1000" stands for one
// that it has, and anybody else as it stands.
func who(by string) string {
	if uid, ok := strings.CutPrefix(by, "uid "); ok {
		if u, err := user.LookupId(uid); err == nil {
			return u.Username
		}
	}
	return by
}

// size writes a number of bytes as people read it.
func size(n int64) string { return admin.Size(n) }
