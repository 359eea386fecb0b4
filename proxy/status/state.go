package status

import (
	"time"

	"aptmirror/proxy/admin"
)

// State is what is the case at one moment. A field that does not apply is zero.
type State struct {
	Version string
	Name    string // of this mirror, for the page's title: the host of public_url
	Started time.Time
	Listen  []string

	Suites  []admin.SuiteStatus
	Mirrors []Mirror
	Access  *admin.Access
	// Expiries are all that end on a day, whatever it is.
	Expiries []Expiry

	Store Store
	Pools []admin.PoolUse
	// Running are jobs under way, Finished those that ended, newest first.
	Running  []Work
	Finished []admin.Job

	Rings     []Ring
	Snapshots []Snapshot // newest first

	Connections Connections
}

// Connections are those of clients.
type Connections struct {
	Open     int64 // now
	Busy     int64 // with a request that is being answered
	Accepted int64 // since the start, as what follows
	// Evicted made room for others, Refused found none.
	Evicted, Refused int64
	Handshakes       int64 // that succeeded
	FailedHandshakes int64
}

// Mirror is one address of an archive.
type Mirror struct {
	Archive, URI string
	// AsideUntil is zero for a mirror in good standing; Why is then empty.
	AsideUntil time.Time
	Why        string
}

// Expiry is something that ends.
type Expiry struct {
	Kind string // one of the constants below
	Name string // of a certificate, list or key as the configuration has it
	End  time.Time
}

// Kinds of what ends.
const (
	ServerCertificate = "server-certificate"
	ServerCA          = "server-ca"
	ClientCA          = "client-ca"
	RevocationList    = "crl"
	ClientCertificate = "client-certificate" // those of clients on record that end soon; Board adds the soonest of those seen
	SiteKey           = "site-key"
	ArchiveKey        = "archive-key"
)

// Store is what files take up, in bytes.
type Store struct {
	Files           int64
	Bytes, Reserved int64
	Max             int64 // 0: as much as the disk takes
	Disk            int64 // taken up on disk, with what is yet to come back
	DiskFree        int64 // of the file system
	DiskSize        int64
	Evicted         int64 // since the start
	EvictedFiles    int64
	Scrubbed        time.Time // the last time that all of it had been read back
}

// Work is a job under way.
type Work struct {
	admin.Job
	// Text is its latest news in one line, Progress how far a download is.
	Text     string
	Progress *admin.Progress
}

// Ring is a suite that changes only when somebody publishes to it.
type Ring struct {
	Repository, Suite, From string
	Snapshot                string // what it serves; "" if that has no name
	Published               time.Time
	// Behind says that what it is taken from has moved on since.
	Behind bool
}

// Snapshot is a name for the state of some suites.
type Snapshot struct {
	Name     string
	Created  time.Time
	By       string
	Comment  string
	Suites   int
	Complete bool // all files are here
}
