package admin

import (
	"context"
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
}

// RemovePackagesRequest names packages of a pool, in one version or in all.
type RemovePackagesRequest struct {
	Pool    string `json:"pool"`
	Package string `json:"package"`
	Version string `json:"version,omitempty"`
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
