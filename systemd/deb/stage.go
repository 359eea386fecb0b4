package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/goreleaser/nfpm/v2/files"
)

// staging collects what goes into the package; all of it belongs to root.
type staging struct {
	work     string // folder for files that are made here
	at       revision
	contents files.Contents
}

// stage makes everything that is not in the tree as it is.
func stage(work, arch string, at revision) (files.Contents, error) {
	s := &staging{work: work, at: at}
	program := filepath.Join(work, "aptmirror")
	if err := compile(program, arch, at.version); err != nil {
		return nil, err
	}
	s.add(program, "/usr/bin/aptmirror", 0o755)
	for from, to := range inTree {
		s.add(from, to, 0o644)
	}
	if err := s.pages(); err != nil {
		return nil, err
	}
	native := program
	if arch != runtime.GOARCH {
		native = filepath.Join(work, "native")
		if err := compile(native, runtime.GOARCH, at.version); err != nil {
			return nil, err
		}
	}
	for _, step := range []func(string) error{s.manual, s.completions, s.example, s.changelog, s.copyright} {
		if err := step(native); err != nil {
			return nil, err
		}
	}
	return s.contents, nil
}

// inTree are files that are packed as they are.
var inTree = map[string]string{
	"systemd/aptmirror.service":      "/usr/lib/systemd/system/aptmirror.service",
	"systemd/aptmirror.socket":       "/usr/lib/systemd/system/aptmirror.socket",
	"systemd/aptmirror-sync.service": "/usr/lib/systemd/system/aptmirror-sync.service",
	"systemd/aptmirror-sync.timer":   "/usr/lib/systemd/system/aptmirror-sync.timer",
	"systemd/sysusers.conf":          "/usr/lib/sysusers.d/aptmirror.conf",
	"systemd/tmpfiles.conf":          "/usr/lib/tmpfiles.d/aptmirror.conf",
	"systemd/deb/lintian-overrides":  "/usr/share/lintian/overrides/aptmirror",

	"systemd/prometheus/aptmirror.rules.yml": docs + "examples/prometheus/aptmirror.rules.yml",
	"systemd/grafana/aptmirror.json":         docs + "examples/grafana/aptmirror.json",
}

const docs = "/usr/share/doc/aptmirror/"

func compile(program, arch, version string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+version, "-o", program, "./cmd/aptmirror")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling for %s: %w\n%s", arch, err, out)
	}
	return nil
}

func (s *staging) add(from, to string, mode os.FileMode) {
	s.contents = append(s.contents, &files.Content{
		Source: from, Destination: to,
		FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: s.at.date},
	})
}

// addText packs what was made here.
func (s *staging) addText(to string, text []byte) error {
	from := filepath.Join(s.work, fmt.Sprint(len(s.contents)))
	if err := os.WriteFile(from, text, 0o644); err != nil {
		return err
	}
	s.add(from, to, 0o644)
	return nil
}

// addCompressed packs a text as Debian wants its manual pages and changelogs.
func (s *staging) addCompressed(to string, text []byte) error {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return s.addText(to+".gz", out.Bytes())
}

// said is what the program prints.
func said(program string, args ...string) ([]byte, error) {
	text, err := exec.Command(program, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("asking aptmirror %v: %w", args, err)
	}
	return text, nil
}
