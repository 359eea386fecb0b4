package bundles

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"aptmirror/cache/blob"
	"aptmirror/cache/bundle"
	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/cmd/aptmirror/daemon/wait"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/resign"
)

// Export decides what a bundle or a tree consists of; whoever asks writes it.
func (c *Carrier) Export(ctx context.Context, by admin.Caller, r admin.ExportRequest, _ func(admin.Event)) (*admin.ExportPlan, error) {
	s, err := c.Snapshots.Named(r.Snapshot)
	if err != nil {
		return nil, err
	}
	plan := &admin.ExportPlan{}
	err = c.Jobs.Run(catalog.Job{Kind: "export", Names: []string{s.Name}, By: by.String()}, func(ctx context.Context, _ uint64) (string, error) {
		whole, err := c.exported(ctx, s, true)
		if err != nil {
			return "", err
		}
		if r.Tree {
			return c.planTree(ctx, whole, r, plan)
		}
		return c.prepareBundle(ctx, whole, r, plan)
	})
	if incomplete := (*bundle.IncompleteError)(nil); errors.As(err, &incomplete) {
		return nil, &admin.Error{Text: fmt.Sprintf("%v: fetch them first (aptmirror snapshot complete %s), or export what there is (--partial)", err, s.Name), Exit: admin.ExitPartly}
	}
	if err != nil {
		return nil, err
	}
	return plan, nil
}

func (c *Carrier) planTree(ctx context.Context, s bundle.Snapshot, r admin.ExportRequest, plan *admin.ExportPlan) (summary string, err error) {
	x := &bundle.TreePlanner{Blobs: c.Cache.Blobs, Tables: c.Cache.Catalog, Partial: r.Partial}
	tree, err := x.PlanTree(ctx, s)
	if err != nil {
		return "", err
	}
	plan.Tree, err = json.Marshal(tree)
	return fmt.Sprintf("a tree of %d files", len(tree.Files)), err
}

func (c *Carrier) prepareBundle(ctx context.Context, s bundle.Snapshot, r admin.ExportRequest, plan *admin.ExportPlan) (summary string, err error) {
	conf := c.InForce().Config
	if len(conf.Bundles.SignWith) == 0 {
		return "", &admin.Error{Text: "nothing says which key signs bundles: write sign_with into the table [bundles] of " + conf.Path, Exit: admin.ExitUsage}
	}
	keys, err := site.SigningKeys(conf, conf.Bundles.SignWith)
	if err != nil {
		return "", fmt.Errorf("[bundles]: %w", err)
	}
	x := &bundle.Exporter{Blobs: c.Cache.Blobs, Tables: c.Cache.Catalog, PartSize: r.PartSize, Partial: r.Partial}
	x.Sign = func(ctx context.Context, text []byte) ([]byte, error) {
		var signature writes
		err := resign.DetachSign(ctx, &signature, text, c.Now(), keys...)
		return signature, err
	}
	if x.Since, err = c.base(ctx, r.Since); err != nil {
		return "", err
	}
	prepared, err := x.Prepare(ctx, s)
	if err != nil {
		return "", err
	}
	if plan.Bundle, err = json.Marshal(prepared); err != nil {
		return "", err
	}
	l, err := bundle.ReadList(prepared.List)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d files, %s", l.Files.Count, admin.Size(l.Files.Bytes)), c.recordExport(ctx, l)
}

// recordExport notes what another bundle may build on.
func (c *Carrier) recordExport(ctx context.Context, l *bundle.List) error {
	free, err := wait.Slot(ctx, c.importing)
	if err != nil {
		return err
	}
	defer free()
	return bundle.RecordExport(c.Cache.Catalog, l)
}

// writes is a file in memory.
type writes []byte

func (w *writes) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// base gives the snapshot that the other side has; none without a name.
func (c *Carrier) base(ctx context.Context, name string) (*bundle.Snapshot, error) {
	if name == "" {
		return nil, nil
	}
	s, err := c.Snapshots.Named(name)
	if err != nil {
		return nil, err
	}
	base, err := c.exported(ctx, s, false)
	if err == nil && !base.Complete {
		base.Complete, err = bundle.Exported(c.Cache.Catalog, base)
	}
	return &base, err
}

// exported gives a snapshot as bundles have it. Where several repositories serve
// the same suite of an archive, it is there once.
func (c *Carrier) exported(ctx context.Context, s catalog.Snapshot, sign bool) (bundle.Snapshot, error) {
	out := bundle.Snapshot{Name: s.Name, Series: s.Schedule, Created: s.Created, Complete: !s.Completed.IsZero()}
	seen := map[inforce.SuiteKey]bool{}
	for _, p := range s.Pins {
		suite, err := c.exportedSuite(ctx, s, p, sign)
		if err != nil {
			return out, fmt.Errorf("snapshot %s, suite %s of %s: %w", s.Name, p.Suite, p.Repository, err)
		}
		if k := (inforce.SuiteKey{Archive: suite.Source, Suite: suite.Suite}); !seen[k] {
			seen[k] = true
			out.Suites = append(out.Suites, suite)
		}
	}
	return out, nil
}

// exportedSuite gives one suite: of a mirrored one what its archive signed, of a
// built one what the site signs, anew, so that what is exported later is dated
// later.
func (c *Carrier) exportedSuite(ctx context.Context, s catalog.Snapshot, p catalog.Pin, sign bool) (bundle.Suite, error) {
	g, err := c.Cache.Catalog.Generation(p.Ref.Archive, p.Ref.Suite, p.Ref.Number)
	if err != nil {
		return bundle.Suite{}, err
	}
	if _, built := g.Builder(); !built {
		return bundle.Suite{Source: g.Archive, Suite: g.Suite, Generation: g, InRelease: g.InRelease, Release: g.Release, ReleaseGPG: g.ReleaseGPG}, nil
	}
	out := bundle.Suite{Source: p.Repository, Suite: p.Suite, Generation: g}
	if !sign {
		return out, nil
	}
	signed, err := c.signAnew(ctx, s, p)
	if err != nil {
		return out, err
	}
	out.Generation.Date = signed.Date
	out.InRelease, out.Release, out.ReleaseGPG = signed.InRelease, signed.Release, signed.ReleaseGPG
	return out, nil
}

// signAnew signs what a snapshot pins of a built suite once more, where the
// snapshot is served: that keeps the files from being removed.
func (c *Carrier) signAnew(ctx context.Context, s catalog.Snapshot, p catalog.Pin) (*catalog.Signed, error) {
	name := catalog.SnapshotRepository(p.Repository, s.Name)
	before, err := c.Cache.Catalog.PublicationOrNone(name, p.Suite)
	if err != nil {
		return nil, err
	}
	now, err := c.Builds.Move(ctx, catalog.Move{Repository: name, Suite: p.Suite, Expect: before.Current, Next: p.Ref, By: "export", Why: "export of snapshot " + s.Name})
	return now.Signed, err
}

// File gives a file of the store, for who writes what Export planned.
func (c *Carrier) File(_ context.Context, r admin.FileRequest) (io.ReadCloser, int64, error) {
	digest, err := blob.ParseDigest(r.SHA256)
	if err != nil {
		return nil, 0, &admin.Error{Text: err.Error(), Exit: admin.ExitUsage}
	}
	file, err := c.Cache.Blobs.Open(digest)
	if err != nil {
		return nil, 0, fmt.Errorf("reading a file of the store: %w", err)
	}
	return file, file.Info().Size, nil
}
