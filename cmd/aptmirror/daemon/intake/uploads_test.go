package intake

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/identity"
	"aptmirror/resign/deb"
	"aptmirror/resign/pool"
)

// upload is a file to come.
type upload struct {
	name string
	data []byte
}

// newDeb makes a package with further lines in its control file.
func newDeb(t *testing.T, name, version string, lines ...string) upload {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Tester <tester@mirror.example.org>\nDescription: for tests\n", name, version)
	for _, line := range lines {
		control += line + "\n"
	}
	p := deb.Package{Control: []byte(control), Time: time.Unix(1_700_000_000, 0), Files: []deb.File{{Path: "usr/share/doc/x", Mode: 0o644, Data: []byte(name)}}}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		t.Fatal(err)
	}
	return upload{name + "_" + version + "_all.deb", out.Bytes()}
}

func newChanges(name string, files ...upload) upload {
	sums, list := "Checksums-Sha256:\n", "Files:\n"
	for _, f := range files {
		sums += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(f.data), len(f.data), f.name)
		list += fmt.Sprintf(" %x %d misc optional %s\n", md5.Sum(f.data), len(f.data), f.name)
	}
	return upload{name, []byte("Format: 1.8\nSource: x\n" + sums + list)}
}

// sends uploads as somebody; set is for all but single packages.
func (d *site) sends(t *testing.T, by, pool string, set bool, f upload) (status int) {
	t.Helper()
	err := d.Upload(t.Context(), proxy.Upload{By: identity.Identity{Name: by}, Pool: pool, Name: f.name, Set: set, Size: int64(len(f.data)), Body: bytes.NewReader(f.data)})
	refused := (*proxy.UploadError)(nil)
	switch {
	case err == nil:
		return http.StatusCreated
	case errors.As(err, &refused):
		if refused.Text == "" || strings.Contains(refused.Text, "\n") {
			t.Errorf("%s is told %q", f.name, refused.Text)
		}
		return refused.Status
	}
	t.Fatalf("%s: %v", f.name, err)
	return 0
}

func (d *site) poolHas(t *testing.T, pool string) (packages []string) {
	t.Helper()
	list, err := d.Packages(t.Context(), admin.PackagesRequest{Pool: pool})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list.Files {
		packages = append(packages, f.Package+" "+f.Version+" by "+f.By)
	}
	return packages
}

// nothingHeld wants neither files nor room nor bytes to be left behind.
func (d *site) nothingHeld(t *testing.T) {
	t.Helper()
	space, err := d.Cache.Space(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(d.spool.dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if d.spool.held != 0 || len(d.spool.of) != 0 || space.Reserved != 0 || len(entries) != 0 || len(d.uploads.waiting) != 0 || len(d.uploads.touched) != 0 {
		t.Errorf("%d bytes spooled, %d reserved, %d files, %d sets waiting", d.spool.held, space.Reserved, len(entries), len(d.uploads.waiting))
	}
}

func TestUploads(t *testing.T) {
	d := poolSite(t, nil)
	hello, big := newDeb(t, "hello", "1"), upload{"big.deb", bytes.Repeat([]byte("x"), 1<<20)}
	for _, c := range []struct {
		name string
		pool string
		set  bool
		file upload
		want int
	}{
		{"a package", "internal", false, hello, http.StatusCreated},
		{"the same again", "internal", false, hello, http.StatusCreated},
		{"other bytes", "internal", false, upload{hello.name, newDeb(t, "hello", "1").data[:0]}, http.StatusUnprocessableEntity},
		{"no package", "internal", false, big, http.StatusUnprocessableEntity},
		{"unsigned", "strict", false, hello, http.StatusForbidden},
		{"a reserved name", "strict", false, newDeb(t, "corp-x", "1"), http.StatusForbidden},
		{"no such pool", "nowhere", false, hello, http.StatusNotFound},
		{"a .dsc alone", "internal", false, upload{"x.dsc", []byte("x")}, http.StatusUnprocessableEntity},
		{"a .changes alone", "internal", false, newChanges("x.changes", hello), http.StatusUnprocessableEntity},
		{"a .changes without its files", "internal", true, newChanges("x.changes", newDeb(t, "other", "1")), http.StatusUnprocessableEntity},
		{"a .changes of what the pool has", "internal", true, newChanges("x.changes", hello), http.StatusCreated},
		{"a .changes that is none", "internal", true, upload{"x.changes", []byte("hello")}, http.StatusUnprocessableEntity},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := d.sends(t, "dns:a", c.pool, c.set, c.file); got != c.want {
				t.Errorf("status %d, want %d", got, c.want)
			}
			d.nothingHeld(t)
		})
	}
	if got := d.poolHas(t, ""); !slices.Equal(got, []string{"hello 1 by dns:a"}) {
		t.Errorf("the pools have %q", got)
	}
	if !slices.Equal(d.changed, []string{"internal"}) {
		t.Errorf("changes are told of %q", d.changed)
	}
}

