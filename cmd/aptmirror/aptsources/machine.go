package aptsources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// dpkgTimeout bounds the one question that is asked to dpkg. It answers from a constant; only a broken machine takes long.
const dpkgTimeout = 10 * time.Second

var architectureForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`)

// debianNames maps GOARCH to Debian's name where the two differ.
var debianNames = map[string]string{
	"386": "i386", "arm": "armhf", "loong64": "loong64", "mips64le": "mips64el", "mipsle": "mipsel", "ppc64le": "ppc64el",
}

// Architecture is the machine's own Debian architecture, as dpkg says, or without dpkg, what this program was built for.
func Architecture() string {
	ctx, cancel := context.WithTimeout(context.Background(), dpkgTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "dpkg", "--print-architecture").Output()
	if name := strings.TrimSpace(string(out)); err == nil && architectureForm.MatchString(name) {
		return name
	}
	return builtFor(runtime.GOARCH)
}

func builtFor(goarch string) string {
	if name, ok := debianNames[goarch]; ok {
		return name
	}
	return goarch
}

// architectures are the native one and the foreign ones, which dpkg(1) keeps in a file of one name a line.
func architectures(root, native string) []string {
	list := []string{native}
	if root == "" {
		root = "/"
	}
	text, err := readRegular(filepath.Join(root, "var/lib/dpkg/arch"))
	if err != nil {
		return list // the file exists only where an architecture was added
	}
	for name := range strings.FieldsSeq(text) {
		if architectureForm.MatchString(name) && name != "all" && !slices.Contains(list, name) && len(list) < maxWords {
			list = append(list, name)
		}
	}
	return list
}

// TrustedKeyrings are the keyrings below root (empty: the machine) that apt uses for sources without Signed-By, in apt's
// order. Empty files are left out. The paths include root. An error means that apt's folder cannot be read.
func TrustedKeyrings(root string) ([]string, error) {
	apt := aptDir(root)
	candidates := []string{filepath.Join(apt, "trusted.gpg")}
	entries, err := os.ReadDir(filepath.Join(apt, "trusted.gpg.d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing trusted keyrings: %w", err)
	}
	for _, e := range entries {
		if acceptedName(e.Name(), "gpg", "asc") {
			candidates = append(candidates, filepath.Join(apt, "trusted.gpg.d", e.Name()))
		}
	}
	return slices.DeleteFunc(candidates, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.Mode().IsRegular() || info.Size() == 0
	}), nil
}
