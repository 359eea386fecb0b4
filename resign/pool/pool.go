// Package pool keeps the site's own packages: binary ones, .deb and .udeb, and source packages, a .dsc with its files.
//
// Files are added as a set, all or none: each package is read to its end (package deb), what a .changes or .dsc lists is
// there with the digests that they say, and where the pool asks for signatures, every package is vouched for by an
// uploader's key: by the .changes that lists it, by its own .dsc, or by debsigs(1) within the package. A set that is in
// the pool already is nothing new; other bytes for the same name, version and architecture are refused.
//
// A file lies where Debian's archive would have it, COMPONENT/PREFIX/SOURCE/FILE, under the name that its content gives
// it, whatever it was called when it came. Several versions lie side by side. What was removed does not come back by
// itself, nor do other bytes for it.
//
// The package decides nothing about what clients see: that is the business of built repositories. It fetches nothing and
// reads no folder. No byte gets into the store before the whole set was accepted.
package pool

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"aptmirror/cache"
	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/upstream/pgp"
)

const (
	// MaxFiles is the number of files of a set above which it is refused.
	MaxFiles = 500
	// DefaultComponent is where packages lie whose section names no component.
	DefaultComponent = "main"
)

// Config is what makes a pool.
type Config struct {
	Name string
	// Component is for packages whose section names none; "" is DefaultComponent.
	Component string
	// Uploaders are the keys of which one must vouch for each package; nil asks for no signature.
	Uploaders *pgp.Keyring
	// MaxSize is how many bytes the pool may take up, and MaxSizeEach how many of them may have been uploaded by one
	// identity, both as catalog.PoolUse counts them; 0 is no limit.
	MaxSize, MaxSizeEach int64
	// Guard says why a file may not be in this pool, such as a name that another has reserved, or a
	// *catalog.PoolConflictError with another pool. Nil lets everything in.
	Guard func(catalog.PoolFile, Claims) error
	Cache *cache.Cache
	// Adding is held from looking what there is until a set is added. Pools of one name share it, and those of which the
	// Guard looks at others; nil is one of its own.
	Adding *sync.Mutex
	// Now is the clock; nil is the system's.
	Now func() time.Time
}

// Claims are what a binary package says that it is for machines, beside its name.
type Claims struct {
	Provides  []string // names, without versions
	Essential bool
}

// Pool is one pool. Its methods may be called from many goroutines.
type Pool struct {
	Config
	maxStanzas int64 // maxStanzas, smaller in tests
	maxHeld    int64 // maxHeld, likewise
}

