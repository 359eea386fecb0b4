package systemd_test

import (
	"io/fs"
	"testing/fstest"
)

// targets are units that a host has anyway.
type targets []string

func (names targets) files() fs.FS {
	all := fstest.MapFS{}
	for _, name := range names {
		all[name+".target"] = &fstest.MapFile{Data: []byte("[Unit]\nDescription=" + name + "\n"), Mode: 0o644}
	}
	return all
}