func TestFullPools(t *testing.T) {
	d := poolSite(t, func(c *config.Config) {
		c.Pools[0].MaxSizeEach = 1
		c.Pools[1] = config.Pool{Name: "small", Component: "main", MaxSize: 1}
	})
	for _, pool := range []string{"internal", "small"} {
		if got := d.sends(t, "dns:a", pool, false, newDeb(t, "hello", "1")); got != http.StatusInsufficientStorage {
			t.Errorf("an upload to pool %s: status %d", pool, got)
		}
	}
	changes := newChanges("x.changes", newDeb(t, "hello", "1"))
	d.sends(t, "dns:a", "internal", true, newDeb(t, "hello", "1"))
	if got := d.sends(t, "dns:a", "internal", true, changes); got != http.StatusInsufficientStorage {
		t.Errorf("a set: status %d", got)
	}
	d.nothingHeld(t)
	for pool, want := range map[string]int{"internal": 1, "small": 0} {
		hello := newDeb(t, "hello", "1")
		_, err := d.AddPackages(t.Context(), admin.Caller{}, admin.AddPackagesRequest{Pool: pool, Files: []admin.Attachment{{Name: hello.name, Size: int64(len(hello.data))}}}, bytes.NewReader(hello.data))
		if got := d.poolHas(t, pool); len(got) != want || (err == nil) != (want == 1) {
			t.Errorf("an administrator has added %q to pool %s: %v", got, pool, err)
		}
	}
}

func TestWhatAPackageClaimsIsGuarded(t *testing.T) {
	d := poolSite(t, func(c *config.Config) {
		c.Pools = append(c.Pools, config.Pool{Name: "lab", Component: "main", Shadows: []string{"init*"}})
	})
	for _, c := range []struct {
		file upload
		want string // "" for taken
	}{
		{newDeb(t, "lab-app", "1", "Provides: mail-api, lab-api (= 2)", "Essential: no"), ""},
		{newDeb(t, "lab-fake", "1", "Provides: lab-api, corp-tool (= 99)"), "it provides a name of others, and corp-tool is reserved for pool internal"},
		{newDeb(t, "lab-all", "1", "Essential: yes"), "name it in shadows of pool lab"},
		{newDeb(t, "lab-maybe", "1", "Essential: 1"), "neither yes nor no"},
		{newDeb(t, "init-lab", "1", "Essential: Yes"), ""},
	} {
		_, err := d.InForce().Pool("lab").Pool.Add(t.Context(), "uid 0", pool.File{Name: c.file.name, Size: int64(len(c.file.data)), Body: bytes.NewReader(c.file.data)})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.file.name, err, c.want)
		}
	}
}

func TestConflictingUploads(t *testing.T) {
	d := poolSite(t, nil)
	one := newDeb(t, "hello", "1")
	p := deb.Package{Control: []byte("Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: Other <other@mirror.example.org>\n"), Time: time.Unix(1_700_000_000, 0)}
	var other bytes.Buffer
	if err := p.Write(&other); err != nil {
		t.Fatal(err)
	}
	if a, b := d.sends(t, "dns:a", "internal", false, one), d.sends(t, "dns:b", "internal", false, upload{one.name, other.Bytes()}); a != http.StatusCreated || b != http.StatusConflict {
		t.Errorf("statuses %d and %d", a, b)
	}
}

