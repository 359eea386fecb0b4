package daemon

import (
	"context"
	"fmt"
	"slices"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/proxy/admin"
)

// addInputs tells of the archives that a suite is made from and that no
// repository serves as they are: nothing else says why they bring nothing new.
func (d *Daemon) addInputs(ctx context.Context, s *admin.SuiteStatus) error {
	m := d.inForce.Load()
	_, suite, _ := m.Suite(s.Repository, s.Suite)
	for _, from := range suite.From {
		verbatim := func(r config.Repository) bool { return r.Archive == from.Name }
		if from.Kind != config.FromArchive || slices.ContainsFunc(m.Config.Repositories, verbatim) {
			continue
		}
		if err := d.addInput(ctx, s, from.Name, from.Suite); err != nil {
			return err
		}
	}
	return nil
}

// addInput leaves what is said of an input before, but for its error: a build
// that fails may do so because of this one.
func (d *Daemon) addInput(ctx context.Context, s *admin.SuiteStatus, archive, suite string) error {
	check, err := d.cache.Catalog.Check(archive, suite)
	if err != nil {
		return err
	}
	if check.Error != "" {
		if s.Error != "" {
			s.Error += "; "
		}
		s.Error += check.Error
	}
	if check.Error != "" && s.Reason == "" {
		s.Reason, s.Advice = check.Reason, outcome.Advice(check.Reason, archive, suite)
	}
	if h := outcome.Held(check.Held); h != nil && s.Held == nil {
		s.Held, s.Advice = h, outcome.Advice(h.Reason, archive, suite)
	}
	g, err := d.cache.Catalog.Latest(ctx, archive, suite)
	if a := d.upstream.Archive(archive); err == nil && a != nil && s.Warning == "" {
		if warning := a.AgeWarning(g.Date, g.ValidUntil, d.Now()); warning != "" {
			s.Warning = fmt.Sprintf("archive %s, suite %s: %s", archive, suite, warning)
		}
	}
	return nil
}
