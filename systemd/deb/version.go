package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// revision is what of the tree's history ends up in the package.
type revision struct {
	version string
	date    time.Time
}

// commit reads the revision that is checked out. A tag v1.2 gives 1.2, a commit
// after it 1.2+git20261122.3f2a91c, and one without any tag before it
// 0~git20261122.3f2a91c, which sorts before every release.
func commit(version string) (revision, error) {
	text, err := git("log", "-1", "--format=%ct %h")
	if err != nil {
		return revision{}, err
	}
	seconds, short, _ := strings.Cut(text, " ")
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds = epoch
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return revision{}, fmt.Errorf("reading the date of the package: %w", err)
	}
	r := revision{version, time.Unix(at, 0).UTC()}
	if r.version == "" {
		r.version = versionAt(r.date, short)
	}
	return r, nil
}

func versionAt(date time.Time, short string) string {
	if tag, err := git("describe", "--exact-match", "--tags", "--match", "v[0-9]*"); err == nil {
		return strings.TrimPrefix(tag, "v")
	}
	state := "git" + date.Format("20060102") + "." + short
	if tag, err := git("describe", "--abbrev=0", "--tags", "--match", "v[0-9]*"); err == nil {
		return strings.TrimPrefix(tag, "v") + "+" + state
	}
	return "0~" + state
}

func git(args ...string) (string, error) {
	text, err := exec.Command("git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("asking git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(text)), nil
}