// Two pools of one suite have no two files for one version: the suite could not
// be built. Pools that never meet may.
func TestPoolsOfOneSuiteAgree(t *testing.T) {
	pools := []config.Source{{Kind: config.FromPool, Name: "internal"}, {Kind: config.FromPool, Name: "other"}}
	for _, test := range []struct {
		from []config.Source
		want int
	}{{pools, http.StatusConflict}, {pools[:1], http.StatusCreated}} {
		d := poolSite(t, func(c *config.Config) { c.Pools = append(c.Pools, config.Pool{Name: "other", Component: "main"}) })
		d.InForce().Config.Repositories = append(d.InForce().Config.Repositories, config.Repository{Name: "site", Suites: []config.Suite{{Name: "stable", From: test.from}}})
		p := deb.Package{Control: []byte("Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: Other <other@mirror.example.org>\n"), Time: time.Unix(1_700_000_000, 0)}
		var other bytes.Buffer
		if err := p.Write(&other); err != nil {
			t.Fatal(err)
		}
		d.sends(t, "dns:a", "other", false, newDeb(t, "before", "1"))
		d.sends(t, "dns:a", "internal", false, newDeb(t, "hello", "1"))
		if got := d.sends(t, "dns:a", "other", false, upload{"hello.deb", other.Bytes()}); got != test.want {
			t.Errorf("%v: status %d, want %d", test.from, got, test.want)
		}
	}
}

func TestSetsAreAddedWhenTheirChangesCome(t *testing.T) {
	d := poolSite(t, nil)
	one, two := newDeb(t, "one", "1"), newDeb(t, "two", "1")
	changes := newChanges("x.changes", one, two)
	steps := []struct {
		by   string
		file upload
		want int
		has  int
	}{
		{"dns:a", upload{one.name, []byte("an earlier attempt")}, http.StatusCreated, 0},
		{"dns:a", one, http.StatusCreated, 0},
		{"dns:b", two, http.StatusCreated, 0}, // of another uploader
		{"dns:a", changes, http.StatusUnprocessableEntity, 0},
		{"dns:a", two, http.StatusCreated, 0},
		{"dns:a", changes, http.StatusCreated, 2},
	}
	for i, s := range steps {
		if got := d.sends(t, s.by, "internal", true, s.file); got != s.want {
			t.Errorf("step %d: status %d, want %d", i, got, s.want)
		}
		if got := d.poolHas(t, "internal"); len(got) != s.has {
			t.Errorf("step %d: the pool has %q", i, got)
		}
	}
	if len(d.uploads.waiting) != 1 { // that of dns:b
		t.Errorf("waiting: %v", d.uploads.waiting)
	}
	d.uploads.close()
	d.nothingHeld(t)
}

func TestASetWithOneBadFileIsRefusedWhole(t *testing.T) {
	d := poolSite(t, nil)
	good, bad := newDeb(t, "good", "1"), upload{"bad.deb", []byte("no package")}
	for _, f := range []upload{good, bad} {
		if got := d.sends(t, "dns:a", "internal", true, f); got != http.StatusCreated {
			t.Errorf("status %d", got)
		}
	}
	if got := d.sends(t, "dns:a", "internal", true, newChanges("x.changes", good, bad)); got != http.StatusUnprocessableEntity {
		t.Errorf("status %d", got)
	}
	if got := d.poolHas(t, ""); len(got) > 0 {
		t.Errorf("the pools have %q", got)
	}
	d.nothingHeld(t)
}

func TestSetsThatAreNeverCompletedAreGivenUp(t *testing.T) {
	d := poolSite(t, nil)
	one := newDeb(t, "one", "1")
	d.sends(t, "dns:a", "internal", true, one)
	d.now = d.now.Add(waitForSet - time.Second)
	d.uploads.expire()
	if len(d.uploads.waiting) != 1 {
		t.Error("given up too early")
	}
	d.now = d.now.Add(time.Second)
	d.uploads.expire()
	d.nothingHeld(t)
}

func TestUploadsThatBreakOff(t *testing.T) {
	d := poolSite(t, nil)
	one := newDeb(t, "one", "1")
	for name, body := range map[string]io.Reader{
		"short": bytes.NewReader(one.data[:100]), "broken": io.MultiReader(bytes.NewReader(one.data[:100]), iotest.ErrReader(io.ErrClosedPipe)),
	} {
		err := d.Upload(t.Context(), proxy.Upload{Pool: "internal", Name: one.name, Size: int64(len(one.data)), Body: body})
		if refused := (*proxy.UploadError)(nil); err == nil || errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
		d.nothingHeld(t)
	}
}