// New makes a pool of what the catalog has under its name. The configuration must not change afterwards.
func New(c Config) *Pool {
	if c.Component == "" {
		c.Component = DefaultComponent
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Adding == nil {
		c.Adding = new(sync.Mutex)
	}
	return &Pool{Config: c, maxStanzas: maxStanzas, maxHeld: maxHeld}
}

// File is a file that is offered. Its bytes must not change while it is.
type File struct {
	Name string // without a folder
	Size int64  // bytes
	Body io.ReaderAt
}

func (f File) reader() io.Reader { return io.NewSectionReader(f.Body, 0, f.Size) }

// Added is what became of a set.
type Added struct {
	New   []catalog.PoolFile
	Known []catalog.PoolFile // as the pool had them already
}

// Add adds files, all or none; by says for the record who brought them. What the one who brought them can mend is an
// *Error.
func (p *Pool) Add(ctx context.Context, by string, files ...File) (Added, error) {
	return p.add(ctx, terms{by: by}, files)
}

// Upload is Add for an identity, which may bring no more than MaxSizeEach.
func (p *Pool) Upload(ctx context.Context, by string, files ...File) (Added, error) {
	return p.add(ctx, terms{by: by, most: p.MaxSizeEach}, files)
}

// AddAgain is Add for an administrator: it also takes what was removed from the pool, and other bytes for that.
func (p *Pool) AddAgain(ctx context.Context, by string, files ...File) (Added, error) {
	return p.add(ctx, terms{by: by, again: true}, files)
}

// terms are those on which files are taken.
type terms struct {
	by    string
	most  int64 // bytes in the pool that by may have brought; 0 is no limit
	again bool  // also what was removed
}

func (p *Pool) add(ctx context.Context, t terms, files []File) (Added, error) {
	offers, err := p.examine(ctx, files, allowed(files))
	if err != nil {
		return Added{}, fmt.Errorf("adding to pool %s: %w", p.Name, err)
	}
	now := p.Now().UTC().Truncate(time.Second)
	for i := range offers {
		offers[i].Pool, offers[i].By, offers[i].Added = p.Name, t.by, now
		offers[i].StanzaSize, offers[i].PathsSize = int64(len(offers[i].stanza)), int64(len(offers[i].paths))
	}
	p.Adding.Lock()
	defer p.Adding.Unlock()
	added, fresh, err := p.compare(ctx, t, offers)
	if err == nil && len(fresh) > 0 {
		err = p.keep(ctx, fresh, now)
	}
	if err != nil {
		return Added{}, fmt.Errorf("adding to pool %s: %w", p.Name, err)
	}
	return added, nil
}

// offer is a file that was examined.
type offer struct {
	catalog.PoolFile
	file   File
	claims Claims
	stanza []byte // of which Stanza is the digest
	paths  []byte // of which Paths is the digest; nil without one
}

// size is what it takes up in the store, in bytes.
func (o offer) size() int64 { return o.Size + o.StanzaSize + o.PathsSize }

// compare parts what the pool has from what is new to it. The second result has the new ones.
func (p *Pool) compare(ctx context.Context, t terms, offers []offer) (added Added, fresh []offer, err error) {
	use, err := p.Cache.Catalog.PoolUse(ctx, p.Name)
	if err != nil {
		return Added{}, nil, err
	}
	for _, o := range offers {
		have, err := p.alike(ctx, o.PoolFile)
		if err != nil {
			return Added{}, nil, err
		}
		same, known, err := lookUp(append(have, added.New...), o.PoolFile)
		if err != nil {
			return Added{}, nil, &Error{Conflict, o.file.Name, err}
		}
		if known {
			added.Known = append(added.Known, same)
			continue
		}
		if err := p.checkNew(ctx, t.again, o); err != nil {
			return Added{}, nil, err
		}
		if err := checkBreadth(use, o.PoolFile); err != nil {
			return Added{}, nil, &Error{Malformed, o.file.Name, err}
		}
		use.Components[o.Component]++
		use.Architectures[o.Architecture]++
		added.New, fresh = append(added.New, o.PoolFile), append(fresh, o)
	}
	return added, fresh, p.checkSizes(use, t, fresh)
}

// checkNew keeps out what the pool has not and may not have; without again, that is also what was removed.
func (p *Pool) checkNew(ctx context.Context, again bool, o offer) error {
	if !again {
		if err := p.checkRemoved(ctx, o); err != nil {
			return err
		}
	}
	if p.Guard == nil {
		return nil
	}
	if err := p.Guard(o.PoolFile, o.claims); err != nil {
		return &Error{guarded(err), o.file.Name, err}
	}
	return nil
}

// checkRemoved keeps what was removed from coming back: machines that have it would see other bytes under its version,
// and whoever kept a signed .changes could bring back a version that was taken away for its faults. Of source packages
// the same parts may come with a new version.
func (p *Pool) checkRemoved(ctx context.Context, o offer) error {
	gone, err := p.Cache.Catalog.RemovedPoolFiles(ctx, p.Name, o.Package)
	if err != nil {
		return err
	}
	for _, g := range gone {
		_, same, conflict := lookUp([]catalog.PoolFile{g.PoolFile}, o.PoolFile)
		what := fmt.Sprintf("%s, which was removed from pool %s on %s by %s", path.Base(g.Path), p.Name, g.Removed.Format(time.RFC3339), g.RemovedBy)
		switch {
		case conflict != nil:
			return refuse(Removed, o.file.Name, "has other bytes than %s: build a new version. "+onlyAgain, what, p.Name)
		case same && o.Kind != catalog.PoolSourceFile:
			return refuse(Removed, o.file.Name, "is %s. "+onlyAgain, what, p.Name)
		}
	}
	return nil
}

const onlyAgain = "If it shall be so, an administrator can add it with: aptmirror package add --again %s FILE"

// guarded is the reason why a guard refuses.
func guarded(err error) Reason {
	if conflict := (*catalog.PoolConflictError)(nil); errors.As(err, &conflict) {
		return Conflict
	}
	return Reserved
}

// keep stores files and then says that they are there.
func (p *Pool) keep(ctx context.Context, fresh []offer, now time.Time) error {
	var digests []blob.Digest
	var rows []catalog.PoolFile
	size := int64(0)
	for _, o := range fresh {
		digests, rows = append(digests, o.Digest), append(rows, o.PoolFile)
		size += o.size()
		if o.stanza != nil {
			digests = append(digests, o.Stanza)
		}
		if o.paths != nil {
			digests = append(digests, o.Paths)
		}
	}
	defer p.Cache.Hold(digests...)()
	release, err := p.Cache.Reserve(ctx, size, true)
	if err != nil {
		return err
	}
	defer release()
	for _, o := range fresh {
		if err := p.store(ctx, o, now); err != nil {
			return fmt.Errorf("storing %s: %w", o.file.Name, err)
		}
	}
	return p.Cache.Catalog.AddPoolFiles(ctx, p.Name, rows)
}

func (p *Pool) store(ctx context.Context, o offer, now time.Time) error {
	for _, text := range [][]byte{o.stanza, o.paths} {
		if text == nil {
			continue
		}
		if _, err := p.Cache.Blobs.Put(ctx, text, now); err != nil {
			return err
		}
	}
	if _, err := p.Cache.Blobs.Stat(o.Digest); err == nil {
		return nil
	}
	w, err := p.Cache.Blobs.Create(ctx, o.Digest, o.Size, now)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, o.file.reader()); err != nil {
		w.Abort(err)
		return err
	}
	_, err = w.Commit()
	return err
}

// List gives the pool's files in the order of their paths.
func (p *Pool) List(ctx context.Context) ([]catalog.PoolFile, error) {
	return p.Cache.Catalog.PoolFiles(ctx, p.Name)
}

// digest reads a file once for its digest.
func (f File) digest(ctx context.Context) (d blob.Digest, err error) {
	h := sha256.New()
	if _, err := io.Copy(h, untilDone{ctx, f.reader()}); err != nil {
		return d, fmt.Errorf("reading %s: %w", f.Name, err)
	}
	return blob.Digest(h.Sum(nil)), nil
}

// untilDone reads until ctx ends.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (r untilDone) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
