package intake

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"aptmirror/cache/blob"
	"aptmirror/cmd/aptmirror/daemon/inforce"
	"aptmirror/proxy"
	"aptmirror/resign/pool"
)

const (
	// waitForSet is how long the files of a set wait for the next one; then
	// they are given up.
	waitForSet = time.Hour
	// maxWaiting is how many files may wait, of all uploaders together, and
	// maxWaitingOfOne those of one: nobody keeps the others out.
	maxWaiting, maxWaitingOfOne = 2000, pool.MaxFiles
)

// uploads are the files of sets that clients have begun.
type uploads struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex            // guards waiting and what is in it
	waiting map[setKey][]*spooled // files of sets whose .changes has not come
	touched map[setKey]time.Time  // when the last one came
}

// setKey keeps uploaders apart: nobody completes a set of another.
type setKey struct{ uploader, pool string }

func newUploads(log *slog.Logger, now func() time.Time) *uploads {
	return &uploads{log: log, now: now, waiting: map[setKey][]*spooled{}, touched: map[setKey]time.Time{}}
}

// Upload adds a package that comes alone at once, and the files of a set when
// its .changes comes (proxy.Uploads).
func (i *Intake) Upload(ctx context.Context, f proxy.Upload) error {
	p := i.InForce().Pool(f.Pool)
	if p == nil {
		return &proxy.UploadError{Status: http.StatusNotFound, Text: "there is no pool " + f.Pool}
	}
	if !f.Set && !strings.HasSuffix(f.Name, ".deb") && !strings.HasSuffix(f.Name, ".udeb") {
		return &proxy.UploadError{Status: http.StatusUnprocessableEntity,
			Text: "only .deb and .udeb come alone; upload the files of a source package to /-/upload/" + f.Pool + "/set/FILE, the .changes last"}
	}
	i.uploads.expire()
	s, err := i.spool.take(ctx, f.By.Name, f.Name, f.Size, f.Body)
	if err != nil {
		return refusedBy(err)
	}
	key := setKey{f.By.Name, f.Pool}
	if f.Set && !strings.HasSuffix(f.Name, ".changes") {
		return i.uploads.wait(key, s)
	}
	if f.Set {
		return i.complete(ctx, key, p, s)
	}
	defer s.Close()
	_, err = i.addSpooled(ctx, p, f.By.Name, (*pool.Pool).Upload, []*spooled{s})
	return refusedBy(err)
}

// wait puts a file to those of its set, in place of an earlier one of its name.
func (u *uploads) wait(key setKey, s *spooled) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if files := u.drop(u.waiting[key], s.name); len(files) < len(u.waiting[key]) {
		u.waiting[key] = files
	}
	if all, own := u.count(key.uploader); all >= maxWaiting || own >= maxWaitingOfOne {
		s.Close()
		u.forgetEmpty(key)
		return errSpoolFull
	}
	u.waiting[key] = append(u.waiting[key], s)
	u.touched[key] = u.now()
	return nil
}

// count gives how many files wait, and how many of one uploader.
func (u *uploads) count(uploader string) (all, own int) {
	for key, files := range u.waiting {
		all += len(files)
		if key.uploader == uploader {
			own += len(files)
		}
	}
	return all, own
}

func (u *uploads) drop(files []*spooled, name string) []*spooled {
	return slices.DeleteFunc(files, func(f *spooled) bool {
		if f.name == name {
			f.Close()
		}
		return f.name == name
	})
}

// complete adds the files that a .changes lists, and gives them up where they are
// refused. Where one has not come, the others go on waiting for it and for the
// .changes to come again.
func (i *Intake) complete(ctx context.Context, key setKey, p *inforce.Pool, changes *spooled) error {
	defer changes.Close()
	listed, err := pool.Listed(pool.File{Name: changes.name, Size: changes.size, Body: changes})
	if err != nil {
		return refusedBy(err)
	}
	parts := i.uploads.takeOut(key, listed)
	_, err = i.addSpooled(ctx, p, key.uploader, (*pool.Pool).Upload, append([]*spooled{changes}, parts...))
	if no := (*pool.Error)(nil); errors.As(err, &no) && no.Reason == pool.Incomplete {
		for _, part := range parts {
			err = errors.Join(err, i.uploads.wait(key, part))
		}
		return refusedBy(err)
	}
	giveUp(parts)
	return refusedBy(err)
}

func (u *uploads) takeOut(key setKey, names []string) (parts []*spooled) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.waiting[key] = slices.DeleteFunc(u.waiting[key], func(f *spooled) bool {
		if slices.Contains(names, f.name) {
			parts = append(parts, f)
		}
		return slices.Contains(names, f.name)
	})
	u.forgetEmpty(key)
	return parts
}

func (u *uploads) forgetEmpty(key setKey) {
	if len(u.waiting[key]) == 0 {
		delete(u.waiting, key)
		delete(u.touched, key)
	}
}

// giveUpOthers gives up the sets for pools that f no longer has.
func (u *uploads) giveUpOthers(f *inforce.Parts) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, files := range u.waiting {
		if f.Pool(key.pool) == nil {
			giveUp(files)
			u.waiting[key] = nil
			u.forgetEmpty(key)
		}
	}
}

// expire gives up sets of which nothing has come for long.
func (u *uploads) expire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, at := range u.touched {
		if u.now().Sub(at) >= waitForSet {
			u.log.Warn("a set that was never completed is given up", "pool", key.pool, "by", key.uploader, "files", namesOf(u.waiting[key]))
			giveUp(u.waiting[key])
			u.waiting[key] = nil
			u.forgetEmpty(key)
		}
	}
}

// watch gives up old sets, and all of them when ctx ends.
func (u *uploads) watch(ctx context.Context) error {
	tick := time.NewTicker(waitForSet / 6)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			u.expire()
		case <-ctx.Done():
			return nil
		}
	}
}

// close gives up everything that waits.
func (u *uploads) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for key, files := range u.waiting {
		giveUp(files)
		u.waiting[key] = nil
		u.forgetEmpty(key)
	}
}

// statuses of refusals, which the uploader can mend.
var statuses = map[pool.Reason]int{
	pool.Malformed: http.StatusUnprocessableEntity, pool.Incomplete: http.StatusUnprocessableEntity,
	pool.Signature: http.StatusForbidden, pool.Reserved: http.StatusForbidden, pool.Conflict: http.StatusConflict,
	pool.Removed: http.StatusConflict, pool.Full: http.StatusInsufficientStorage,
}

// refusedBy turns what a pool says into what proxy tells the uploader; what is no
// fault of theirs stays as it is.
func refusedBy(err error) error {
	no := (*pool.Error)(nil)
	switch {
	case errors.As(err, &no):
		return &proxy.UploadError{Status: statuses[no.Reason], Text: no.Error()}
	case errors.Is(err, blob.ErrNoSpace):
		return &proxy.UploadError{Status: http.StatusInsufficientStorage, Text: "the mirror has no room for the file"}
	}
	return err
}