// However many come at once, few are unpacked.
func TestUploadsAreExaminedInTurn(t *testing.T) {
	d := poolSite(t, nil)
	for range examinedAtOnce {
		d.examining <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	one := newDeb(t, "one", "1")
	send := func(ctx context.Context) error {
		return d.Upload(ctx, proxy.Upload{Pool: "internal", Name: one.name, Size: int64(len(one.data)), Body: bytes.NewReader(one.data)})
	}
	if err := send(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while others are examined: %v", err)
	}
	d.nothingHeld(t)
	<-d.examining
	if err := send(t.Context()); err != nil || len(d.examining) != examinedAtOnce-1 {
		t.Errorf("got %v, and %d are examined", err, len(d.examining))
	}
}

func TestPoolsOfADaemonTakeTurns(t *testing.T) {
	d := poolSite(t, nil)
	for name, p := range d.InForce().Pools {
		if p.Adding != &d.adding {
			t.Errorf("pool %v adds when it likes", name)
		}
	}
}

// Somebody with many packages leaves room to others.
func TestUploadersAreExaminedOneAtATime(t *testing.T) {
	d := poolSite(t, nil)
	busy, err := d.uploaders.Take(t.Context(), "dns:busy.example.org")
	if err != nil {
		t.Fatal(err)
	}
	send := func(ctx context.Context, by string) error {
		one := newDeb(t, "one", "1")
		return d.Upload(ctx, proxy.Upload{By: identity.Identity{Name: by}, Pool: "internal", Name: one.name, Size: int64(len(one.data)), Body: bytes.NewReader(one.data)})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := send(ctx, "dns:busy.example.org"); !errors.Is(err, context.DeadlineExceeded) || len(d.examining) > 0 {
		t.Errorf("a second of one uploader: %v, %d are examined", err, len(d.examining))
	}
	if err := send(t.Context(), "dns:other.example.org"); err != nil {
		t.Errorf("another uploader: %v", err)
	}
	busy()
	if err := send(t.Context(), "dns:busy.example.org"); err != nil {
		t.Errorf("got %v", err)
	}
}

// What waits of one uploader keeps no other out, and each file counts once.
func TestNobodyTakesAllTheRoom(t *testing.T) {
	d := poolSite(t, nil)
	send := func(by, name string, size int64) error {
		return d.Upload(t.Context(), proxy.Upload{By: identity.Identity{Name: by}, Pool: "internal", Name: name, Set: true, Size: size, Body: strings.NewReader("x")})
	}
	for n := range maxWaitingOfOne {
		if err := send("dns:a", fmt.Sprintf("%d.deb", n), 1); err != nil {
			t.Fatal(n, err)
		}
	}
	if err := send("dns:a", "more.deb", 1); !errors.Is(err, errSpoolFull) {
		t.Errorf("one more file: %v", err)
	}
	if err := send("dns:a", "0.deb", 1); err != nil {
		t.Errorf("one again: %v", err)
	}
	if err := send("dns:b", "0.deb", 1); err != nil {
		t.Errorf("of another: %v", err)
	}
	d.uploads.close()
	d.nothingHeld(t)
	if err := d.spool.enter("dns:a", maxSpooledOfOne); err != nil {
		t.Fatal(err)
	}
	if err := send("dns:a", "more.deb", 1); !errors.Is(err, errSpoolFull) {
		t.Errorf("one more byte: %v", err)
	}
	if err := send("dns:b", "0.deb", 1); err != nil {
		t.Errorf("of another: %v", err)
	}
	d.uploads.close()
	d.spool.leave("dns:a", maxSpooledOfOne)
	d.nothingHeld(t)
}

func TestTooMuchAtOnce(t *testing.T) {
	d := poolSite(t, nil)
	d.spool.held = maxSpooled
	err := d.Upload(t.Context(), proxy.Upload{Pool: "internal", Name: "x.deb", Size: 1, Body: strings.NewReader("x")})
	if !errors.Is(err, errSpoolFull) {
		t.Errorf("got %v", err)
	}
	d.spool.held = 0
	small := poolSite(t, func(c *config.Config) { c.Cache.MaxSize = 1000 })
	if got := small.sends(t, "dns:a", "internal", false, upload{"x.deb", make([]byte, 2000)}); got != http.StatusInsufficientStorage {
		t.Errorf("status %d where there is no room", got)
	}
	small.nothingHeld(t)
}
