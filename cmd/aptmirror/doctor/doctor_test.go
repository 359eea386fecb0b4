package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/pki"
	"aptmirror/upstream/pgp"
	"aptmirror/upstream/upstreamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newDoctor is for a new site, which is without fault.
func newDoctor(t *testing.T, archives ...config.Archive) *Doctor {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	c, err := site.Create(site.Plan{Dir: dir, Hosts: []string{"localhost"}, Listen: "127.0.0.1:8443", Archives: archives}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.Serve.Listen = []string{"127.0.0.1:0"}
	return &Doctor{Config: c, Program: "aptmirror", Version: "1", Now: time.Now}
}

func archiveOf(a *upstreamtest.Archive) config.Archive {
	return config.Archive{
		Name: "debian", URIs: []string{a.URL()}, Suites: []string{"stable"}, Components: []string{"main"}, Architectures: []string{a.Arch},
		SignedBy: []string{a.KeyringFile()}, Refresh: config.DefaultRefresh, Download: config.OnDemand,
	}
}

// expect wants one finding of a level whose text and mend have what is given;
// "" as the level wants no warning and no fault.
func expect(t *testing.T, name string, got []Finding, level, text, mend string) {
	t.Helper()
	for _, f := range got {
		if level == "" && (f.Level == Fault || f.Level == Warning) {
			t.Errorf("%s: %+v, want no fault", name, f)
		}
		if level != "" && f.Level == level && strings.Contains(f.Subject+": "+f.Text, text) && strings.Contains(f.Mend, mend) {
			return
		}
	}
	if level != "" {
		t.Errorf("%s: got\n%+v\nwant a %s with %q and %q", name, got, level, text, mend)
	}
}

func replace(t *testing.T, file string, text []byte, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(file, text, mode), os.Chmod(file, mode)); err != nil {
		t.Fatal(err)
	}
}

