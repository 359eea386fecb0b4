package admin

import (
	"context"
	"net/http"
	"time"
)

// Snapshots are the calls about points in time and about rings.
type Snapshots interface {
	Snapshots(ctx context.Context) (*SnapshotList, error)
	Snapshot(ctx context.Context, r SnapshotName) (*SnapshotDetails, error)
	CreateSnapshot(ctx context.Context, by Caller, r SnapshotRequest, news func(Event)) (*SnapshotDetails, error)
	CompleteSnapshot(ctx context.Context, by Caller, r SnapshotName, news func(Event)) (*SnapshotDetails, error)
	Diff(ctx context.Context, r DiffRequest) (*Diff, error)
	DeleteSnapshot(ctx context.Context, by Caller, r SnapshotName) (*Snapshot, error)
}

func handleSnapshots(mux *http.ServeMux, b Snapshots, allowed rules) {
	handle(mux, "snapshots", allowed, func(ctx context.Context, _ Caller, _ struct{}, _ func(Event)) (*SnapshotList, error) {
		return b.Snapshots(ctx)
	})
	handle(mux, "snapshot", allowed, func(ctx context.Context, _ Caller, r SnapshotName, _ func(Event)) (*SnapshotDetails, error) {
		return b.Snapshot(ctx, r)
	})
	handle(mux, "snapshot-create", allowed, func(ctx context.Context, by Caller, r SnapshotRequest, news func(Event)) (*SnapshotDetails, error) {
		return b.CreateSnapshot(ctx, by, r, news)
	})
	handle(mux, "snapshot-complete", allowed, func(ctx context.Context, by Caller, r SnapshotName, news func(Event)) (*SnapshotDetails, error) {
		return b.CompleteSnapshot(ctx, by, r, news)
	})
	handle(mux, "snapshot-diff", allowed, func(ctx context.Context, _ Caller, r DiffRequest, _ func(Event)) (*Diff, error) {
		return b.Diff(ctx, r)
	})
	handle(mux, "snapshot-delete", allowed, func(ctx context.Context, by Caller, r SnapshotName, _ func(Event)) (*Snapshot, error) {
		return b.DeleteSnapshot(ctx, by, r)
	})
}

// SnapshotName asks for one snapshot.
type SnapshotName struct {
	Name string `json:"name"`
}

// SnapshotRequest asks to pin what is current.
type SnapshotRequest struct {
	Name         string   `json:"name"`
	Repositories []string `json:"repositories,omitempty"` // none: all of them
	Comment      string   `json:"comment,omitempty"`
	// Complete also fetches every file that is pinned, and keeps it.
	Complete bool `json:"complete,omitempty"`
}

// SnapshotList has all snapshots, newest first.
type SnapshotList struct {
	Snapshots []Snapshot `json:"snapshots"`
}

// Snapshot is a name for one moment of some repositories.
type Snapshot struct {
	Name      string        `json:"name"`
	Created   time.Time     `json:"created"`
	By        string        `json:"by"`
	Schedule  string        `json:"schedule,omitempty"`
	Comment   string        `json:"comment,omitempty"`
	Complete  bool          `json:"complete"`           // every file is wanted
	Completed time.Time     `json:"completed,omitzero"` // and was there at that time
	Pins      []SnapshotPin `json:"pins"`
	// ServedBy are the suites of rings that serve what came from it.
	ServedBy []SuiteName `json:"served_by,omitempty"`
}

// SnapshotPin is what one suite served at the moment of a snapshot.
type SnapshotPin struct {
	SuiteName
	Generation Generation `json:"generation"`
	Published  time.Time  `json:"published"`
	// ValidUntil is when clients refuse what an archive signed; zero where it said
	// none, and for what the site signs again in time. Lists leave it out.
	ValidUntil time.Time `json:"valid_until,omitzero"`
}

// SuiteName names a suite of a repository.
type SuiteName struct {
	Repository string `json:"repository"`
	Suite      string `json:"suite"`
}

// SnapshotDetails is one snapshot with what is in the store of it.
type SnapshotDetails struct {
	Snapshot
	// Wanted and Present count the packages and installer images that are pinned, and
	// those of them that are in the store.
	Wanted       int   `json:"wanted"`
	Present      int   `json:"present"`
	WantedBytes  int64 `json:"wanted_bytes"`
	PresentBytes int64 `json:"present_bytes"`
	// Addresses are what clients may name in place of those of repositories.
	Addresses []string `json:"addresses"`
}

// DiffRequest names two snapshots; "now" is what is served at present.
type DiffRequest struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Diff is how the packages of one moment differ from those of another.
type Diff struct {
	From   string      `json:"from"`
	To     string      `json:"to"`
	Suites []SuiteDiff `json:"suites"`
}

// SuiteDiff is how one suite of a repository differs.
type SuiteDiff struct {
	SuiteName
	OnlyIn  string         `json:"only_in,omitempty"` // the snapshot that alone has it; then nothing is compared
	Sources []SourceChange `json:"sources"`           // in the order of names
	Total   DiffTotal      `json:"total"`
}

// SourceChange is what became of the packages built from one source package.
type SourceChange struct {
	Name     string          `json:"name"`
	From     string          `json:"from,omitempty"` // its newest version before
	To       string          `json:"to,omitempty"`   // and after
	Packages []PackageChange `json:"packages"`
}

// PackageChange is what became of a package.
type PackageChange struct {
	Kind         string `json:"kind"` // added, removed, upgraded, downgraded or replaced: the same version with other bytes
	Name         string `json:"name"`
	Architecture string `json:"architecture"` // "source" for a source package
	From         string `json:"from,omitempty"`
	To           string `json:"to,omitempty"`
	FromSize     int64  `json:"from_size,omitempty"`
	ToSize       int64  `json:"to_size,omitempty"`
}

// DiffTotal counts packages, and the bytes of what is new.
type DiffTotal struct {
	Added      int   `json:"added"`
	Removed    int   `json:"removed"`
	Upgraded   int   `json:"upgraded"`
	Downgraded int   `json:"downgraded"`
	Replaced   int   `json:"replaced"`
	Bytes      int64 `json:"bytes"`
}
