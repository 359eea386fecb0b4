package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"aptmirror/upstream/upstreamtest"
)

const treeServer = `
daemon off; %[3]s
pid %[1]s/nginx.pid; error_log /dev/null;
events { worker_connections 64; }
http {
  access_log /dev/null;
  client_body_temp_path %[1]s/tmp; proxy_temp_path %[1]s/tmp; fastcgi_temp_path %[1]s/tmp; uwsgi_temp_path %[1]s/tmp; scgi_temp_path %[1]s/tmp;
  server { listen %[2]s; root %[1]s/www; }
}
`

// serveTree gives the address of an nginx that has DIR/www.
func serveTree(t *testing.T, dir string) (url string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	address := "127.0.0.1:" + freePort(t)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, treeServer, dir, address, user), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-c", config, "-p", dir, "-e", filepath.Join(dir, "nginx.log"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
	})
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			t.Fatal("nginx did not start")
		case <-t.Context().Done():
			t.Fatal("nginx did not answer")
		default:
		}
	}
}

// A tree is a repository for any web server, also while it is brought up to date.
func TestATreeServedByNginx(t *testing.T) {
	t.Parallel()
	apt := upstreamtest.NewAPT(t)
	a, hello, _ := sample(t)
	h := newHost(t, a)
	h.must("sync")
	h.must("snapshot", "create", "monday", "--complete")
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	www := filepath.Join(dir, "www")
	if r := h.must("export", "monday", "--tree", www); !strings.Contains(r.stderr, "0 old ones removed") {
		t.Errorf("export said\n%s", r.stderr)
	}
	url := serveTree(t, dir)
	apt.Sources("deb [signed-by=" + a.KeyringFile() + "] " + url + "/debian stable main")
	installs := func(p upstreamtest.Package) {
		t.Helper()
		if out, err := apt.Get("update", "--error-on=any"); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, err := apt.Get("download", p.Name); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	installs(hello)
	later := a.AddPackage(upstreamtest.Package{Name: "later"})
	a.Publish()
	h.must("sync")
	h.must("snapshot", "create", "tuesday", "--complete")
	got := data[struct{ Files, New, Removed int }](h, "export", "tuesday", "--tree", www)
	if got.New == 0 || got.New >= got.Files || got.Removed != 0 {
		t.Errorf("the second export: %+v", got)
	}
	installs(later)
	apt.Sources("deb [signed-by=" + a.KeyringFile() + "] file:" + www + "/debian stable main")
	installs(later)
}
