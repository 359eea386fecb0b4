package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/upstream/upstreamtest"
)

// The package under a systemd that runs, on Debian's releases. What systemd does
// not do by itself is what the pages have an administrator do.
func TestLiveBooted(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the program")
	}
	needLive(t)
	t.Parallel()
	first, second := buildPackage(t, "1.0"), buildPackage(t, "1.1")
	for _, release := range []string{"bookworm", "trixie"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			r := newRoot(t, release)
			r.sh("apt-get update -qq && apt-get install -qq -y --no-install-recommends systemd-sysv dbus")
			r.host("cp", first, second, r.dir+"/root")
			a, _, _ := sample(t)
			r.uses(a)
			m := r.boot()
			m.reaches(a)
			m.isInstalled()
			m.becomesActive()
			m.isConfined()
			m.reloads()
			m.isWatched()
			m.syncs()
			m.listensOn443()
			m.keepsConnections("systemctl restart aptmirror.service && systemctl restart aptmirror.service")
			m.keepsConnections("apt-get install -qq -y /root/" + filepath.Base(second))
			m.stopsInTime(a)
			m.startsAgain()
			m.goes(second)
		})
	}
}

// uses makes the archive the only apt source of the system, and names the mirror.
func (r *root) uses(a *upstreamtest.Archive) {
	r.t.Helper()
	const keyring = "/usr/share/keyrings/test.gpg"
	r.write(keyring, string(a.Keyring()))
	r.sh("rm -rf /etc/apt/sources.list.d/* /etc/apt/sources.list; chmod 755 /root")
	r.write("/etc/apt/sources.list", "deb [arch="+aptsources.Architecture()+" signed-by="+keyring+"] "+a.URL()+" stable main\n")
	r.write("/etc/hosts", "127.0.0.1 localhost mirror.example.org\n")
}

// asPageSays runs the commands for root of the page about running it that have
// some word in them.
func (m *machine) asPageSays(word string) {
	m.t.Helper()
	for _, page := range markdownPages(m.t) {
		for _, b := range page.of("sh root") {
			if page.name == "systemd/README.md" && strings.Contains(b.text, word) {
				m.sh("cd /root\n" + b.text)
				return
			}
		}
	}
	m.t.Fatalf("the page has no commands with %s", word)
}

// is wants a property of a unit, as systemctl show names it.
func (m *machine) is(unit, property, want string) {
	m.t.Helper()
	if got := strings.TrimSpace(m.sh("systemctl show -P " + property + " " + unit)); got != want {
		m.t.Errorf("%s: %s is %s, want %s", unit, property, got, want)
	}
}

// noneFailed wants all units as they should be.
func (m *machine) noneFailed() {
	m.t.Helper()
	if failed := m.sh("systemctl list-units --failed --plain --no-legend"); failed != "" {
		m.t.Errorf("failed: %s", failed)
	}
}

func (m *machine) isInstalled() {
	m.sh("apt-get install -qq -y --no-install-recommends /root/aptmirror_1.0_*.deb")
	m.is("aptmirror.service", "ActiveState", "inactive")
	m.is("aptmirror.service", "ConditionResult", "no")
	m.is("aptmirror.service", "UnitFileState", "enabled")
	m.is("aptmirror.socket", "UnitFileState", "disabled")
	m.sh("test \"$(stat -c '%U %a' /var/lib/aptmirror)\" = 'aptmirror 700'")
	m.noneFailed()
}

func (m *machine) becomesActive() {
	m.asPageSays("aptmirror init")
	m.is("aptmirror.service", "ActiveState", "active")
	m.is("aptmirror.service", "Type", "notify")
	m.sh("aptmirror sync; aptmirror client add own.example.org")
	m.aptWorks()
}

// aptWorks has the system's apt fetch through the mirror.
func (m *machine) aptWorks() {
	m.sh("cd /root; rm -rf kit; aptmirror client kit own.example.org --format dir --out kit; export APT_CONFIG=kit/apt.conf; timeout 60 apt-get update --error-on=any; timeout 60 apt-get download hello; rm hello_*.deb")
}

