package intake

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/resign/pool"
)

const (
	// lookInterval is how often a drop folder is looked at, which works where
	// notifications do not.
	lookInterval = 2 * time.Second
	// patience is how long what cannot be taken stays in a drop folder: it may be
	// half written. What can be taken is whole, and is taken as soon as nobody
	// has written to it for one look.
	patience = time.Minute
	// forgotten is how long files stay that only make sense with others, such as
	// those of a source package whose .dsc has not come.
	forgotten = time.Hour
	// maxDropped is how many files of a drop folder are looked at, the first by
	// name; the others have their turn when those are gone.
	maxDropped = 5000
	// rejectedDir is where files go that cannot be taken, below the folder.
	rejectedDir = "rejected"
)

// dropFolder is what is known of the folder from which a pool is filled.
type dropFolder struct {
	intake *Intake
	pool   *inforce.Pool
	dir    string
	seen   map[string]dropped
	tried  map[string]string // the state of a set when it was last tried, by its first file
	told   map[string]bool   // what was complained of at the last look, so as not to repeat it
	faults []string          // and at this one
}

// dropped is a file as it was at the last look.
type dropped struct {
	size    int64
	changed time.Time
	since   time.Time // when it was first seen so
	looks   int       // how often since
}

// Empty takes what comes in the drop folder of a pool until ctx ends.
func (i *Intake) Empty(ctx context.Context, p *inforce.Pool) { i.dropFolder(p).watch(ctx) }

func (i *Intake) dropFolder(p *inforce.Pool) *dropFolder {
	return &dropFolder{intake: i, pool: p, dir: p.Config.Incoming, seen: map[string]dropped{}, tried: map[string]string{}, told: map[string]bool{}}
}

// watch takes what comes until ctx ends.
func (f *dropFolder) watch(ctx context.Context) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look takes or rejects what has come to rest.
func (f *dropFolder) look(ctx context.Context) {
	f.faults = nil
	if root, err := os.OpenRoot(f.dir); err != nil {
		f.complain(err)
	} else {
		f.lookInto(ctx, root)
		root.Close()
	}
	f.told = map[string]bool{}
	for _, fault := range f.faults {
		f.told[fault] = true
	}
}

func (f *dropFolder) lookInto(ctx context.Context, root *os.Root) {
	if err := f.notice(root); err != nil {
		f.complain(err)
		return
	}
	for _, set := range f.sets(root) {
		if ctx.Err() != nil {
			return
		}
		f.try(ctx, root, set)
	}
}

// complain tells of a fault when it is new.
func (f *dropFolder) complain(err error) {
	f.faults = append(f.faults, err.Error())
	if !f.told[err.Error()] {
		f.intake.Log.Error("taking files from a drop folder failed", "pool", f.pool.Name, "folder", f.dir, "error", err)
	}
}

// notice compares the files with those of the last look. Hidden files and those
// that are no plain files are none of ours.
func (f *dropFolder) notice(root *os.Root) error {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	now, before := f.intake.Now(), f.seen
	f.seen = map[string]dropped{}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasPrefix(e.Name(), ".") || len(f.seen) >= maxDropped {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it went away
		}
		d := dropped{size: info.Size(), changed: info.ModTime(), since: now}
		if b := before[e.Name()]; b.size == d.size && b.changed.Equal(d.changed) {
			d.since, d.looks = b.since, b.looks+1
		}
		f.seen[e.Name()] = d
	}
	for name := range f.tried {
		if _, there := f.seen[name]; !there {
			delete(f.tried, name)
		}
	}
	return nil
}

// sets are files that belong together and have come to rest, the one that names
// the others first. A file that none names and that is no package stands alone.
func (f *dropFolder) sets(root *os.Root) (sets [][]string) {
	taken := map[string]bool{}
	for _, suffix := range []string{".changes", ".dsc", ".udeb", ".deb", ""} {
		for _, name := range f.names() {
			if taken[name] || !strings.HasSuffix(name, suffix) {
				continue
			}
			set := []string{name}
			for _, other := range f.listed(root, name) {
				if _, there := f.seen[other]; there && !taken[other] && other != name {
					set = append(set, other)
				}
			}
			for _, member := range set {
				taken[member] = true
			}
			if f.atRest(set) {
				sets = append(sets, set)
			}
		}
	}
	return sets
}

func (f *dropFolder) names() (names []string) {
	for name := range f.seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// listed are the files that a .changes or .dsc names, none where it cannot be
// read (yet).
func (f *dropFolder) listed(root *os.Root, name string) []string {
	if !strings.HasSuffix(name, ".changes") && !strings.HasSuffix(name, ".dsc") {
		return nil
	}
	file, err := openPlain(root, name)
	if err != nil {
		return nil
	}
	defer file.Close()
	names, _ := pool.Listed(pool.File{Name: name, Size: f.seen[name].size, Body: file}) // what is wrong with it, adding it tells
	return names
}

func (f *dropFolder) atRest(set []string) bool {
	return !slices.ContainsFunc(set, func(name string) bool { return f.seen[name].looks == 0 })
}

// since is when the last of the files came to rest.
func (f *dropFolder) since(set []string) (last time.Time) {
	for _, name := range set {
		if s := f.seen[name].since; s.After(last) {
			last = s
		}
	}
	return last
}
