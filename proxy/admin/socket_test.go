package admin

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSocketBelongsToItsOwnerAlone(t *testing.T) {
	socket := socketPath(t)
	before := syscall.Umask(0o022)
	defer syscall.Umask(before)
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(socket)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, %v; want a socket of 0600", info.Mode(), err)
	}
	if mask := syscall.Umask(0o022); mask != 0o022 {
		t.Errorf("the mask of the process is now %o", mask)
	}
}

// stale leaves a socket behind, as a daemon does that was killed.
func stale(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestStaleSocketsAreReplaced(t *testing.T) {
	socket := socketPath(t)
	stale(t, socket)
	if _, err := Dial(t.Context(), socket); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("Dial: %v", err)
	}
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	if conn, err := net.Dial("unix", socket); err != nil {
		t.Errorf("nobody listens: %v", err)
	} else {
		conn.Close()
	}
	l.Close()
	if _, err := os.Lstat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	socket := socketPath(t)
	first, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := Listen(socket); err == nil || !strings.Contains(err.Error(), "answers on") {
		t.Errorf("the second: %v", err)
	}
	if conn, err := net.Dial("unix", socket); err != nil {
		t.Errorf("the first is gone: %v", err)
	} else {
		conn.Close()
	}
}

func TestBusyDaemonIsNotTakenForADeadOne(t *testing.T) {
	socket := socketPath(t)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for err == nil { // until its queue is full, since it takes none
		var conn net.Conn
		if conn, err = net.Dial("unix", socket); err == nil {
			defer conn.Close()
		}
	}
	if _, err := Listen(socket); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("Listen: %v", err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("its socket was removed: %v", err)
	}
}

func TestWhatIsNoSocketStays(t *testing.T) {
	socket := socketPath(t)
	for name, make := range map[string]func() error{
		"file": func() error { return os.WriteFile(socket, []byte("precious"), 0o600) },
		"link": func() error {
			stale(t, socket+"2")
			return os.Symlink(socket+"2", socket)
		},
		"directory": func() error { return os.Mkdir(socket, 0o700) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		if l, err := Listen(socket); err == nil || !strings.Contains(err.Error(), "in the way") {
			t.Errorf("%s: %v, %v", name, l, err)
		}
		if _, err := os.Lstat(socket); err != nil {
			t.Errorf("%s: it was removed", name)
		}
		os.Remove(socket)
	}
}

func TestPathsThatNoSocketCanHave(t *testing.T) {
	socket := filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath))
	if _, err := Listen(socket); err == nil || !strings.Contains(err.Error(), "shorter state directory") {
		t.Errorf("Listen: %v", err)
	}
	for _, path := range []string{socket, filepath.Join(t.TempDir(), "s")} {
		if _, err := Dial(t.Context(), path); !errors.Is(err, ErrNoDaemon) {
			t.Errorf("Dial: %v", err)
		}
	}
	longest := filepath.Dir(socketPath(t)) + "/"
	longest += strings.Repeat("x", maxSocketPath-len(longest))
	l, err := Listen(longest)
	if err != nil {
		t.Fatalf("the longest: %v", err)
	}
	defer l.Close()
	conn, err := net.Dial("unix", longest)
	if err != nil {
		t.Fatalf("the longest: %v", err)
	}
	conn.Close()
}

func TestKernelNamesTheCaller(t *testing.T) {
	l, err := Listen(socketPath(t))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw(t, l.Addr().String())
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if caller, err := peer(conn); err != nil || caller.UID != os.Getuid() {
		t.Errorf("peer is %v, %v", caller, err)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := peer(a); err == nil {
		t.Error("a connection without credentials has a caller")
	}
}

const callVariable = "APTMIRROR_TEST_CALL"

// TestCallAsOtherUser is run by TestOtherUsersAreRefused as a process of its own.
func TestCallAsOtherUser(t *testing.T) {
	socket := os.Getenv(callVariable)
	if socket == "" {
		t.Skip("calls only as a process of another test")
	}
	t.Logf("answer: %v", dial(t, socket).Call(t.Context(), "status", struct{}{}, nil, &Status{}))
}

func TestOtherUsersAreRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	socket := serve(t, NewHandler(&backend{}, 4_242))
	for path, mode := range map[string]fs.FileMode{filepath.Dir(socket): 0o711, socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil { // let everybody in, to see what the handler says
			t.Fatal(err)
		}
	}
	program := filepath.Join(filepath.Dir(socket), "call")
	if text, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatal(err, string(text))
	}
	cmd := exec.Command(program, "-test.run=^TestCallAsOtherUser$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), callVariable+"="+socket, "TMPDIR=/")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65_534, Gid: 65_534}}
	text, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(text), "answer: user 65534 may not administer this aptmirror") {
		t.Errorf("%v\n%s", err, text)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(program, cmd.Args[1:]...)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), callVariable+"="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65_534, Gid: 65_534}}
	if text, _ := cmd.CombinedOutput(); !strings.Contains(string(text), "run the command as root or as the user of the service") {
		t.Errorf("with the socket's own mode:\n%s", text)
	}
}
