package daemon

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/proxy/admin"
	"aptmirror/resign/deb"
	"aptmirror/upstream/upstreamtest"
)

// configure changes the configuration file.
func (s *serving) configure(change func(*config.Config)) {
	s.t.Helper()
	c, err := config.Load(s.c.Path)
	if err != nil {
		s.t.Fatal(err)
	}
	change(c)
	if err := os.WriteFile(c.Path, config.Format(c), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// answer gives the status line and the body for a path.
func (s *serving) answer(c *http.Client, name string) (status, body string) {
	s.t.Helper()
	resp, err := c.Get("https://" + s.address + name)
	if err != nil {
		return err.Error(), ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error(), ""
	}
	return resp.Status, string(text)
}

func (s *serving) wants(c *http.Client, name, status string) {
	s.t.Helper()
	if got, _ := s.answer(c, name); !strings.HasPrefix(got, status) {
		s.t.Errorf("%s: %q, want %q", name, got, status)
	}
}

// archiveTable is one as newSite makes it.
func archiveTable(name string, a *upstreamtest.Archive, suites ...string) config.Archive {
	return config.Archive{
		Name: name, URIs: []string{a.URL()}, Suites: suites, Components: []string{"main"}, Architectures: []string{a.Arch},
		SignedBy: []string{a.KeyringFile()}, Refresh: config.DefaultRefresh, Download: config.OnDemand,
	}
}

// another adds an archive, its repository, a pool and what is built from both.
func another(a *upstreamtest.Archive, incoming string) func(*config.Config) {
	return func(c *config.Config) {
		c.Archives = append(c.Archives, archiveTable("second", a, "stable"))
		c.Pools = append(c.Pools, config.Pool{Name: "internal", Component: "main", Incoming: incoming})
		from := []config.Source{{Kind: config.FromArchive, Name: "second", Suite: "stable"}, {Kind: config.FromPool, Name: "internal"}}
		c.Repositories = append(c.Repositories, config.Repository{Name: "second", Archive: "second"}, config.Repository{
			Name: "site", SignWith: []string{filepath.Join(filepath.Dir(c.Path), "keys", "site.asc")}, Origin: "site", Label: "site",
			ValidFor: config.DefaultValidFor, Suites: []config.Suite{{Name: "stable", From: from}},
		})
	}
}

func (s *serving) suites() (names []string) {
	s.t.Helper()
	status, err := s.d.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, x := range status.Suites {
		names = append(names, x.Repository+"/"+x.Suite)
	}
	return names
}

// What is configured is served, shown and counted from the reload on, and what
// is not configured any more is not; connections stay.
func TestReloadTakesUpWhatComesAndGoes(t *testing.T) {
	s := serve(t)
	browser, before := s.http(), must(os.ReadFile(s.c.Path))(t)
	conn := s.connect()
	conn.get()
	incoming := t.TempDir()
	s.configure(another(published(t), incoming))
	if a := s.reload(); len(a.Restart) > 0 {
		t.Errorf("a restart for %v", a.Restart)
	}
	if got := conn.get(); got != "200 OK" {
		t.Errorf("the connection that is open: %s", got)
	}
	hello := deb.Package{Control: []byte("Package: hello\nVersion: 9\nArchitecture: all\nMaintainer: Tester <tester@mirror.example.org>\n"), Time: time.Unix(1_700_000_000, 0)}
	var data bytes.Buffer
	if err := hello.Write(&data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(incoming, "hello.deb"), data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	s.until("the drop folder is emptied", func() bool { return len(must(os.ReadDir(incoming))(t)) == 0 })
	if _, err := s.d.Sync(t.Context(), me, admin.SyncRequest{}, nobody); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"debian", "second", "site"} {
		s.wants(browser, "/"+name+"/dists/stable/InRelease", "200")
	}
	if got := s.suites(); !slices.Equal(got, []string{"debian/stable", "second/stable", "site/stable"}) {
		t.Errorf("status has %v", got)
	}
	_, metrics := shown(t, s.d, "/metrics")
	wantMetric(t, metrics, `aptmirror_upstream_fetches_total{archive="second",outcome="failed"} 0`)
	wantMetric(t, metrics, `aptmirror_upstream_refusals_total{archive="second",reason="rollback",suite="stable"} 0`)

	if err := os.WriteFile(s.c.Path, before, 0o644); err != nil {
		t.Fatal(err)
	}
	s.reload()
	s.wants(browser, "/debian/dists/stable/InRelease", "200")
	for _, name := range []string{"second", "site"} {
		s.wants(browser, "/"+name+"/dists/stable/InRelease", `404 this mirror has no repository "`+name+`", it has debian`)
	}
	if got := s.suites(); !slices.Equal(got, []string{"debian/stable"}) {
		t.Errorf("afterwards status has %v", got)
	}
	_, metrics = shown(t, s.d, "/metrics")
	_, page := shown(t, s.d, "/status")
	page = strings.ReplaceAll(page, `sync <span class="names">second</span>`, "") // jobs stay on record
	for _, gone := range []string{"second", "site/stable"} {
		if strings.Contains(page, gone) {
			t.Errorf("the page still has %s", gone)
		}
	}
	for _, gone := range []string{`archive="second"`, `repository="second"`, `repository="site"`} {
		if strings.Contains(metrics, gone) {
			t.Errorf("there are still metrics of %s", gone)
		}
	}
	if _, err := s.d.Sync(t.Context(), me, admin.SyncRequest{Archives: []string{"second"}}, nobody); exit(err) != admin.ExitUsage {
		t.Errorf("sync of what is gone: %v", err)
	}
	if _, err := s.d.Packages(t.Context(), admin.PackagesRequest{Pool: "internal"}); exit(err) != admin.ExitUsage {
		t.Errorf("a pool that is gone: %v", err)
	}
}

func (s *serving) until(what string, done func() bool) {
	s.t.Helper()
	until(s.t, what, done)
}

// until waits for what happens in the background.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	const patience = 2 * time.Minute
	for begun := time.Now(); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > patience {
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// What is here already is served at once, without another look at a mirror.
func TestANewRepositoryBeginsWithWhatIsHere(t *testing.T) {
	s := serve(t)
	s.configure(func(c *config.Config) {
		c.Archives[0].URIs = []string{"http://127.0.0.1:1/debian"}
		c.Repositories = append(c.Repositories, config.Repository{Name: "again", Archive: "debian"})
	})
	s.reload()
	s.wants(s.http(), "/again/dists/stable/InRelease", "200")
}

// A repository that comes back has what it had.
func TestARepositoryComesBack(t *testing.T) {
	s := serve(t)
	_, first := s.answer(s.http(), "/debian/dists/stable/InRelease")
	before := must(os.ReadFile(s.c.Path))(t)
	s.configure(func(c *config.Config) {
		c.Archives[0].Name, c.Archives[0].URIs = "renamed", []string{"http://127.0.0.1:1/debian"}
		c.Repositories[0] = config.Repository{Name: "renamed", Archive: "renamed"}
	})
	s.reload()
	s.wants(s.http(), "/debian/dists/stable/InRelease", `404 this mirror has no repository "debian", it has renamed`)
	s.wants(s.http(), "/renamed/dists/stable/InRelease", "503 this suite has not been verified yet")
	gc(t, s.d, false)
	if err := os.WriteFile(s.c.Path, before, 0o644); err != nil {
		t.Fatal(err)
	}
	s.reload()
	if _, again := s.answer(s.http(), "/debian/dists/stable/InRelease"); again != first {
		t.Errorf("it has %q, want %q", again, first)
	}
}

func TestASuiteGoesWithItsSnapshots(t *testing.T) {
	s := serve(t)
	create(t, s.d, "june")
	s.wants(s.http(), "/debian/snapshot/june/dists/stable/InRelease", "200")
	before := must(os.ReadFile(s.c.Path))(t)
	s.configure(func(c *config.Config) { c.Archives[0].Suites = []string{"later"} })
	s.reload()
	s.wants(s.http(), "/debian/dists/stable/InRelease", `404 debian has no suite "stable" here, it has later`)
	s.wants(s.http(), "/debian/snapshot/june/dists/stable/InRelease", "404")
	s.wants(s.http(), "/debian/dists/later/InRelease", "503")
	if err := os.WriteFile(s.c.Path, before, 0o644); err != nil {
		t.Fatal(err)
	}
	s.reload()
	s.wants(s.http(), "/debian/snapshot/june/dists/stable/InRelease", "200")
}

// Nothing of a configuration counts of which something cannot be used.
func TestABadConfigurationChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(*config.Config){
		"keyring of an archive": func(c *config.Config) { c.Archives[1].SignedBy = []string{"/nonexistent.gpg"} },
		"password file":         func(c *config.Config) { c.Archives[1].Auth = "/nonexistent" },
		"keyring of a pool":     func(c *config.Config) { c.Pools[0].SignedBy = []string{"/nonexistent.gpg"} },
		"site key":              func(c *config.Config) { c.Repositories[2].SignWith = []string{"/nonexistent.asc"} },
		"grant":                 func(c *config.Config) { c.Grants[0].Read = []string{"nosuch"} },
		"server certificate":    func(c *config.Config) { c.Serve.Cert = "/nonexistent" },
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.configure(func(c *config.Config) {
				another(published(t), "")(c)
				spoil(c)
			})
			in := s.d.inForce.Load()
			if _, err := s.d.Reload(t.Context(), me); err == nil {
				t.Fatal("it was taken")
			}
			if s.d.inForce.Load() != in || s.d.upstream.Archive("second") != nil {
				t.Error("something of it is in force")
			}
			s.wants(s.http(), "/debian/dists/stable/InRelease", "200")
			s.wants(s.http(), "/second/dists/stable/InRelease", "404")
		})
	}
}