func TestFaultsOfFiles(t *testing.T) {
	otherCA, err := pki.NewAuthority("other", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	years := func(n int) func(*testing.T, *Doctor) {
		return func(_ *testing.T, d *Doctor) { d.Now = func() time.Time { return time.Now().AddDate(n, 0, -10) } }
	}
	tests := []struct {
		name              string
		check             func(*Doctor) func(context.Context) []Finding
		spoil             func(*testing.T, *Doctor)
		level, text, mend string
	}{
		{"permissions", permissions, nothing, "", "", ""},
		{"secret for all", permissions, func(t *testing.T, d *Doctor) { chmod(t, d.Config.Serve.Key, 0o604) }, Fault, "everybody can get at this secret (mode 0604)", "chmod o= "},
		{"open store", permissions, func(t *testing.T, d *Doctor) {
			if err := os.Mkdir(d.Config.State, 0o755); err != nil {
				t.Fatal(err)
			}
			chmod(t, d.Config.State, 0o755)
		}, Warning, "others can look into the store (mode 0755)", "chmod 700 "},
		{"no incoming", permissions, func(_ *testing.T, d *Doctor) {
			d.Config.Pools = []config.Pool{{Name: "internal", Incoming: filepath.Join(d.Config.State, "incoming")}}
		}, Fault, "the incoming folder of pool internal does not exist", "install -d -o "},

		{"server certificate", serverCertificate, nothing, "", "", ""},
		{"ends soon", serverCertificate, years(5), Warning, "the certificate ends on ", "aptmirror certificate renew server"},
		{"ended", serverCertificate, years(6), Fault, "the certificate ended on ", "aptmirror certificate renew server"},
		{"ends soon, of elsewhere", serverCertificate, func(t *testing.T, d *Doctor) {
			if err := os.Remove(strings.TrimSuffix(d.Config.Serve.ServerCA, ".crt") + ".key"); err != nil {
				t.Fatal(err)
			}
			years(5)(t, d)
		}, Warning, "the certificate ends on ", "taken up by itself"},
		{"server CA ends", serverCertificate, lateInTheLifeOfCAs, Warning, "the CA \"aptmirror server CA of localhost\" ends on ", "aptmirror certificate renew server-ca"},
		{"client CA ends", clientAuthorities, lateInTheLifeOfCAs, Warning, "aptmirror client CA: the certificate ends on ", "aptmirror certificate renew client-ca"},
		{"list ends", clientAuthorities, later(23 * 24 * time.Hour), Warning, "the revocation list ends on ", "start the daemon"},
		{"key of another", serverCertificate, func(_ *testing.T, d *Doctor) { d.Config.Serve.Key = d.Config.Clients.CAKey }, Fault, "cannot be used with serve.key", "put a certificate"},
		{"key missing", serverCertificate, func(_ *testing.T, d *Doctor) { d.Config.Serve.Key += ".none" }, Fault, "no such file", ""},
		{"other name", serverCertificate, func(_ *testing.T, d *Doctor) { d.Config.Serve.PublicURL = "https://mirror.example.org" }, Fault, "clients reach the server as mirror.example.org", "have a certificate issued for mirror.example.org"},
		{"no name", serverCertificate, func(_ *testing.T, d *Doctor) { d.Config.Serve.PublicURL = "" }, Warning, "client kits cannot be made", "set serve.public_url"},
		{"other server CA", serverCertificate, func(t *testing.T, d *Doctor) { replace(t, d.Config.Serve.ServerCA, otherCA.CertPEM(), 0o644) }, Fault, "will not trust it", "put the CA that issued it"},
		{"no server CA", serverCertificate, func(_ *testing.T, d *Doctor) { d.Config.Serve.ServerCA = "" }, Note, "client kits cannot be made", ""},

		{"client CA", clientAuthorities, nothing, "", "", ""},
		{"list runs out", clientAuthorities, later(30*24*time.Hour + time.Hour), Warning, "ran out on", "systemctl start aptmirror"},
		{"list ran out", clientAuthorities, later(32 * 24 * time.Hour), Fault, "all clients of this CA are refused", "systemctl start aptmirror"},
		{"list of another CA", clientAuthorities, func(_ *testing.T, d *Doctor) {
			d.Config.Clients.Dir = ""
			later(32*24*time.Hour)(nil, d)
		}, Fault, "ran out", "put the CA's newest list into serve.crl"},
		{"no list", clientAuthorities, func(_ *testing.T, d *Doctor) { d.Config.Serve.CRL = nil }, Note, "there is no revocation list", ""},
		{"no PEM", clientAuthorities, func(t *testing.T, d *Doctor) { replace(t, d.Config.Serve.ClientCA[0], []byte("x"), 0o644) }, Fault, "loading client_ca", "mend the file"},

		{"clients", clients, nothing, "", "", ""},
		{"client ends", clients, func(t *testing.T, d *Doctor) { addClient(t, d, 100); later(80*24*time.Hour)(t, d) }, Warning, "host: the certificate ends on", "aptmirror client renew host"},
		{"client ended", clients, func(t *testing.T, d *Doctor) { addClient(t, d, 20); later(21*24*time.Hour)(t, d) }, Fault, "host: the certificate ended on", "aptmirror client renew host"},
		{"CA key missing", clients, func(_ *testing.T, d *Doctor) { d.Config.Clients.CAKey += ".none" }, Fault, "opening the client CA", "put clients.ca_cert"},

		{"site key", signingKeys, signed, OK, "can sign: ", ""},
		{"site key for all", signingKeys, func(t *testing.T, d *Doctor) { signed(t, d); chmod(t, d.Config.Repositories[0].SignWith[0], 0o644) }, Fault, "loading sign_with", "put a key that can sign there"},
		{"site key of the service", signingKeys, func(t *testing.T, d *Doctor) {
			t.Setenv("CREDENTIALS_DIRECTORY", "")
			d.Config.Keys = []config.Key{{Name: "k", Private: "/nowhere", Passphrase: "credential:k"}}
			d.Config.Bundles.SignWith = []string{"key:k"}
		}, Note, "only the service has", ""},
		{"no keyring of a pool", keyrings, func(_ *testing.T, d *Doctor) {
			d.Config.Pools = []config.Pool{{Name: "internal", SignedBy: []string{"/nowhere.gpg"}}}
		}, Fault, "pool internal: loading signed_by", "those whom you trust"},
		{"no keyring of bundles", keyrings, func(_ *testing.T, d *Doctor) { d.Config.Bundles.SignedBy = []string{"/nowhere.gpg"} }, Fault, "bundles", "whom you trust"},
		{"policy", policies, func(_ *testing.T, d *Doctor) {
			d.Config.Policies = []config.Policy{{Name: "p", Rules: "allow ?true\n", Line: 7}}
		}, OK, "the rules of 1 policies", ""},
		{"bad rules", policies, func(_ *testing.T, d *Doctor) {
			d.Config.Policies = []config.Policy{{Name: "p", Rules: "allow ?true\nforbid ?true\n", Line: 7}}
		}, Fault, "aptmirror.toml:8:", "aptmirror policy check"},
		{"no rules", policies, func(_ *testing.T, d *Doctor) {
			d.Config.Policies = []config.Policy{{Name: "p", File: "/nowhere.rules"}}
		}, Fault, "/nowhere.rules", "aptmirror policy check"},
		{"no keyring", keyrings, func(_ *testing.T, d *Doctor) {
			d.Config.Archives = []config.Archive{{Name: "debian", SignedBy: []string{"/nowhere.gpg"}}}
		}, Fault, "debian: archive debian: loading signed_by", "install the archive's keyring package"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDoctor(t)
			tt.spoil(t, d)
			expect(t, tt.name, tt.check(d)(t.Context()), tt.level, tt.text, tt.mend)
		})
	}
}

