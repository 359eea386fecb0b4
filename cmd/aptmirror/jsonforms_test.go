package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"aptmirror/cache/bundle"
	"aptmirror/cmd/aptmirror/doctor"
	"aptmirror/proxy/admin"
)

var update = flag.Bool("update", false, "write the files that tests compare with")

// jsonForms is what each command prints with --json. Programs rely on it: a name
// may be added, none may be changed or taken away.
var jsonForms = map[string]any{
	"archive accept":    admin.AcceptResult{},
	"certificate list":  []certificateRow{},
	"certificate renew": renewedRow{},
	"client add":        issuedRow{},
	"client kit":        kitRow{},
	"client list":       []clientRow{},
	"client renew":      issuedRow{},
	"client revoke":     revokedRow{},
	"client show":       clientReport{},
	"client sign":       issuedRow{},
	"config check":      checkReport{},
	"config import":     importReport{},
	"doctor":            doctor.Report{},
	"export":            exported{},
	"export --tree": struct {
		bundle.TreeWritten
		Suites []bundle.TreeCount `json:"suites"`
	}{},
	"gc": admin.GCResult{},
	"import": struct {
		Bundles []admin.ImportResult `json:"bundles"`
	}{},
	"init":              madeSite{},
	"jobs":              admin.Jobs{},
	"history":           admin.History{},
	"key create":        siteKey{},
	"key list":          []siteKey{},
	"key rotate":        rotation{},
	"policy check":      admin.PolicyCheckResult{},
	"policy diff":       admin.PolicyDiffResult{},
	"why":               admin.WhyResult{},
	"publish":           admin.PublishResult{},
	"rollback":          admin.PublishResult{},
	"log":               admin.LogLevel{},
	"package add":       servedPackages{},
	"package list":      []admin.PoolFile{},
	"package remove":    admin.RemovedPackages{},
	"reload":            admin.Access{},
	"snapshot complete": admin.SnapshotDetails{},
	"snapshot create":   admin.SnapshotDetails{},
	"snapshot delete":   admin.Snapshot{},
	"snapshot diff":     admin.Diff{},
	"snapshot list":     admin.SnapshotList{},
	"snapshot show":     admin.SnapshotDetails{},
	"status":            admin.Status{},
	"sync":              admin.SyncResult{},
	"verify":            admin.VerifyResult{},
	"version":           versionReport{},
}

// withoutJSON have no result but what they do.
var withoutJSON = []string{"quickstart", "serve", "help", "completion", "key export"}

const formsFile = "OUTPUT.md"

const formsHead = `# Output for programs

With ` + "`--json`" + ` a command prints one JSON value on standard output; what is for people goes to standard error. Names
stay: new versions add some, and take none away. *optional*: the name is missing where there is nothing to say.
Times are UTC, as in RFC 3339; sizes are in bytes.

Exit codes: 0 done, 1 failed, 2 wrong options or configuration, 3 done in part, 4 something did not verify or was refused,
130 interrupted. A command that was done in part prints its result all the same.

A test compares this page with the program: ` + "`go test ./cmd/aptmirror -run JSONForms -update`" + ` writes it again.
`

func TestJSONFormsAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString(formsHead)
	for _, name := range sortedKeys(jsonForms) {
		fmt.Fprintf(&b, "\n## %s\n\n| name | value |\n|---|---|\n", name)
		for _, row := range formOf("", reflect.TypeOf(jsonForms[name]), false, nil) {
			b.WriteString(row + "\n")
		}
	}
	if *update {
		if err := os.WriteFile(formsFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(formsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != b.String() {
		t.Errorf("%s is not what commands print; if a name was added, write it with -update: see its head", formsFile)
	}
}

func TestEveryCommandHasAForm(t *testing.T) {
	for _, words := range everyCommandLine(newApp(io.Discard, io.Discard).Commands) {
		p, err := pageOf(newApp(io.Discard, io.Discard), words)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.Join(words, " ")
		if _, has := jsonForms[name]; len(p.commands) == 0 && has == slices.Contains(withoutJSON, name) {
			t.Errorf("%s: say in jsonForms what it prints with --json", name)
		}
	}
}

func sortedKeys(m map[string]any) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// formOf gives a row of the table for each value in a type.
func formOf(at string, of reflect.Type, optional bool, rows []string) []string {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch {
	case of == reflect.TypeFor[time.Time]():
		return append(rows, row(at, "time", optional))
	case of.Kind() == reflect.Slice:
		return formOf(at+"[]", of.Elem(), optional, rows)
	case of.Kind() == reflect.Map:
		return formOf(at+".NAME", of.Elem(), optional, rows)
	case of.Kind() != reflect.Struct:
		return append(rows, row(at, kindOf(of), optional))
	}
	for i := range of.NumField() {
		f := of.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			rows = formOf(at, f.Type, optional, rows)
			continue
		}
		if name == "" {
			name = f.Name
		}
		if f.IsExported() && name != "-" {
			rows = formOf(strings.TrimPrefix(at+"."+name, "."), f.Type, optional || strings.Contains(options, "omit"), rows)
		}
	}
	return rows
}

func row(name, kind string, optional bool) string {
	if optional {
		kind += ", *optional*"
	}
	return fmt.Sprintf("| `%s` | %s |", name, kind)
}

func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "true or false"
	case reflect.Interface:
		return "any"
	}
	return "number"
}
