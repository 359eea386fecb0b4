package bundles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"aptmirror/cache/bundle"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/outcome"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/upstream"
)

// maxReleaseFile bounds the Release files that are read of a bundle.
const maxReleaseFile = 10 << 20

// Import takes in one part of a bundle. Nothing that clients see changes before
// all parts are there and every suite is verified.
func (c *Carrier) Import(_ context.Context, by admin.Caller, r admin.ImportRequest, part io.Reader, news func(admin.Event)) (*admin.ImportResult, error) {
	conf := c.InForce().Config
	if len(conf.Bundles.SignedBy) == 0 {
		return nil, &admin.Error{Text: "nothing says whose bundles are taken: write signed_by into the table [bundles] of " + conf.Path, Exit: admin.ExitUsage}
	}
	keys, err := site.BundleKeyring(conf)
	if err != nil {
		return nil, err
	}
	var result *admin.ImportResult
	err = c.Jobs.Run(catalog.Job{Kind: "import", Names: []string{r.Name}, By: by.String()}, func(ctx context.Context, job uint64) (string, error) {
		free, err := wait.Slot(ctx, c.importing)
		if err != nil {
			return "", err
		}
		defer free()
		i := &importing{c: c, by: by.String(), tell: c.Jobs.News(job, news)}
		defer i.close()
		i.Importer = bundle.Importer{Blobs: c.Cache.Blobs, Room: c.Cache, Keyring: keys, Now: c.Now, Judge: i.judge}
		result, err = i.receive(ctx, bundle.Stream(r.Name, part))
		if err != nil {
			c.Log.Warn("a bundle was not taken", "bundle", r.Name, "error", err)
			return "", refusedImport(err)
		}
		if len(result.Missing) > 0 {
			return importSummary(result), nil
		}
		i.close() // building may want the same suites
		result.Suites = append(result.Suites, c.Builds.Build(ctx, i.by, nil, i.tell)...)
		return importSummary(result), outcome.Of(ctx, result.Suites)
	})
	return result, err
}

// refusedImport gives refusals their exit code.
func refusedImport(err error) error {
	refused, suite := (*bundle.RefusedError)(nil), (*upstream.RefusedError)(nil)
	switch {
	case errors.As(err, &refused):
		return &admin.Error{Text: err.Error() + "; nothing was changed", Exit: admin.ExitRefused}
	case errors.As(err, &suite):
		text := err.Error() + "; nothing was changed"
		if do := outcome.Advice(string(suite.Reason), suite.Archive, suite.Suite); do != "" {
			text += "\n  what to do: " + do
		}
		return &admin.Error{Text: text, Exit: admin.ExitRefused}
	}
	return err
}

func importSummary(r *admin.ImportResult) string {
	if len(r.Missing) > 0 {
		return fmt.Sprintf("a part of bundle %s; %d of %d parts are still needed", r.Bundle, len(r.Missing), r.Parts)
	}
	return fmt.Sprintf("bundle %s: %s", r.Bundle, outcome.Summary(r.Suites))
}

// importing is one bundle on its way in.
type importing struct {
	bundle.Importer
	c    *Carrier
	by   string
	tell func(admin.Event)

	suites  []*importedSuite
	taken   []catalog.Ref // the generations of suites, once they are recorded
	ignored []string
	free    []func() // of the suites that are taken
}

// importedSuite is a suite of the bundle that an archive of the configuration has.
type importedSuite struct {
	listed   bundle.ListedSuite
	archive  *upstream.Archive
	examined *upstream.Examined
}

func (i *importing) close() {
	for _, s := range i.suites {
		s.examined.Close()
	}
	for _, free := range i.free {
		free()
	}
	i.suites, i.free = nil, nil
}

