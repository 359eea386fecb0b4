package status

import (
	"time"

	"aptmirror/proxy/identity"
)

// Request is one answered request.
type Request struct {
	Identity identity.Identity // zero where nobody was recognised
	Peer     string            // host or address and port
	Class    Class
	Outcome  Outcome
	Bytes    int64 // of bodies
	Duration time.Duration
	// Refusal says why certificate or grants do not allow it, Why what the
	// client was told; both are empty where they do.
	Refusal identity.Reason
	Why     string
}

// Class is what kind of path was asked for.
type Class string

// Classes; anything else counts as NoClass.
const (
	ReleaseClass Class = "release"
	IndexClass   Class = "index"
	ByHashClass  Class = "by-hash"
	PackageClass Class = "package"
	PatchClass   Class = "patch"
	ImageClass   Class = "image"
	UploadClass  Class = "upload"
	PageClass    Class = "page" // of this mirror itself
	NoClass      Class = "none" // nothing that is served
)

var classes = []Class{ReleaseClass, IndexClass, ByHashClass, PackageClass, PatchClass, ImageClass, UploadClass, PageClass, NoClass}

// Outcome is how a request ended.
type Outcome string

// Outcomes; anything else is Failed.
const (
	Hit         Outcome = "hit"         // from the store, or the client's copy is still good
	Fill        Outcome = "fill"        // fetched from upstream and stored
	Pass        Outcome = "pass"        // fetched from upstream and not stored: no room
	Done        Outcome = "done"        // answered with something that is no file
	Refused     Outcome = "refused"     // the client may not, or the request is not one
	Missing     Outcome = "missing"     // there is no such file
	Unavailable Outcome = "unavailable" // 503: it cannot be had now
	Cut         Outcome = "cut"         // not finished, for want of verified bytes
	Left        Outcome = "left"        // not finished, because the client went away
	Failed      Outcome = "failed"
)

var outcomes = []Outcome{Hit, Fill, Pass, Done, Refused, Missing, Unavailable, Cut, Left, Failed}

// Observe counts one request. It costs well below a microsecond.
func (b *Board) Observe(r Request) {
	now := b.Now()
	b.metrics.observe(r)
	b.traffic.add(r, now)
	b.clients.seen(r, now)
	if r.Refusal != "" {
		b.ClientRefused(r.Peer, r.Refusal, r.Why)
	}
}

// ClientRefused counts a client that was turned away, perhaps before it could
// ask for anything.
func (b *Board) ClientRefused(peer string, reason identity.Reason, why string) {
	b.metrics.clientRefused(reason)
	b.clients.refused(peer, reason, why, b.Now())
}

// UpstreamRefused counts something that an archive sent and that was not
// accepted.
func (b *Board) UpstreamRefused(archive, suite, reason string) {
	b.metrics.upstreamRefused(archive, suite, reason)
}

// Fetched counts one answer of a mirror, and the bytes of it that came.
func (b *Board) Fetched(archive string, bytes int64, err error) {
	b.metrics.upstreamFetched(archive, bytes, err)
	b.traffic.fetched(bytes, b.Now())
}

// JobDone counts one job.
func (b *Board) JobDone(kind string, took time.Duration, err error) {
	b.metrics.jobDone(kind, took, err)
}
