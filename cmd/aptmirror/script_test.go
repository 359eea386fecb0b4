package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"aptmirror/resign/deb"
	"aptmirror/upstream/upstreamtest"
)

// The scripts run the real program. Beside the commands of testscript they have
//
//	exits CODE aptmirror ARGS...   runs it, and wants that exit code
//	daemon ARGS...                 runs it in the background and waits until it is ready
//	terminate [SIGNAL]             ends it with SIGTERM or SIGINT and wants exit code 0
//	upstream DOES...               changes the archive: see upstreamVerbs
//	stdout-of-daemon REGEXP        wants what the last one printed to match
//	shape FILE                     wants the last output to be JSON with the keys and types in FILE
//	expand FILE                    replaces variables in it
//	cat-onto FILE TO               appends
//	deb NAME VERSION FILE          builds a package
//	changes FILE DEB...            writes a .changes that lists packages
//
// and in the environment $URL, $KEYRING and $ARCH of an archive with the suite
// "stable" and the package hello, published once, and a free port in $PORT.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runScript(t, file)
		})
	}
}

func runScript(t *testing.T, file string) {
	s := &script{t: t, archive: upstreamtest.New(t)}
	s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: "1.0"})
	s.archive.Publish()
	testscript.Run(t, testscript.Params{
		Files:               []string{file},
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("URL", s.archive.URL())
			e.Setenv("KEYRING", s.archive.KeyringFile())
			e.Setenv("ARCH", s.archive.Arch)
			e.Setenv("PORT", freePort(t))
			e.Setenv("GORACE", raceOptions)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "daemon": s.daemon, "terminate": s.terminate, "upstream": s.upstream, "shape": shape,
			"expand": expand, "cat-onto": catOnto, "deb": buildDeb, "changes": writeChanges,
			"stdout-of-daemon": func(ts *testscript.TestScript, _ bool, args []string) {
				if !regexp.MustCompile("(?m)" + args[0]).MatchString(ts.ReadFile("daemon.log")) {
					ts.Fatalf("the daemon did not print %s", args[0])
				}
			},
		},
	})
}

// script is what one script works with; only its own goroutine uses it.
type script struct {
	t       *testing.T
	archive *upstreamtest.Archive
	running *process
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		ee := (*exec.ExitError)(nil)
		if !errors.As(err, &ee) {
			ts.Fatalf("%v", err)
		}
		code = ee.ExitCode()
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

func (s *script) daemon(ts *testscript.TestScript, neg bool, args []string) {
	if neg || s.running != nil {
		ts.Fatalf("usage: daemon ARGS..., one at a time")
	}
	cmd := exec.Command("aptmirror", args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "APTMIRROR_CONFIG="+ts.Getenv("APTMIRROR_CONFIG"))
	p, err := background(s.t.Context(), cmd)
	ts.Check(err)
	s.running = p
	ts.Defer(p.kill)
}

func (s *script) terminate(ts *testscript.TestScript, _ bool, args []string) {
	signal := os.Signal(syscall.SIGTERM)
	if len(args) > 0 && args[0] == "SIGINT" {
		signal = syscall.SIGINT
	}
	code := s.running.stop(signal)
	text := s.running.String()
	s.running = nil
	ts.Logf("[daemon]\n%s", text)
	ts.Check(os.WriteFile(ts.MkAbs("daemon.log"), []byte(text), 0o644))
	if code != 0 {
		ts.Fatalf("the daemon ended with exit code %d, want 0", code)
	}
}

func expand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o644))
}

func catOnto(ts *testscript.TestScript, _ bool, args []string) {
	expand(ts, false, args[:1])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(ts.ReadFile(args[1])+ts.ReadFile(args[0])), 0o644))
}

// buildDeb writes a package with the writer of keyring packages: NAME VERSION FILE and, if there is one, a file that it has.
func buildDeb(ts *testscript.TestScript, _ bool, args []string) {
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Tester <tester@mirror.example.org>\nSection: misc\nDescription: for tests\n", args[0], args[1])
	p := deb.Package{Control: []byte(control), Time: time.Unix(1_700_000_000, 0)}
	p.Files = []deb.File{{Path: "usr/share/doc/" + args[0] + "/version", Mode: 0o644, Data: []byte(args[1] + "\n")}}
	if len(args) > 3 {
		p.Files = append(p.Files, deb.File{Path: "usr/share/" + args[0], Mode: 0o644, Data: []byte(ts.ReadFile(args[3]))})
	}
	var out bytes.Buffer
	ts.Check(p.Write(&out))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), out.Bytes(), 0o644))
}

func writeChanges(ts *testscript.TestScript, _ bool, args []string) {
	sums, files := "Checksums-Sha256:\n", "Files:\n"
	for _, name := range args[1:] {
		data := []byte(ts.ReadFile(name))
		sums += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(data), len(data), name)
		files += fmt.Sprintf(" %x %d misc optional %s\n", md5.Sum(data), len(data), name)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("Format: 1.8\nSource: hello\n"+sums+files), 0o644))
}

func (s *script) upstream(ts *testscript.TestScript, _ bool, args []string) {
	verbs := map[string]func(){
		"publishes": func() {
			version := fmt.Sprintf("%d.0", s.archive.Generations()+1)
			s.archive.AddPackage(upstreamtest.Package{Name: "hello", Version: version})
			s.archive.Publish()
		},
		"publishes-unsigned": func() { s.archive.Publish(upstreamtest.Unsigned()) },
		"publishes-tampered": func() { s.archive.Publish(upstreamtest.Tampered()) },
		"changes-key":        func() { s.archive.SignWith(upstreamtest.NewKey(s.t)) },
		"replays-first":      func() { s.archive.Replay(1) },
		"adds-suite":         func() { s.archive.AddSuite(args[1]) },
		"fails":              func() { s.archive.Fault(args[1], upstreamtest.Status(500, "")) },
		"lacks":              func() { s.archive.Fault(args[1], upstreamtest.NotFound) },
		"recovers":           s.archive.ClearFaults,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		ts.Fatalf("upstream %q: no such verb", args)
	}
	verbs[args[0]]()
}

// shape compares the keys and the types of their values, one a line:
//
//	suites[].date string
func shape(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shape FILE")
	}
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &value))
	lines := shapeOf("", value, nil)
	slices.Sort(lines)
	got := strings.Join(slices.Compact(lines), "\n") + "\n"
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("the shape is\n%s\nwant\n%s", got, want)
	}
}

func shapeOf(at string, value any, lines []string) []string {
	switch v := value.(type) {
	case map[string]any:
		for key, of := range v {
			lines = shapeOf(strings.TrimPrefix(at+"."+key, "."), of, lines)
		}
		return lines
	case []any:
		if len(v) == 0 {
			return append(lines, at+"[] empty")
		}
		for _, of := range v {
			lines = shapeOf(at+"[]", of, lines)
		}
		return lines
	}
	return append(lines, fmt.Sprintf("%s %s", at, map[string]string{"float64": "number", "bool": "bool", "string": "string", "<nil>": "null"}[fmt.Sprintf("%T", value)]))
}
