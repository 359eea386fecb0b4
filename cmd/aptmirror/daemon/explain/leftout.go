package explain

import (
	"slices"

	"aptmirror/cache/catalog"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
)

// leftOutReason stands among the classes of reasons for what nothing decided about.
const leftOutReason = "left-out"

// addLeftOut tells of packages that are asked about and that nobody can verify.
// Those for all architectures are offered for each.
func (q *question) addLeftOut(out *admin.WhySuite, s *resign.Selection) {
	for _, l := range s.LeftOut {
		c := admin.Candidate{
			Package: l.Name, Version: l.Version, Architecture: l.Architecture, Kind: l.Kind.String(),
			From: l.Input.String(), Component: l.Input.Component, Signer: l.Input.Signer,
			Reason: leftOutReason, Why: "left out, since nobody can verify its file: in the archive's index it is " + l.Why, File: l.File,
		}
		if q.built {
			c.File = catalog.OriginPath(l.Input.Archive, l.File)
		}
		if c.Served = q.served(c.File); (l.Name == q.name || l.SourceName == q.name) && !slices.Contains(out.Candidates, c) {
			out.Candidates = append(out.Candidates, c)
		}
	}
}