// reloads takes another grant, and refuses what is wrong.
func (m *machine) reloads() {
	const fails = `fails() { if "$@"; then echo "$* succeeded"; exit 1; fi; }; cd /etc/aptmirror; `
	pid := m.pid()
	m.sh(fails + "sed -i.good 's/dns:\\*\\*/dns:other.example.org/' aptmirror.toml; systemctl reload aptmirror; export APT_CONFIG=/root/kit/apt.conf; fails timeout 60 apt-get update --error-on=any")
	m.sh(fails + "echo 'nonsense = 1' >>aptmirror.toml; fails systemctl reload aptmirror; journalctl -u aptmirror | grep nonsense; mv aptmirror.toml.good aptmirror.toml; systemctl reload aptmirror")
	m.aptWorks()
	if now := m.pid(); now != pid {
		m.t.Errorf("reloading made a new process, %s after %s", now, pid)
	}
}

func (m *machine) pid() string {
	m.t.Helper()
	return strings.TrimSpace(m.sh("systemctl show -P MainPID aptmirror.service"))
}

// dropIn adds to the service's unit until the function that it returns is called.
func (m *machine) dropIn(lines ...string) (remove func()) {
	m.t.Helper()
	const dir = "/etc/systemd/system/aptmirror.service.d"
	m.sh("mkdir -p " + dir)
	m.write(dir+"/test.conf", "[Service]\n"+strings.Join(lines, "\n")+"\n")
	m.sh("systemctl daemon-reload; systemctl restart aptmirror.service")
	return func() {
		m.t.Helper()
		m.sh("rm -r " + dir + "; systemctl daemon-reload; systemctl restart aptmirror.service")
	}
}

// isWatched stops the process from working, which systemd has to notice.
func (m *machine) isWatched() {
	m.is("aptmirror.service", "WatchdogUSec", "1min")
	remove := m.dropIn("WatchdogSec=500ms", "TimeoutAbortSec=100ms", "RestartSec=100ms")
	before := m.pid()
	m.sh("kill -STOP " + before)
	eventually(m.t, "the watchdog starts another process", func() bool {
		return m.pid() != before && m.sh("systemctl show -P ActiveState aptmirror.service") == "active\n"
	})
	m.sh("journalctl -u aptmirror.service | grep -q \"Failed with result 'watchdog'\"")
	m.aptWorks()
	remove()
}

// syncs runs the timer's unit beside the daemon and without it.
func (m *machine) syncs() {
	m.asPageSays("aptmirror-sync.timer")
	m.sh("systemctl list-timers --no-legend | grep -q aptmirror-sync.timer")
	m.sh("systemctl start aptmirror-sync.service; systemctl stop aptmirror.service; systemctl start aptmirror-sync.service; systemctl start aptmirror.service")
	m.is("aptmirror-sync.service", "Result", "success")
	m.aptWorks()
}

func (m *machine) listensOn443() {
	m.sh("sed -i 's/8443/443/; s/:443\"$/\"/' /etc/aptmirror/aptmirror.toml; sed -i 's/^listen = .*/listen = [\":443\"]/; s/^public_url = .*/public_url = \"https:\\/\\/mirror.example.org\"/' /etc/aptmirror/aptmirror.toml")
	m.asPageSays("aptmirror.socket")
	m.is("aptmirror.socket", "ActiveState", "active")
	m.aptWorks()
	m.sh("grep https://mirror.example.org/debian -r /root/kit; aptmirror doctor --quiet")
}

// keepsConnections does something to the service while a client makes one
// connection after another.
func (m *machine) keepsConnections(what string) {
	m.t.Helper()
	m.sh(`cd /root; rm -f /run/enough; : >/run/got; trap 'touch /run/enough' EXIT
fetch() { rm -f /tmp/fetched; APT_CONFIG=kit/apt.conf timeout 60 /usr/lib/apt/apt-helper -o Acquire::Retries=0 download-file https://mirror.example.org/debian/dists/stable/InRelease /tmp/fetched >/run/said 2>&1 || { cat /run/said; false; }; }
while test ! -e /run/enough; do fetch; echo >>/run/got; done & load=$!
more() { n=$(($(wc -l </run/got) + 2)); while kill -0 $load && test $(wc -l </run/got) -lt $n; do sleep 0.05; done; }
more
{ ` + what + `; } >/run/did 2>&1 || { cat /run/did; false; }
more
touch /run/enough; wait $load`)
	m.is("aptmirror.service", "ActiveState", "active")
	m.noneFailed()
}

