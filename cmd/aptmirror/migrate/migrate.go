// Package migrate turns the configurations of other mirrors into archives and
// repositories: mirror.list of apt-mirror, and acng.conf of apt-cacher-ng with
// its backends files; and the sources that apt has on other machines.
//
// What has no counterpart is named with its line, and nothing is passed over
// without a word. The package guesses no keyring that is not on this machine,
// and asks nobody. It owns the reading of what other mirrors have.
package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/cmd/aptmirror/config"
)

// MaxFile is the size in bytes beyond which a file is refused.
const MaxFile = 1 << 20

// Kinds of configurations.
const (
	AptMirror   = "apt-mirror"
	AptCacherNG = "apt-cacher-ng"
	Apt         = "apt"
)

// keysDir is where keys are to be put that are no files yet.
const keysDir = "/etc/aptmirror/keys"

// Result is what became of a file.
type Result struct {
	Archives     []config.Archive
	Repositories []config.Repository
	// Notes are about what could not be carried over, or has to be looked at.
	Notes []Remark
}

// Remark is about one line of the file.
type Remark struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// String is the form file:line: text.
func (r Remark) String() string { return fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Text) }

// KindOf guesses what kind of file a text is, "" where it is neither.
func KindOf(text string) string {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		case words[0] == "set" || words[0] == "deb" || strings.HasPrefix(words[0], "deb-") || words[0] == "clean":
			return AptMirror
		case strings.Contains(words[0], ":") || len(words) > 1 && strings.HasPrefix(words[1], ":"):
			return AptCacherNG
		}
	}
	return ""
}

// File reads the file at path; kind is one of the kinds, or "" to guess.
func File(path, kind string) (Result, error) {
	text, err := read(path)
	if err != nil {
		return Result{}, err
	}
	switch {
	case kind == "" && isSources(path):
		kind = Apt
	case kind == "":
		kind = KindOf(text)
	}
	switch kind {
	case Apt:
		return Sources(path, text, machine()), nil
	case AptMirror:
		return MirrorList(path, text, machine()), nil
	case AptCacherNG:
		return CacherNG(path, text, machine()), nil
	}
	return Result{}, fmt.Errorf("%s is neither mirror.list of apt-mirror nor a configuration of apt-cacher-ng, nor named as sources of apt are (--from)", path)
}

func read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading what to import: %w", err)
	}
	if info.Size() > MaxFile || !info.Mode().IsRegular() {
		return "", fmt.Errorf("reading what to import: %s is no file of at most %d bytes", path, MaxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading what to import: %w", err)
	}
	return string(text), nil
}

// Machine is what of the host decides about the result.
type Machine struct {
	Architecture string
	// HasKeyring reports whether there is a keyring of that path.
	HasKeyring func(path string) bool
}

func machine() Machine {
	return Machine{Architecture: aptsources.Architecture(), HasKeyring: func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	}}
}

// keyrings are those of Debian's packages, by what is part of an address.
var keyrings = []struct{ part, path string }{
	{"debian", "/usr/share/keyrings/debian-archive-keyring.gpg"},
	{"ubuntu", "/usr/share/keyrings/ubuntu-archive-keyring.gpg"},
	{"raspbian", "/usr/share/keyrings/raspbian-archive-keyring.gpg"},
}

// keyring chooses one by the address. The other programs name none, since they
// verify nothing.
func (m Machine) keyring(a config.Archive) (path, remark string) {
	for _, k := range keyrings {
		if strings.Contains(a.URIs[0]+a.Name, k.part) {
			remark = fmt.Sprintf("archive %s: signed_by goes by the address: see that it is the right keyring", a.Name)
			if !m.HasKeyring(k.path) {
				remark = fmt.Sprintf("archive %s: the keyring %s is not on this machine: install its package", a.Name, k.path)
			}
			return k.path, remark
		}
	}
	path = filepath.Join(keysDir, a.Name+".gpg")
	return path, fmt.Sprintf("archive %s: put the archive's key into %s, got in a way that can be trusted", a.Name, path)
}

// collector gathers a result.
type collector struct {
	Result
	file    string
	machine Machine
}

func (c *collector) note(line int, format string, args ...any) {
	c.Notes = append(c.Notes, Remark{c.file, line, fmt.Sprintf(format, args...)})
}

// add gives an archive what the other program does not say, and a repository.
func (c *collector) add(line int, a config.Archive) {
	if len(a.SignedBy) == 0 {
		path, remark := c.machine.keyring(a)
		a.SignedBy = []string{path}
		c.note(line, "%s", remark)
	}
	a.Refresh = config.DefaultRefresh
	if a.Languages == nil {
		a.Languages = []string{config.DefaultLanguage}
	}
	c.Archives = append(c.Archives, a)
	c.Repositories = append(c.Repositories, config.Repository{Name: a.Name, Archive: a.Name})
}

// proxy gives the address of a proxy as the configuration takes it, or "".
func (c *collector) proxy(line int, address string) string {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	clean, err := config.CleanProxy(address)
	if err != nil {
		c.note(line, "proxy %v", err)
	}
	return clean
}