// What is under way of an archive ends when it goes, and is done again when
// it is changed; of others it goes on.
func TestReloadEndsWhatIsUnderWay(t *testing.T) {
	for _, test := range []struct {
		name      string
		change    func(c *config.Config, good *upstreamtest.Server)
		wantError string
	}{
		{"it goes", func(c *config.Config, _ *upstreamtest.Server) {
			c.Archives, c.Repositories = c.Archives[:1], c.Repositories[:1]
		}, "archive second, suite stable: it is not in the configuration any more"},
		{"it has another mirror", func(c *config.Config, good *upstreamtest.Server) { c.Archives[1].URIs = []string{good.URL()} }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := published(t)
			good := a.Mirror()
			asked := make(chan struct{})
			var once sync.Once
			a.Fault("dists/stable/InRelease", func(_ http.ResponseWriter, r *http.Request, _ upstreamtest.File) {
				once.Do(func() { close(asked) })
				<-r.Context().Done()
			})
			s := serve(t)
			s.configure(func(c *config.Config) {
				c.Archives = append(c.Archives, archiveTable("second", a, "stable"))
				c.Repositories = append(c.Repositories, config.Repository{Name: "second", Archive: "second"})
			})
			s.reload()
			type outcome struct {
				result *admin.SyncResult
				err    error
			}
			synced := make(chan outcome, 1)
			go func() {
				r, err := s.d.Sync(context.WithoutCancel(t.Context()), me, admin.SyncRequest{Archives: []string{"second"}}, nobody)
				synced <- outcome{r, err}
			}()
			<-asked
			s.configure(func(c *config.Config) { test.change(c, good) })
			s.reload()
			got := <-synced
			if len(got.result.Suites) != 1 || got.result.Suites[0].Error != test.wantError || (got.err == nil) != (test.wantError == "") {
				t.Errorf("%+v, %v", got.result, got.err)
			}
		})
	}
}

