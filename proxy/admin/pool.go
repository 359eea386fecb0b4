package admin

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Pools is the part of Backend about the site's own packages.
type Pools interface {
	// AddPackages takes the files of r from body, one after the other: all or none.
	AddPackages(ctx context.Context, by Caller, r AddPackagesRequest, body io.Reader) (*AddedPackages, error)
	// ServePackages builds what is made from a pool, and returns once clients see it.
	ServePackages(ctx context.Context, by Caller, r ServePackagesRequest, news func(Event)) (*ServedPackages, error)
	Packages(ctx context.Context, r PackagesRequest) (*Packages, error)
	RemovePackages(ctx context.Context, by Caller, r RemovePackagesRequest) (*RemovedPackages, error)
}

// AddPackagesRequest says what comes behind it.
type AddPackagesRequest struct {
	Pool  string       `json:"pool"`
	Files []Attachment `json:"files"`
	// Again takes also what was removed from the pool, and other bytes for that.
	Again bool `json:"again,omitempty"`
}

// AddedPackages is what became of a set of files.
type AddedPackages struct {
	Added []PoolFile `json:"added"`
	Known []PoolFile `json:"known"` // as the pool had them already
}

// ServePackagesRequest names files of a pool, by their paths there, that are looked for in the suites.
type ServePackagesRequest struct {
	Pool  string   `json:"pool"`
	Paths []string `json:"paths"`
}

// ServedPackages are the suites that are made from the pool, and which of the files they do not have.
type ServedPackages struct {
	Suites []SuiteResult   `json:"suites,omitempty"`
	Absent []AbsentPackage `json:"absent,omitempty"`
}

// AbsentPackage is a file that a suite does not have, because of its policy or of what it is made for.
type AbsentPackage struct {
	Repository string `json:"repository"`
	Suite      string `json:"suite"`
	Path       string `json:"path"` // in the pool
}

// PackagesRequest names a pool; "" is all.
type PackagesRequest struct {
	Pool string `json:"pool,omitempty"`
}

// Packages are the files of pools, in the order of pools and paths.
type Packages struct {
	Files []PoolFile `json:"files"`
	Pools []PoolUse  `json:"pools"` // those that were asked for
}

// PoolUse is what a pool takes up.
type PoolUse struct {
	Pool     string    `json:"pool"`
	Packages int       `json:"packages"` // binary and source
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`              // of the files, and of what is kept of their contents
	Max      int64     `json:"max,omitempty"`      // 0: no limit
	MaxEach  int64     `json:"max_each,omitempty"` // of what one client has uploaded, likewise
	By       []Brought `json:"by,omitempty"`       // who brought the most first
}

// Brought is what somebody has brought into a pool and what is there yet.
type Brought struct {
	By    string `json:"by"`
	Bytes int64  `json:"bytes"`
}

// NearlyFull says whether it is time to do something before packages are refused.
func (u PoolUse) NearlyFull() bool { return u.Max > 0 && u.Bytes >= u.Max/10*9 }

// String is "12 packages, 345.0 MB of at most 50.0 GB".
func (u PoolUse) String() string {
	text := fmt.Sprintf("%d packages, %s", u.Packages, Size(u.Bytes))
	if u.Max > 0 {
		text += " of at most " + Size(u.Max)
	}
	return text
}

// RemovePackagesRequest names packages of a pool, in one version or in all.
type RemovePackagesRequest struct {
	Pool    string `json:"pool"`
	Package string `json:"package,omitempty"` // "" is all, with Keep alone
	Version string `json:"version,omitempty"`
	// Keep leaves so many of the newest versions of each.
	Keep   int  `json:"keep,omitempty"`
	DryRun bool `json:"dry_run,omitempty"`
}

// RemovedPackages are the files that are gone.
type RemovedPackages struct {
	Removed []PoolFile `json:"removed"`
}

// PoolFile is a file of the site's own packages.
type PoolFile struct {
	Pool         string    `json:"pool"`
	Path         string    `json:"path"` // in the pool
	Kind         string    `json:"kind"` // "deb", "udeb", "dsc", or "source-file" for what a .dsc names
	Package      string    `json:"package"`
	Version      string    `json:"version"`
	Architecture string    `json:"architecture,omitempty"`
	Component    string    `json:"component"`
	Size         int64     `json:"size"` // bytes
	SHA256       string    `json:"sha256"`
	Added        time.Time `json:"added"`
	By           string    `json:"by"`               // who added it
	Signer       string    `json:"signer,omitempty"` // fingerprint of the uploader's key
}
