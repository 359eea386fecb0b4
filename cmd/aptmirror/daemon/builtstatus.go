package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/builds"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy/admin"
	"aptmirror/upstream/pgp"
)

// builtStatus tells of a suite that is built here. What is served of it and how
// its last build went are two things: a build that fails leaves what there was.
func (d *Daemon) builtStatus(ctx context.Context, repository, suite string) (admin.SuiteStatus, error) {
	s := admin.SuiteStatus{Repository: repository, Suite: suite, Built: true}
	last, err := d.builds.Last(inforce.BuiltSuite{Repository: repository, Suite: suite})
	if err != nil {
		return s, err
	}
	s.Checked, s.CheckedOK, s.Error, s.HeldBack, s.Unmet = last.At, last.OK, last.Error, last.Held, last.Unmet
	if err := d.addInputs(ctx, &s); err != nil {
		return s, err
	}
	p, err := d.cache.Catalog.Publication(repository, suite)
	if errors.Is(err, catalog.ErrNotFound) {
		if _, of, ok := d.inForce.Load().Suite(repository, suite); ok && of.Ring() {
			s.Advice = "it serves what is published to it: aptmirror publish SNAPSHOT " + repository
		}
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Published, s.Snapshot = p.Published, p.Snapshot
	if err := d.snapshots.TellMove(ctx, &s); err != nil {
		return s, err
	}
	if p.Signed != nil {
		s.Date, s.ValidUntil = p.Signed.Date, p.Signed.ValidUntil
		for _, k := range p.Signed.Signers {
			s.Signers = append(s.Signers, admin.Signer(k))
		}
		switch end := s.ValidUntil; {
		case !end.IsZero() && d.Now().After(end):
			s.Warning = fmt.Sprintf("clients refuse it: it was valid until %s, and could not be signed again", admin.Second(end))
		case s.Date.Sub(d.Now()) >= builds.LongestWait:
			s.Warning = fmt.Sprintf("it is dated %s, which is to come: clients refuse it until then, if the clock of this machine is right now and was ahead when it was signed", admin.Second(s.Date))
		}
	}
	g, err := d.cache.Catalog.Generation(p.Current.Archive, p.Current.Suite, p.Current.Number)
	if err != nil {
		markDamaged(&s, err)
		return s, nil
	}
	s.Generation, s.Packages, s.Bytes = g.Number, g.Packages, g.Bytes
	// What is newest may not be published, because clients would see no
	// difference.
	if newest, err := d.cache.Catalog.Latest(ctx, g.Archive, g.Suite); err == nil && catalog.BuiltBy(repository) == g.Archive {
		g = newest
	}
	s.Next, s.LeftOut = g.Next, d.leftOutOfInputs(g)
	for _, in := range g.Inputs {
		s.Inputs = append(s.Inputs, in.String())
	}
	return s, nil
}

// siteKeyring gives the keys that sign a repository, none where they cannot be
// read, or nil for one that is not built.
func (d *Daemon) siteKeyring(repository string) *pgp.Keyring {
	m := d.inForce.Load()
	if !slices.Contains(m.Built(), repository) {
		return nil
	}
	var public bytes.Buffer
	for _, k := range m.Keys[repository] {
		if err := k.WritePublic(&public, false); err != nil {
			return new(pgp.Keyring)
		}
	}
	keys, err := pgp.ReadKeyring(&public)
	if err != nil {
		return new(pgp.Keyring)
	}
	return keys
}
