package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/config"
)

// manual packs one page for every command.
func (s *staging) manual(program string) error {
	dir := filepath.Join(s.work, "man")
	if _, err := said(program, "man", dir); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.[1-8]"))
	if err == nil && len(pages) == 0 {
		err = errors.New("aptmirror man wrote no page")
	}
	for _, page := range pages {
		var text []byte
		if text, err = os.ReadFile(page); err == nil {
			name := filepath.Base(page)
			err = s.addCompressed("/usr/share/man/man"+name[len(name)-1:]+"/"+name, text)
		}
		if err != nil {
			break
		}
	}
	return err
}

// pages packs all pages of the tree as they lie there, so that their links lead
// on.
func (s *staging) pages() error {
	return filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("looking for pages: %w", err)
		case e.IsDir() && (e.Name() == ".git" || e.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			s.add(path, docs+filepath.ToSlash(path), 0o644)
		}
		return nil
	})
}

func (s *staging) completions(program string) error {
	for shell, to := range map[string]string{
		"bash": "/usr/share/bash-completion/completions/aptmirror",
		"zsh":  "/usr/share/zsh/vendor-completions/_aptmirror",
		"fish": "/usr/share/fish/vendor_completions.d/aptmirror.fish",
	} {
		text, err := said(program, "completion", shell)
		if err == nil {
			err = s.addText(to, text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// example packs the configuration with every key explained and nothing set.
func (s *staging) example(string) error {
	return s.addText(docs+"examples/aptmirror.toml", config.Format(&config.Config{
		Path: "/etc/aptmirror/aptmirror.toml", State: config.DefaultState,
	}))
}

// changelog has one entry: what changed is in the history of the tree.
func (s *staging) changelog(string) error {
	text := fmt.Sprintf("aptmirror (%s) unstable; urgency=medium\n\n  * Built from this commit; its history says what changed.\n\n -- %s  %s\n",
		s.at.version, maintainer, s.at.date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	return s.addCompressed(docs+"changelog", []byte(text))
}

// module is one library in the program, as go list tells.
type module struct {
	Path, Version, Dir string
	Main               bool
}

// copyright has the licences of all libraries that the program contains: most of
// them ask for that.
func (s *staging) copyright(string) error {
	modules, err := linked()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	text.WriteString("aptmirror is Copyright of its authors.\n\nThe program contains the following libraries.\n")
	for _, m := range modules {
		licence, err := licenceOf(m.Dir)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "\n%s\n%s %s\n\n%s\n", strings.Repeat("-", 70), m.Path, m.Version, bytes.TrimSpace(licence))
	}
	return s.addText(docs+"copyright", text.Bytes())
}

// linked gives the modules of which the program contains a package, by path.
func linked() ([]module, error) {
	cmd := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/aptmirror")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("listing the libraries of the program: %w", err)
	}
	var all []module
	for in := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct{ Module *module }
		if err := in.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && !p.Module.Main && !slices.Contains(all, *p.Module) {
			all = append(all, *p.Module)
		}
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	return all, nil
}

// apache is the text of the Apache licence, which Debian has on every system.
var apache = regexp.MustCompile(`(?s)Apache License\s+Version 2\.0, January 2004.*?END OF TERMS AND CONDITIONS(?:.*?limitations under the License\.)?`)

// licenceOf gives a module's licence, and the notice that goes with it.
func licenceOf(dir string) ([]byte, error) {
	text, err := firstOf(dir, "LICEN[CS]E*", "COPYING*", "UNLICENSE*")
	if err == nil && text == nil {
		err = fmt.Errorf("there is no licence in %s", dir)
	}
	if err != nil {
		return nil, err
	}
	notice, err := firstOf(dir, "NOTICE*")
	text = apache.ReplaceAllLiteral(text, []byte("Apache License, version 2.0: /usr/share/common-licenses/Apache-2.0\n"))
	return append(text, notice...), err
}

// firstOf reads the first file that there is, or nothing.
func firstOf(dir string, patterns ...string) ([]byte, error) {
	for _, pattern := range patterns {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			return os.ReadFile(names[0])
		}
	}
	return nil, nil
}