func (i *importing) receive(ctx context.Context, part bundle.Part) (*admin.ImportResult, error) {
	var err error
	if i.Before, err = bundle.Imports(i.c.Cache.Catalog); err != nil {
		return nil, err
	}
	in, err := i.Receive(ctx, part)
	if incomplete := (*bundle.MissingPartsError)(nil); errors.As(err, &incomplete) {
		r := resultOf(incomplete.List, incomplete.Signers)
		r.Missing = incomplete.Missing
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Release()
	r := resultOf(in.List, in.Signers)
	r.NewFiles, r.NewBytes, r.Ignored = in.New.Files, in.New.Bytes, i.ignored
	if err := i.complete(ctx, in); err != nil {
		return nil, err
	}
	r.Suites, err = i.publish(ctx)
	if err == nil {
		err = i.snapshot(ctx, in.List)
	}
	if err == nil {
		err = in.Record(i.c.Cache.Catalog, i.c.Now())
	}
	if err != nil {
		return nil, err
	}
	i.c.Log.Info("a bundle was imported", "bundle", in.List.Name, "id", in.List.ID, "by", i.by, "new_files", r.NewFiles, "new_bytes", r.NewBytes)
	return r, nil
}

func resultOf(l *bundle.List, signers []string) *admin.ImportResult {
	r := &admin.ImportResult{Bundle: l.Name, ID: l.ID, Created: l.Created, Signers: signers, Parts: len(l.Parts), Suites: []admin.SuiteResult{}}
	if l.Base != nil {
		r.Base = l.Base.Name
	}
	return r
}

// judge lets upstream judge every suite, exactly as if a mirror had sent it. The
// suites are taken until the import is over.
func (i *importing) judge(ctx context.Context, in *bundle.Incoming) error {
	known, err := i.known(in)
	if err != nil {
		return err
	}
	for _, s := range known {
		free, err := i.c.TakeSuite(ctx, inforce.SuiteKey{Archive: s.archive.Name, Suite: s.listed.Suite})
		if err != nil {
			return err
		}
		i.free = append(i.free, free)
		b, err := i.brought(ctx, in, s.listed)
		if err != nil {
			return err
		}
		if s.examined, err = i.c.Upstream.Examine(ctx, s.archive, s.listed.Suite, b); err != nil {
			return err
		}
		i.suites = append(i.suites, s)
	}
	return nil
}

// known finds the archives of the bundle's suites. They are taken in one order
// everywhere, so that nobody waits for each other.
func (i *importing) known(in *bundle.Incoming) (known []*importedSuite, err error) {
	for _, s := range in.List.Suites {
		a := i.c.Upstream.Archive(s.Source)
		if a == nil || !slices.Contains(a.Suites, s.Suite) {
			i.ignored = append(i.ignored, s.Source+" "+s.Suite)
			i.tell(admin.Event{Archive: s.Source, Suite: s.Suite, Text: fmt.Sprintf("%s %s: no [[archive]] %q with this suite is in %s, it is left out", s.Source, s.Suite, s.Source, i.c.InForce().Config.Path)})
			continue
		}
		known = append(known, &importedSuite{listed: s, archive: a})
	}
	if len(known) == 0 {
		return nil, &admin.Error{Text: fmt.Sprintf("%v has no suite that an archive in %s has: it has %v", in, i.c.InForce().Config.Path, i.ignored), Exit: admin.ExitUsage}
	}
	slices.SortFunc(known, func(a, b *importedSuite) int {
		return cmp.Or(cmp.Compare(a.archive.Name, b.archive.Name), cmp.Compare(a.listed.Suite, b.listed.Suite))
	})
	return known, nil
}

// brought reads the Release files of a suite.
func (i *importing) brought(ctx context.Context, in *bundle.Incoming, s bundle.ListedSuite) (b upstream.Brought, err error) {
	b = upstream.Brought{From: in.String(), OfSize: in.OfSize}
	for _, f := range []struct {
		sum bundle.SHA256
		to  *[]byte
	}{{s.InRelease, &b.InRelease}, {s.Release, &b.Release}, {s.ReleaseGPG, &b.ReleaseGPG}} {
		if f.sum.None() || err != nil {
			continue
		}
		*f.to, err = i.Blobs.ReadAll(ctx, f.sum.Digest(), maxReleaseFile)
	}
	return b, err
}

// complete looks whether all is here that the exporting side had.
func (i *importing) complete(ctx context.Context, in *bundle.Incoming) error {
	for _, s := range i.suites {
		count, err := bundle.Tally(ctx, i.Blobs, s.examined.Table())
		if err == nil {
			err = in.Complete(s.listed, count)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// publish records all suites, and then makes them current where their archives
// are served as they are.
func (i *importing) publish(ctx context.Context) (results []admin.SuiteResult, err error) {
	var generations []catalog.Generation
	for _, s := range i.suites {
		if i.c.Upstream.Archive(s.archive.Name) != s.archive {
			return nil, fmt.Errorf("archive %s: %w while the bundle was read, import it again", s.archive.Name, inforce.ErrReplaced)
		}
		r, err := s.examined.Record(ctx)
		if err != nil {
			return nil, err
		}
		g := r.Generation
		generations, i.taken = append(generations, g), append(i.taken, g.Ref())
		results = append(results, admin.SuiteResult{
			Archive: g.Archive, Suite: g.Suite, Generation: g.Number, New: r.New, Date: g.Date, Packages: g.Packages, Signers: outcome.Signers(g), Missing: g.Missing, LeftOut: outcome.LeftOut(g.LeftOut),
			Wanted: s.listed.Wanted.Files, Present: s.listed.Present.Files, WantedBytes: s.listed.Wanted.Bytes, PresentBytes: s.listed.Present.Bytes,
		})
	}
	for n, g := range generations {
		if err := i.c.Publish(ctx, g); err != nil {
			return nil, err
		}
		if err := i.c.Recipes.Sight(ctx, g); err != nil {
			i.c.Log.Error("holds may end too late", "archive", g.Archive, "suite", g.Suite, "error", err)
		}
		i.tell(importEvent(results[n]))
	}
	return results, nil
}

// importEvent tells of a suite that may not be whole.
func importEvent(r admin.SuiteResult) admin.Event {
	wanted := r.Wanted
	if r.Present < wanted {
		r.Wanted = 0
	}
	e := outcome.Event(r)
	if r.Present < wanted {
		e.Text += fmt.Sprintf("; %d of its %d files came, the others were not exported", r.Present, wanted)
	}
	return e
}
