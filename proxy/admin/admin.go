// Package admin is how commands reach the daemon: JSON over HTTP on a unix
// socket in the state directory. The kernel says who is at the other end; only
// root and the user that the daemon runs as are answered. Others reach the same
// calls over the network, once package proxy has found that they may (AsIdentity).
//
// Where no daemon runs, the same handler is called inside the command's own
// process (InProcess), so that there is one code path with two transports.
//
// Every call is POST /v1/NAME with a JSON body of at most MaxRequest bytes and
// the content type application/json. The answer is a stream of JSON values,
// one a line, each a Message: any number of events, then one result or error.
// A call that starts long work goes on in the daemon when the caller leaves.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// MaxRequest bounds the body of a call.
const MaxRequest = 1 << 20

// Message is one line of an answer: an event, or at the end the result, the
// error, or (work that was done in part) both.
type Message struct {
	Event  *Event          `json:"event,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *Error          `json:"error,omitempty"`
}

// Event is news of work under way.
type Event struct {
	Time    time.Time `json:"time"`
	Job     uint64    `json:"job,omitempty"`
	Archive string    `json:"archive,omitempty"`
	Suite   string    `json:"suite,omitempty"`
	// Text is one line for a person.
	Text string `json:"text"`
	// Failed marks news of something that went wrong.
	Failed bool `json:"failed,omitempty"`
	// Progress, on news of a download, says how far it is; such news comes
	// about twice a second.
	Progress *Progress `json:"progress,omitempty"`
}

// Progress counts files that are downloaded ahead of time, and their bytes.
type Progress struct {
	Wanted       int   `json:"wanted"`
	Present      int   `json:"present"`
	WantedBytes  int64 `json:"wanted_bytes"`
	PresentBytes int64 `json:"present_bytes"` // of files that are half here too
}

// Event tells how far the files of a suite are; of is its archive or repository.
func (p Progress) Event(of, suite string) Event {
	text := fmt.Sprintf("%s %s: %d of %d files, %s of %s", of, suite, p.Present, p.Wanted, Size(p.PresentBytes), Size(p.WantedBytes))
	return Event{Archive: of, Suite: suite, Text: text, Progress: &p}
}

// Error is a failure with the exit code that a command should end with.
type Error struct {
	Text string `json:"text"`
	Exit int    `json:"exit"`
}

func (e *Error) Error() string { return e.Text }

// Exit codes of commands; they are part of what scripts rely on.
const (
	ExitFailed  = 1 // it did not work
	ExitUsage   = 2 // wrong options or configuration
	ExitPartly  = 3 // some archives failed, the rest is done
	ExitRefused = 4 // something did not verify
)

// Caller is who asks: a user of this machine, as the kernel says, or an
// identity that came over the network and may administer.
type Caller struct {
	UID      int
	Identity string // "" for a user
}

// String names the caller in logs and records.
func (c Caller) String() string {
	if c.Identity != "" {
		return c.Identity
	}
	return fmt.Sprintf("uid %d", c.UID)
}

// Backend does what the calls ask for. An error that is no *Error counts as
// ExitFailed.
type Backend interface {
	Status(ctx context.Context) (*Status, error)
	Sync(ctx context.Context, by Caller, r SyncRequest, news func(Event)) (*SyncResult, error)
	Accept(ctx context.Context, by Caller, r AcceptRequest, news func(Event)) (*AcceptResult, error)
	Verify(ctx context.Context, by Caller, r VerifyRequest, news func(Event)) (*VerifyResult, error)
	GC(ctx context.Context, by Caller, r GCRequest) (*GCResult, error)
	Jobs(ctx context.Context) (*Jobs, error)
	// LogLevel changes what is logged, if r says so.
	LogLevel(ctx context.Context, by Caller, r LogRequest) (*LogLevel, error)
	Snapshots
	Bundles
	Rings
	Policies
	// Reload reads certificates, revocation lists and grants again.
	Reload(ctx context.Context, by Caller) (*Access, error)
	Pools
}

// SyncRequest says what to refresh.
type SyncRequest struct {
	// Archives are names of archives, or of repositories: then those are refreshed that
	// they are made from, and nothing else is built. None means all.
	Archives []string `json:"archives,omitempty"`
	// DryRun only looks what would come.
	DryRun bool `json:"dry_run,omitempty"`
}

// SyncResult is the outcome for every suite.
type SyncResult struct {
	DryRun bool          `json:"dry_run,omitempty"` // nothing was changed
	Suites []SuiteResult `json:"suites"`
}

// SuiteResult is the outcome of refreshing one suite, or after a dry run what
// it would be.
type SuiteResult struct {
	Archive string `json:"archive,omitempty"`
	// Repository is that of a suite that was built.
	Repository string    `json:"repository,omitempty"`
	Suite      string    `json:"suite"`
	Generation uint64    `json:"generation,omitempty"`
	New        bool      `json:"new"`
	Date       time.Time `json:"date,omitzero"`
	Signers    []Signer  `json:"signers,omitempty"`
	Packages   int       `json:"packages,omitempty"`
	// Wanted and Present count the files of an archive that is downloaded
	// ahead of time, and those of them that are in the store.
	Wanted       int   `json:"wanted,omitempty"`
	Present      int   `json:"present,omitempty"`
	WantedBytes  int64 `json:"wanted_bytes,omitempty"`
	PresentBytes int64 `json:"present_bytes,omitempty"`
	// IndexBytes is what a dry run found that a refresh would fetch.
	IndexBytes int64 `json:"index_bytes,omitempty"`
	// Missing are optional indexes that no mirror has; what they name is not
	// part of the suite.
	Missing []string `json:"missing,omitempty"`
	LeftOut *LeftOut `json:"left_out,omitempty"`
	Error   string   `json:"error,omitempty"`
	// Refused says that upstream sent something that did not verify.
	Refused bool   `json:"refused,omitempty"`
	Reason  string `json:"reason,omitempty"` // class of the error, one of a fixed set
	Advice  string `json:"advice,omitempty"` // what to do about it
}

// LeftOut are files that indexes name and nobody can verify: the suite is taken
// in without them.
type LeftOut struct {
	Files int           `json:"files"`
	First []LeftOutFile `json:"first"` // a few of them
}

// LeftOutFile is one of them.
type LeftOutFile struct {
	Path   string `json:"path"`   // where the repository would have it
	Reason string `json:"reason"` // no-digest or disputed
	Why    string `json:"why"`    // for people
}

// Signer is a key whose signature was good.
type Signer struct {
	Fingerprint string `json:"fingerprint"`
	Name        string `json:"name,omitempty"`
}

// Status is the state of everything that is served.
type Status struct {
	Version string        `json:"version"`
	Running bool          `json:"running"` // a daemon answered
	Started time.Time     `json:"started,omitzero"`
	Listen  []string      `json:"listen,omitempty"`
	Page    string        `json:"page,omitempty"`   // where the status page is, for this machine alone
	Access  *Access       `json:"access,omitempty"` // of a daemon that is running
	Suites  []SuiteStatus `json:"suites"`
	Mirrors []Mirror      `json:"mirrors,omitempty"` // those that failed lately
	Pools   []PoolUse     `json:"pools,omitempty"`
	Blobs   int           `json:"blobs"` // files in the store
	Bytes   int64         `json:"bytes"` // their sizes together
	Space   Space         `json:"space"`
	// LastImport is the newest bundle that was taken in; nil where none was.
	LastImport *Imported `json:"last_import,omitempty"`
}

// Space is how the store keeps to its limit, in bytes.
type Space struct {
	Max      int64 `json:"max"`      // 0: as much as the disk takes
	Reserved int64 `json:"reserved"` // promised to files on their way in
	Disk     int64 `json:"disk"`     // taken up on disk, with what is yet to come back
	// Evicted counts what had to make room since the daemon was started.
	Evicted      int64 `json:"evicted"`
	EvictedFiles int64 `json:"evicted_files"`
}

// SuiteStatus is the state of one suite of a repository.
type SuiteStatus struct {
	Repository string    `json:"repository"`
	Archive    string    `json:"archive,omitempty"` // of which it is the mirror
	Suite      string    `json:"suite"`
	Generation uint64    `json:"generation,omitempty"` // 0: nothing verified yet
	Published  time.Time `json:"published,omitzero"`
	Date       time.Time `json:"date,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
	Signers    []Signer  `json:"signers,omitempty"`
	Packages   int       `json:"packages"`
	Bytes      int64     `json:"bytes"`        // of all packages
	Cached     int       `json:"cached"`       // packages in the store
	CachedSize int64     `json:"cached_bytes"` // their sizes
	LeftOut    *LeftOut  `json:"left_out,omitempty"`
	Checked    time.Time `json:"checked,omitzero"`
	CheckedOK  time.Time `json:"checked_ok,omitzero"`
	Error      string    `json:"error,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Advice     string    `json:"advice,omitempty"`  // what to do about the error
	Warning    string    `json:"warning,omitempty"` // what will be wrong soon
	Held       *Held     `json:"held,omitempty"`    // what "archive accept" would accept

	// Built says that the suite is built here: Checked is then when that was
	// tried last.
	Built  bool     `json:"built,omitempty"`
	Inputs []string `json:"inputs,omitempty"` // the generations it was built from
	// HeldBack counts versions that a hold keeps back, and Next is when the
	// suite changes by itself, as when a hold ends.
	HeldBack int       `json:"held_back,omitempty"`
	Next     time.Time `json:"next,omitzero"`
	// Unmet are relations that nothing meets, of packages that are allowed with
	// dependencies.
	Unmet []string `json:"unmet,omitempty"`
	// Snapshot is what a ring serves, as far as it is known.
	Snapshot string `json:"snapshot,omitempty"`
	// PublishedBy is who made a suite of a ring what it is, and Why what they said.
	PublishedBy string `json:"published_by,omitempty"`
	Why         string `json:"why,omitempty"`
}

// Jobs are the newest jobs, newest first.
type Jobs struct {
	Jobs []Job `json:"jobs"`
}

// Job is the record of one unit of work.
type Job struct {
	Number   uint64    `json:"number"`
	Kind     string    `json:"kind"`
	Names    []string  `json:"names,omitempty"`
	By       string    `json:"by"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Error    string    `json:"error,omitempty"`
	Summary  string    `json:"summary,omitempty"`
}
