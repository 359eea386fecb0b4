package main

import (
	"io"
	"slices"
	"strings"
	"testing"
)

func TestArrange(t *testing.T) {
	tests := []struct{ line, want string }{
		{"", ""},
		{"status", "status"},
		{"status --json", "--json status"},
		{"--json status --config F", "--json --config F status"},
		{"status --config=F", "--config=F status"},
		{"status -config F", "-config F status"},
		{"client add NAME --days 7", "client add --days 7 NAME"},
		{"client --days 7 add NAME", "client add --days 7 NAME"},
		{"--days 7 client add NAME --json", "--json client add --days 7 NAME"},
		{"client kit NAME --out D --config F", "--config F client kit --out D NAME"},
		{"sync ONE --verbose TWO", "--verbose sync ONE TWO"},
		{"init --host ONE --dir D --host TWO", "init --host ONE --dir D --host TWO"},

		// A value is no command and no option, whatever it looks like.
		{"--config status status", "--config status status"},
		{"status --config --json", "--config --json status"},
		{"client add NAME --days -5", "client add --days -5 NAME"},
		{"client kit --out client NAME", "client kit --out client NAME"},

		// An argument is no command: only the first words are.
		{"sync status client", "sync status client"},
		{"client add add", "client add add"},
		{"client nosuch add --days 7", "client --days 7 nosuch add"},
		{"nosuch --json status", "--json nosuch status"},

		// What nobody knows goes to the command, which will say so.
		{"--nosuch status", "status --nosuch"},
		{"client --nosuch list", "client list --nosuch"},
		{"client add NAME --help", "client add --help NAME"},

		// A lone dash is an argument, and two end the options.
		{"sync - --json", "--json sync -"},
		{"sync --json -- --verbose", "--json sync -- --verbose"},
		{"client add -- NAME", "client add -- NAME"},
		{"sync A -- B -- C", "sync -- A B -- C"},
		{"package add POOL -- -x.deb", "package add -- POOL -x.deb"},
		{"sync --", "sync"},
	}
	for _, test := range tests {
		got, err := arrange(newApp(io.Discard, io.Discard), append([]string{"aptmirror"}, strings.Fields(test.line)...))
		want := append([]string{"aptmirror"}, strings.Fields(test.want)...)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s\n got %q, %v\nwant %q", test.line, got, err, want)
		}
	}
}

func TestArrangeMissesAValue(t *testing.T) {
	for _, line := range []string{"--config", "status --config", "client add NAME --days", "client kit NAME --out"} {
		words := strings.Fields(line)
		_, err := arrange(newApp(io.Discard, io.Discard), append([]string{"aptmirror"}, words...))
		if want := words[len(words)-1] + " needs a value"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}

// Arranging twice changes nothing more, and no word is lost or made up.
func FuzzArrange(f *testing.F) {
	f.Add("client add NAME --days 7 --json -- x")
	f.Add("--config status sync - --nosuch=1")
	f.Fuzz(func(t *testing.T, line string) {
		words := append([]string{"aptmirror"}, strings.Fields(line)...)
		once, err := arrange(newApp(io.Discard, io.Discard), slices.Clone(words))
		if err != nil {
			return
		}
		twice, err := arrange(newApp(io.Discard, io.Discard), slices.Clone(once))
		if err != nil || !slices.Equal(once, twice) {
			t.Fatalf("%q\n once %q\ntwice %q, %v", words, once, twice, err)
		}
		slices.Sort(words)
		slices.Sort(once)
		if i := slices.Index(words, "--"); i >= 0 && !slices.Contains(once, "--") {
			words = slices.Delete(words, i, i+1) // nothing followed it
		}
		if !slices.Equal(words, once) {
			t.Fatalf("words changed from %q to %q", words, once)
		}
	})
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1_500_000_000: "1.5 GB", 1 << 62: "4.6 EB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %s, want %s", n, got, want)
		}
	}
}