// No request is judged by the grants of one configuration and answered from the
// repositories of another: here each lets everybody read what it has, but for
// what only the other has.
func TestGrantsAndRepositoriesChangeTogether(t *testing.T) {
	s := serve(t)
	open := must(os.ReadFile(s.c.Path))(t)
	s.configure(func(c *config.Config) {
		c.Repositories = append(c.Repositories, config.Repository{Name: "secret", Archive: "debian"})
		c.Grants[0].Read = []string{"debian"}
	})
	shut := must(os.ReadFile(s.c.Path))(t)
	s.reload() // from here on there is something to be had of it
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 3 {
		browser := s.http()
		clients.Go(func() {
			for {
				s.wants(browser, "/debian/dists/stable/InRelease", "200")
				s.wants(browser, "/secret/dists/stable/InRelease", "40")
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for i := range 60 {
		text := open
		if i%2 == 0 {
			text = shut
		}
		if err := os.WriteFile(s.c.Path, text, 0o644); err != nil {
			t.Error(err)
		}
		s.reload()
	}
	close(stop)
	clients.Wait()
}

// Keys that are taken out of a keyring file no longer count.
func TestReloadReadsKeyringsOfArchives(t *testing.T) {
	s := serve(t)
	other := upstreamtest.New(t)
	keyring := filepath.Join(t.TempDir(), "keyring.gpg")
	if err := os.WriteFile(keyring, must(os.ReadFile(s.c.Archives[0].SignedBy[0]))(t), 0o644); err != nil {
		t.Fatal(err)
	}
	s.configure(func(c *config.Config) { c.Archives[0].SignedBy = []string{keyring} })
	s.reload()
	before := s.d.inForce.Load().Archive("debian")
	s.reload()
	if s.d.inForce.Load().Archive("debian") != before {
		t.Error("an archive was replaced although nothing has changed")
	}
	if _, err := s.d.Sync(t.Context(), me, admin.SyncRequest{}, nobody); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(keyring, other.Keyring(), 0o644); err != nil {
		t.Fatal(err)
	}
	s.reload()
	if s.d.inForce.Load().Archive("debian") == before {
		t.Error("the keyring was not read again")
	}
}

// A file that is on its way when its repository goes, comes whole; the next
// one is refused, and so is the index that apt would ask for next.
func TestWhatIsBeingSentIsSentToItsEnd(t *testing.T) {
	a := upstreamtest.New(t)
	large := a.AddPackage(upstreamtest.Package{Name: "large", Size: 600_000})
	a.Publish()
	half, rest := make(chan struct{}), make(chan struct{})
	a.Fault("large_*.deb", func(w http.ResponseWriter, _ *http.Request, f upstreamtest.File) {
		w.Header().Set("Content-Length", strconv.Itoa(len(f.Data)))
		n, err := w.Write(f.Data[:len(f.Data)/2])
		http.NewResponseController(w).Flush() // what is sent is looked at below
		close(half)
		<-rest
		if err == nil {
			w.Write(f.Data[n:])
		}
	})
	s := serve(t)
	before := must(os.ReadFile(s.c.Path))(t)
	s.configure(another(a, ""))
	s.reload()
	if _, err := s.d.Sync(t.Context(), me, admin.SyncRequest{}, nobody); err != nil {
		t.Fatal(err)
	}
	type answer struct{ status, body string }
	came := make(chan answer, 1)
	browser := s.http()
	go func() {
		status, body := s.answer(browser, "/second/"+large.Filename)
		came <- answer{status, body}
	}()
	<-half
	if err := os.WriteFile(s.c.Path, before, 0o644); err != nil {
		t.Fatal(err)
	}
	s.reload()
	s.wants(s.http(), "/second/"+large.Filename, "404 this mirror has no repository")
	close(rest)
	if got := <-came; got.status != "200 OK" || got.body != string(large.Deb) {
		t.Errorf("%s with %d of %d bytes", got.status, len(got.body), len(large.Deb))
	}
}