func permissions(d *Doctor) func(context.Context) []Finding       { return d.permissions }
func serverCertificate(d *Doctor) func(context.Context) []Finding { return d.serverCertificate }
func clientAuthorities(d *Doctor) func(context.Context) []Finding { return d.clientAuthorities }
func clients(d *Doctor) func(context.Context) []Finding           { return d.clients }
func signingKeys(d *Doctor) func(context.Context) []Finding       { return d.signingKeys }
func policies(d *Doctor) func(context.Context) []Finding          { return d.policies }
func keyrings(d *Doctor) func(context.Context) []Finding          { return d.keyrings }

func nothing(*testing.T, *Doctor) {}

func later(by time.Duration) func(*testing.T, *Doctor) {
	return func(_ *testing.T, d *Doctor) { d.Now = func() time.Time { return time.Now().Add(by) } }
}

// lateInTheLifeOfCAs is a site that went on without trouble until the last year
// of its CAs.
func lateInTheLifeOfCAs(t *testing.T, d *Doctor) {
	later(9*365*24*time.Hour+120*time.Hour)(t, d)
	_, err := site.RenewServer(d.Config, nil, 0, d.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := site.Clients(d.Config)
	if err == nil {
		err = c.Refresh(d.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

func signed(_ *testing.T, d *Doctor) {
	d.Config.Repositories = []config.Repository{{Name: "site", SignWith: []string{filepath.Join(filepath.Dir(d.Config.Path), "keys", "site.asc")}}}
}

func addClient(t *testing.T, d *Doctor, days int) {
	t.Helper()
	c, err := site.Clients(d.Config)
	if err == nil {
		_, err = c.Add("host", pki.Leaf{Days: days}, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAccountsAndModes(t *testing.T) {
	who := account{uid: 100, gid: 200}
	for _, tt := range []struct {
		uid, gid, mode uint32
		rights         uint32
		want           bool
	}{
		{100, 1, 0o400, 4, true}, {100, 1, 0o300, 4, false}, {100, 200, 0o077, 4, false}, // the owner's rights count, even where others have more
		{1, 200, 0o040, 4, true}, {1, 200, 0o030, 3, true}, {1, 200, 0o707, 4, false}, {1, 1, 0o004, 4, true}, {1, 1, 0o770, 4, false},
	} {
		st := syscall.Stat_t{Uid: tt.uid, Gid: tt.gid, Mode: tt.mode}
		if got := who.may(st, tt.rights); got != tt.want {
			t.Errorf("%d:%d mode %#o, rights %o: %v", tt.uid, tt.gid, tt.mode, tt.rights, got)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "shut", "file")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o700), os.WriteFile(file, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	f := &findings{}
	account{uid: 12345, gid: 12345, name: "somebody"}.mustRead(f, file)
	expect(t, "shut folder", f.list, Fault, "somebody cannot get to it", "chmod a+x ")
}

func TestSpace(t *testing.T) {
	d := newDoctor(t)
	for _, tt := range []struct {
		free, total, max int64
		level, text      string
	}{
		{100 << 30, 200 << 30, 0, OK, "are free"},
		{1 << 30, 200 << 30, 0, Warning, "1.1 GB of 214.7 GB are free"},
		{100 << 20, 200 << 30, 0, Fault, "the store takes no more files"},
		{100 << 30, 200 << 30, 300 << 30, Warning, "cache.max_size is 322.1 GB"},
	} {
		f := &findings{}
		d.Config.Cache.MaxSize = tt.max
		d.aboutSpace(f, tt.free, tt.total)
		expect(t, tt.text, f.list, tt.level, tt.text, "")
	}
	d.Config.Cache.MaxSize = 0
	expect(t, "disk", d.disk(t.Context()), OK, "are free", "")
}

func TestKeyrings(t *testing.T) {
	d := newDoctor(t)
	now := d.Now()
	past, month, year := now.Add(-time.Hour), now.AddDate(0, 0, 20), now.AddDate(1, 0, 0)
	for _, tt := range []struct {
		name  string
		keys  []pgp.Key
		level string
	}{
		{"endless", []pgp.Key{{Expires: past}, {}}, OK},
		{"long", []pgp.Key{{Expires: month}, {Expires: year}}, OK},
		{"soon", []pgp.Key{{Expires: past}, {Expires: month}}, Warning},
		{"none", []pgp.Key{{Expires: past}, {Revoked: true}}, Fault},
	} {
		f := &findings{}
		d.aboutKeyring(f, "debian", tt.keys)
		expect(t, tt.name, f.list, tt.level, "debian", "")
	}
}

// A server that lets everybody in is the worst of all.
func TestService(t *testing.T) {
	d := newDoctor(t)
	expect(t, "no systemd", d.service(t.Context()), Note, "systemd does not run this machine", "")
	for _, tt := range []struct{ name, text, level, want, mend string }{
		{"missing", "LoadState=not-found\nActiveState=inactive", Note, "is not installed", ""},
		{"active", "LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=0\nUnitFileState=enabled", "", "", ""},
		{"failed", "LoadState=loaded\nActiveState=failed\nResult=exit-code", Fault, "failed (exit-code)", "journalctl -u aptmirror"},
		{"again", "LoadState=loaded\nActiveState=activating\nSubState=auto-restart", Fault, "again and again", "journalctl"},
		{"inactive", "LoadState=loaded\nActiveState=inactive", Warning, "is inactive", "systemctl enable --now aptmirror"},
		{"disabled", "LoadState=loaded\nActiveState=active\nUnitFileState=disabled", Warning, "does not start with the machine", "systemctl enable aptmirror"},
		{"changed", "LoadState=loaded\nActiveState=active\nNeedDaemonReload=yes", Warning, "has changed on disk", "daemon-reload"},
		{"restarts", "LoadState=loaded\nActiveState=active\nNRestarts=3", Warning, "restarted 3 times", "journalctl"},
	} {
		d.Systemctl = func(context.Context, ...string) (string, error) { return tt.text + "\n", nil }
		expect(t, tt.name, d.service(t.Context()), tt.level, tt.want, tt.mend)
	}
	d.Systemctl = func(context.Context, ...string) (string, error) { return "", errors.New("no bus") }
	expect(t, "no bus", d.service(t.Context()), Note, "no bus", "")
}

// asked is a daemon that says one thing.
type asked struct {
	admin.Backend
	status admin.Status
}

func (a asked) Status(context.Context) (*admin.Status, error) { return &a.status, nil }

func TestDaemon(t *testing.T) {
	good := admin.SuiteStatus{Repository: "debian", Archive: "debian", Suite: "stable", Generation: 1}
	held, failed, nothingYet := good, good, good
	held.Held = &admin.Held{What: "Codename"}
	failed.Error, failed.Advice = "timeout", "wait"
	nothingYet.Generation = 0
	for _, tt := range []struct {
		name              string
		status            admin.Status
		level, text, mend string
	}{
		{"good", admin.Status{Version: "1", Suites: []admin.SuiteStatus{good}}, "", "", ""},
		{"other version", admin.Status{Version: "2"}, Warning, "the daemon is version 2, this program 1", "systemctl restart aptmirror"},
		{"not reloaded", admin.Status{Version: "1", Access: &admin.Access{Problem: "no PEM"}}, Fault, "no PEM", "aptmirror reload"},
		{"restart", admin.Status{Version: "1", Access: &admin.Access{Restart: []string{"archive.x"}}}, Warning, "archive.x", "systemctl restart aptmirror"},
		{"held", admin.Status{Version: "1", Suites: []admin.SuiteStatus{held}}, Fault, "Codename", "aptmirror archive accept debian stable"},
		{"failed", admin.Status{Version: "1", Suites: []admin.SuiteStatus{failed}}, Warning, "timeout", "wait"},
		{"nothing", admin.Status{Version: "1", Suites: []admin.SuiteStatus{nothingYet}}, Fault, "nothing verified yet", "aptmirror sync debian"},
	} {
		d := newDoctor(t)
		d.Daemon = admin.InProcess(admin.NewHandler(asked{status: tt.status}, os.Getuid()))
		_, got := d.askDaemon(t.Context())
		expect(t, tt.name, got, tt.level, tt.text, tt.mend)
	}
	d := newDoctor(t)
	d.DaemonError = fmt.Errorf("dialling: %w", os.ErrPermission)
	_, got := d.askDaemon(t.Context())
	expect(t, "not allowed", got, Fault, "permission denied", "run this command as root")
}

func TestPools(t *testing.T) {
	for _, tt := range []struct {
		name        string
		pool        config.Pool
		upload      string
		use         admin.PoolUse
		level, text string
	}{
		{"room", config.Pool{Name: "internal", MaxSize: 100}, "internal", admin.PoolUse{Pool: "internal", Packages: 3, Bytes: 89, Max: 100}, "", "has 3 packages, 89 B of at most 100 B"},
		{"nearly full", config.Pool{Name: "internal", MaxSize: 100}, "internal", admin.PoolUse{Pool: "internal", Bytes: 95, Max: 100}, Warning, "more than that is refused"},
		{"more than the store", config.Pool{Name: "internal", MaxSize: 1001}, "internal", admin.PoolUse{Pool: "internal", Max: 1001}, Warning, "the whole store may have only 1.0 kB"},
		{"no limit", config.Pool{Name: "internal"}, "*", admin.PoolUse{Pool: "internal"}, Note, "has no max_size"},
		{"no limit and no uploads", config.Pool{Name: "internal"}, "other", admin.PoolUse{Pool: "internal"}, "", "has 0 packages, 0 B"},
	} {
		d := newDoctor(t)
		d.Config.Cache.MaxSize = 1000
		d.Config.Pools, d.Config.Grants = []config.Pool{tt.pool}, []config.Grant{{Upload: []string{tt.upload}}}
		got := d.pools(&admin.Status{Pools: []admin.PoolUse{tt.use}})
		last := got[len(got)-1]
		if level := cmp.Or(tt.level, OK); last.Level != level || !strings.Contains(last.Text, tt.text) {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	if got := newDoctor(t).pools(nil); len(got) != 0 {
		t.Errorf("without pools: %+v", got)
	}
}

func TestWholeExamination(t *testing.T) {
	up := upstreamtest.New(t)
	up.Publish()
	d := newDoctor(t, archiveOf(up))
	r := d.Examine(t.Context())
	if r.Faults != 0 {
		t.Errorf("a new site has faults: %+v", r)
	}
	checks := map[string]bool{}
	for _, f := range r.Findings {
		checks[f.Check] = true
	}
	for _, want := range []string{"configuration", "daemon", "disk", "permissions", "server certificate", "client CA", "clients", "keyring", "port", "mTLS", "service", "clock", "name", "archive"} {
		if !checks[want] {
			t.Errorf("%s was not checked", want)
		}
	}
	d.Offline = true
	for _, f := range d.Examine(t.Context()).Findings {
		if f.Check == "archive" || f.Check == "name" {
			t.Errorf("offline: %+v", f)
		}
	}
	_, err := config.Parse("a.toml", []byte("x = 1\ny = 2\n"))
	if r := Invalid(err); r.Faults != 2 || !strings.HasPrefix(r.Findings[0].Text, "a.toml:1:1: x: unknown key") {
		t.Errorf("invalid configuration: %+v", r)
	}
}
