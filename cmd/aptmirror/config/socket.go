package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Socket is the address of the unix socket on which the daemon takes commands.
func (c *Config) Socket() string { return socket(c.State) }

func socket(state string) string { return filepath.Join(state, "admin.sock") }

// FindSocket gives the address for a file that need not be valid, so that a daemon which runs with an earlier state of it
// can be asked what is wrong. It reads only what stands before the first table.
func FindSocket(path string) (string, error) {
	text, err := read(path)
	if err != nil {
		return "", err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("locating configuration: %w", err)
	}
	d := &decoder{file: path, dir: filepath.Dir(absolute)}
	state := DefaultState
	if root := d.tree(beforeTables(text)); root != nil && root.nodes["state"] != nil {
		state = d.one(root, "state", d.path)
	}
	return socket(state), d.err()
}

func beforeTables(text []byte) []byte {
	end := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "[") {
			break
		}
		end += len(line)
	}
	return text[:end]
}

// read gives the text of the file, at most one byte more than is allowed.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return text, nil
}
