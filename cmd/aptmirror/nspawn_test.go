package main

import (
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"aptmirror/upstream/upstreamtest"
)

// machine is a root that systemd has booted, in a container whose network is
// loopback alone.
type machine struct {
	*root
	group  string    // the container's control group
	nspawn *exec.Cmd // the container
	relay  string    // the command that lets it reach an archive
	said   *output
	ended  chan struct{} // closed when the container is no more
}

// boot starts a system that has systemd. It skips where containers cannot be.
func (r *root) boot() *machine {
	r.t.Helper()
	if _, err := exec.LookPath("systemd-nspawn"); err != nil {
		r.t.Skip("systemd-nspawn is not installed (Debian package systemd-container)")
	}
	r.hideProcesses()
	m := &machine{root: r, group: controlGroup(r.t), said: newOutput(), ended: make(chan struct{})}
	r.t.Cleanup(func() {
		if r.t.Failed() {
			out, _ := m.inside("journalctl", "--no-pager", "-n", "60").CombinedOutput()
			r.t.Logf("the system said\n%s\nits journal ends with\n%s", lastLines(m.said.String(), 20), out)
		}
		m.halt()
	})
	m.start()
	return m
}

// controlGroup makes one that belongs to the test, since containers in one group
// would take each other's processes for their own.
func controlGroup(t *testing.T) string {
	t.Helper()
	top := "/sys/fs/cgroup/unified" // beside version 1
	if _, err := os.Stat(top); err != nil {
		top = "/sys/fs/cgroup"
	}
	group, err := os.MkdirTemp(top, "aptmirror-")
	if err == nil {
		_, err = os.Stat(filepath.Join(group, "cgroup.procs"))
	}
	if err != nil {
		t.Skipf("there are no control groups of version 2 here: %v", err)
	}
	t.Cleanup(func() {
		removeGroups(t, group)
		// systemd-nspawn makes the same groups beside, in systemd's own hierarchy of version 1.
		removeGroups(t, filepath.Join("/sys/fs/cgroup/systemd", filepath.Base(group)))
	})
	return group
}

// removeGroups removes a group and those below it: such folders are removed only
// one by one, with all their files in them.
func removeGroups(t *testing.T, group string) {
	t.Helper()
	entries, err := os.ReadDir(group)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroups(t, filepath.Join(group, e.Name()))
		}
	}
	if err = errors.Join(err, syscall.Rmdir(group)); err != nil {
		t.Errorf("removing the control group %s: %v", group, err)
	}
}

// start boots, and returns when everything has started.
func (m *machine) start() {
	m.t.Helper()
	group, err := os.Open(m.group)
	if err != nil {
		m.t.Fatal(err)
	}
	defer group.Close()
	m.said, m.ended = newOutput(), make(chan struct{})
	m.nspawn = exec.Command("systemd-nspawn", "--directory="+m.dir, "--boot", "--register=no", "--keep-unit", "--private-network", "--console=pipe")
	m.nspawn.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
	m.nspawn.Stdout, m.nspawn.Stderr = m.said, m.said
	m.nspawn.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd()), Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := m.nspawn.Start(); err != nil {
		m.t.Skipf("systemd-nspawn does not start here: %v", err)
	}
	go func() {
		defer close(m.ended)
		m.nspawn.Wait()
	}()
	eventually(m.t, "the system boots", func() bool {
		select {
		case <-m.ended:
			m.t.Skipf("systemd-nspawn cannot boot a system here:\n%s", lastLines(m.said.String(), 20))
		default:
		}
		return m.init() != "" && m.state() != "starting"
	})
	if state := m.state(); state != "running" {
		m.t.Fatalf("the system is %s\n%s", state, lastLines(m.said.String(), 20))
	}
}

// init gives the number of the container's first process, or "".
func (m *machine) init() string {
	text, err := os.ReadFile(filepath.Join(m.group, "payload/init.scope/cgroup.procs"))
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first
}

// inside prepares a program to run in the system. It outlives the test, whose end
// it is to look into.
func (m *machine) inside(program ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", m.init(), "--all"}, program...)...)
}

// state is what systemd says of the system as a whole, "starting" before it answers.
func (m *machine) state() string {
	out, _ := m.inside("systemctl", "is-system-running").Output()
	switch state := strings.TrimSpace(string(out)); state {
	case "", "offline", "unknown", "initializing":
		return "starting"
	default:
		return state
	}
}

// halt shuts the system down.
func (m *machine) halt() {
	m.t.Helper()
	if m.nspawn == nil || m.nspawn.Process == nil {
		return
	}
	m.nspawn.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-m.ended:
	case <-time.After(patience):
		m.t.Errorf("the system does not halt\n%s", lastLines(m.said.String(), 20))
		m.nspawn.Process.Kill()
		<-m.ended
	}
}

// sh runs commands inside.
func (m *machine) sh(commands string) string {
	m.t.Helper()
	return m.must("nsenter", "--target", m.init(), "--all", "/bin/sh", "-ec", commands)
}

// reaches lets the machine reach an archive of the test, under the archive's own
// address: a socket in a folder leads out of the container's network.
func (m *machine) reaches(a *upstreamtest.Archive) {
	m.t.Helper()
	to, err := url.Parse(a.URL())
	if err != nil {
		m.t.Fatal(err)
	}
	l, err := net.Listen("unix", m.dir+"/srv/upstream")
	if err != nil {
		m.t.Fatal(err)
	}
	m.relay = "systemd-run --quiet --unit=upstream --socket-property=ListenStream=" + to.Host + " /usr/lib/systemd/systemd-socket-proxyd /srv/upstream"
	server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host})}
	go server.Serve(l)
	m.t.Cleanup(func() { server.Close() })
	m.sh(m.relay)
}