// stopsInTime stops the service, and a synchronisation without it, while upstream
// keeps them waiting. Who is stopped has not failed.
func (m *machine) stopsInTime(a *upstreamtest.Archive) {
	a.Fault("*", upstreamtest.Stall)
	const sync = "systemctl start --no-block aptmirror-sync.service; timeout 60 sh -c 'until systemctl show -P ActiveState aptmirror-sync.service | grep -q ^activating; do sleep 0.05; done'; "
	m.sh(sync + "systemctl stop aptmirror.socket aptmirror.service aptmirror-sync.service; systemctl reset-failed aptmirror-sync.service || true")
	m.is("aptmirror.service", "Result", "success")
	m.sh(sync + "systemctl stop aptmirror-sync.service")
	m.noneFailed()
	a.ClearFaults()
}

// startsAgain starts the whole system anew.
func (m *machine) startsAgain() {
	m.halt()
	m.start()
	m.sh(m.relay)
	m.is("aptmirror.service", "ActiveState", "active")
	m.is("aptmirror.socket", "ActiveState", "active")
	m.noneFailed()
}

// goes removes the package, takes it back, and purges it.
func (m *machine) goes(deb string) {
	m.sh("apt-get remove -qq -y aptmirror")
	m.is("aptmirror.service", "LoadState", "masked")
	m.is("aptmirror.socket", "ActiveState", "inactive")
	m.noneFailed()
	m.sh("apt-get install -qq -y --no-install-recommends /root/" + filepath.Base(deb))
	for _, unit := range []string{"aptmirror.service", "aptmirror.socket", "aptmirror-sync.timer"} {
		m.is(unit, "ActiveState", "active")
	}
	m.sh("aptmirror doctor --quiet")
	m.sh("apt-get purge -qq -y aptmirror")
	if !m.lacks("/var/lib/aptmirror") || !m.lacks("/etc/aptmirror") {
		m.t.Error("purging the package must take store and configuration")
	}
	if left := m.sh("systemctl list-unit-files --no-legend 'aptmirror*' || true; systemctl list-units --all --no-legend 'aptmirror*'; find /etc/systemd -name 'aptmirror*'"); left != "" {
		m.t.Errorf("after purging there is\n%s", left)
	}
	m.noneFailed()
}

// misdeeds prints the names of what succeeds of what the service has no
// business with. As its user, all of it does without a sandbox.
const misdeeds = `#!/bin/sh
cd /var/lib/aptmirror
touch /tmp/left
may() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo $name; fi; }
may write-elsewhere touch /srv/open/x
may see-homes ls /home/someone/open
may see-processes test -e /proc/1/status
may see-the-system test -e /proc/meminfo
may make-namespaces unshare --user true
may change-personality setarch --addr-no-randomize true
may make-setuid sh -c 'cp /bin/true setuid && chmod u+s setuid && test -u setuid'
may see-devices test -e /dev/full.outside
`

// isConfined tries misdeeds from within the unit, and without it.
func (m *machine) isConfined() {
	m.write("/usr/local/bin/misdeeds", misdeeds)
	m.sh("chmod 755 /usr/local/bin/misdeeds; mkdir -p -m 755 /home/someone; mkdir -p -m 777 /srv/open /home/someone/open; mknod -m 666 /dev/full.outside c 1 7")
	all := strings.Fields(m.sh("setpriv --reuid=aptmirror --regid=aptmirror --clear-groups /usr/local/bin/misdeeds"))
	if n := strings.Count(misdeeds, "\nmay "); len(all) != n {
		m.t.Errorf("without the unit %d of %d misdeeds succeed: %v", len(all), n, all)
	}
	m.sh("rm /tmp/left")
	remove := m.dropIn("ExecStartPost=/bin/sh -c '/usr/local/bin/misdeeds >/var/lib/aptmirror/misdeeds'")
	if done := m.sh("cat /var/lib/aptmirror/misdeeds; rm /var/lib/aptmirror/misdeeds"); done != "" {
		m.t.Errorf("the unit allows\n%s", done)
	}
	remove()
	m.sh("test ! -e /tmp/left")
	if level := exposureLevel.FindStringSubmatch(m.sh("systemd-analyze security --no-pager aptmirror.service")); level == nil {
		m.t.Error("systemd does not say how exposed the service is")
	} else if n, err := strconv.ParseFloat(level[1], 64); err != nil || n > 1.5 {
		m.t.Errorf("exposure %s, want at most 1.5", level[1])
	}
}

var exposureLevel = regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`)

// write makes a file of the system.
func (r *root) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.dir+name, []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}
