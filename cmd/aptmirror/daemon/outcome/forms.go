package outcome

import (
	"errors"
	"strings"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// Fail notes an error and what to do about it.
func Fail(r *admin.SuiteResult, err error) {
	r.Error = err.Error()
	if refused := (*upstream.RefusedError)(nil); errors.As(err, &refused) {
		r.Refused, r.Reason = true, string(refused.Reason)
	} else if errors.Is(err, blob.ErrNoSpace) {
		r.Reason = upstream.NoSpace
	}
	r.Advice = Advice(r.Reason, r.Archive, r.Suite)
}

// Signers are those of a generation.
func Signers(g catalog.Generation) []admin.Signer {
	var all []admin.Signer
	for _, s := range g.Signers {
		all = append(all, admin.Signer(s))
	}
	return all
}

// Held is nil where nothing is held.
func Held(h *catalog.Held) *admin.Held {
	if h == nil {
		return nil
	}
	return &admin.Held{Since: h.Since, Reason: h.Reason, What: h.What, URI: h.URI, Date: h.Date, Release: h.Release.String()}
}

// firstLeftOut is how many files that are left out are named; why tells of the others.
const firstLeftOut = 5

// LeftOut is nil where nothing is left out.
func LeftOut(all []catalog.LeftOut) *admin.LeftOut {
	if len(all) == 0 {
		return nil
	}
	out := &admin.LeftOut{Files: len(all)}
	for _, l := range all[:min(len(all), firstLeftOut)] {
		out.First = append(out.First, admin.LeftOutFile{Path: l.Path, Reason: string(l.Why), Why: l.Why.String()})
	}
	return out
}

// Essential leaves out of the indexes that no mirror has those of patches: who
// cannot have a patch fetches the whole index.
func Essential(missing []string) (lacks []string) {
	for _, name := range missing {
		if !strings.HasSuffix(name, ".diff/Index") {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// Count notes how much of a suite is here.
func Count(r *admin.SuiteResult, c upstream.Downloaded) {
	r.Wanted, r.Present, r.WantedBytes, r.PresentBytes = c.Wanted, c.Present, c.WantedBytes, c.PresentBytes
}
