package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"aptmirror/cmd/aptmirror/config"
	"aptmirror/cmd/aptmirror/daemon"
	"aptmirror/cmd/aptmirror/site"
	"aptmirror/proxy/admin"
	"aptmirror/proxy/identity"
	"aptmirror/proxy/pki"
)

// checkName is who the certificate says that is issued for the time of the
// check, in memory only.
const checkName = daemon.DoctorName

// answerSize bounds what is read of an answer, in bytes: it is one sentence.
const answerSize = 64 << 10

// handshakes tries what clients meet: with a good certificate they must get in,
// without one they must not. Without a daemon the same files are tried against
// one another in memory.
func (d *Doctor) handshakes(ctx context.Context, status *admin.Status) []Finding {
	f := &findings{check: "mTLS"}
	if d.Config.Serve.Cert == "" {
		return nil
	}
	if d.DaemonError != nil {
		f.note("", "not tried: the daemon cannot be asked")
		return f.list
	}
	dial, where := d.rehearsal, "in a rehearsal, since no daemon runs"
	if status != nil && len(status.Listen) > 0 {
		dial, where = dialer(reachable(status.Listen[0])), "on "+reachable(status.Listen[0])
	}
	roots, err := d.roots()
	if err != nil {
		f.bad("", err.Error(), "")
		return f.list
	}
	d.withCertificate(ctx, f, dial, roots, where)
	d.withoutCertificate(ctx, f, dial, roots, where)
	return f.list
}

// dial opens one connection to the server, TLS not yet begun.
type dial func(context.Context) (net.Conn, error)

func dialer(address string) dial {
	return func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", address) }
}

// reachable is an address of this machine for one that is listened on.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return listen
}

// roots are what clients trust; nil is what the system does.
func (d *Doctor) roots() (*x509.CertPool, error) {
	if d.Config.Serve.ServerCA == "" {
		return nil, nil
	}
	certs, err := pki.LoadCertificates(d.Config.Serve.ServerCA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

func (d *Doctor) withCertificate(ctx context.Context, f *findings, dial dial, roots *x509.CertPool, where string) {
	own, err := d.certificate()
	if err != nil {
		f.note("with a certificate", err.Error())
		return
	}
	status, text, err := d.try(ctx, dial, roots, own)
	switch {
	case err != nil:
		f.bad("with a certificate", fmt.Sprintf("no answer %s: %v", where, err), "look at the findings about certificates above, then: "+d.Program+" reload")
	case status == http.StatusForbidden && !d.grantless(own):
		f.bad("with a certificate", fmt.Sprintf("refused %s: %s", where, text), "look at the findings about certificates above, then: "+d.Program+" reload")
	default:
		f.ok("with a certificate", "recognised "+where)
	}
}

// certificate is that of a client who ought to get in.
func (d *Doctor) certificate() (*tls.Certificate, error) {
	if d.Client != nil {
		return d.Client, nil
	}
	if d.Config.Clients.CAKey == "" {
		return nil, errors.New("not tried, since the site has no CA of its own: name a client's certificate with --cert and --key")
	}
	authority, err := pki.LoadAuthority(d.Config.Clients.CACert, d.Config.Clients.CAKey)
	if err != nil {
		return nil, fmt.Errorf("not tried: %w", err)
	}
	issued, err := authority.IssueClient(pki.Leaf{Names: []string{checkName}, Days: 1}, d.Now())
	if err != nil {
		return nil, fmt.Errorf("not tried: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{issued.Cert.Raw}, PrivateKey: issued.Key, Leaf: issued.Cert}, nil
}

// grantless reports whether no grant names the holder, who is recognised but
// may do nothing then.
func (d *Doctor) grantless(own *tls.Certificate) bool {
	grants, err := site.Grants(d.Config)
	if err != nil {
		return true
	}
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	if err != nil {
		return false
	}
	id, err := identity.Of(leaf, d.Config.Serve.CNAllowed)
	return err == nil && grants.For(id).Empty()
}

func (d *Doctor) withoutCertificate(ctx context.Context, f *findings, dial dial, roots *x509.CertPool, where string) {
	status, text, err := d.try(ctx, dial, roots, nil)
	strict := d.Config.Serve.ClientAuth == config.Strict
	switch {
	case err == nil && status == http.StatusForbidden:
		f.ok("without a certificate", fmt.Sprintf("refused %s: %s", where, text))
	case err != nil && strict && isAlert(err):
		f.ok("without a certificate", fmt.Sprintf("refused in the handshake %s", where))
	case err != nil:
		f.bad("without a certificate", fmt.Sprintf("no answer %s: %v", where, err), "look at the findings about the server certificate above")
	default:
		f.bad("without a certificate", fmt.Sprintf("let in %s with status %d", where, status), "stop the service, and look what answers there: it is not this aptmirror")
	}
}

// isAlert reports whether the other side ended the handshake, and said so.
func isAlert(err error) bool {
	_, ok := errors.AsType[*net.OpError](err)
	return ok && strings.Contains(err.Error(), "remote error: tls:")
}

// try makes one request as a client, and gives the first line of the answer.
func (d *Doctor) try(ctx context.Context, dial dial, roots *x509.CertPool, own *tls.Certificate) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	plain, err := dial(ctx)
	if err != nil {
		return 0, "", err
	}
	defer plain.Close()
	deadline, _ := ctx.Deadline()
	if err := plain.SetDeadline(deadline); err != nil {
		return 0, "", err
	}
	// The server is asked by its own clock's time: a wrong clock is found elsewhere.
	c := &tls.Config{RootCAs: roots, ServerName: d.publicHost(), Time: d.Now, MinVersion: tls.VersionTLS12}
	if c.ServerName == "" {
		c.ServerName = "localhost"
	}
	if own != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own, nil }
	}
	conn := tls.Client(plain, c)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+c.ServerName+"/", nil)
	if err == nil {
		request.Header.Set("User-Agent", "aptmirror-doctor/"+d.Version)
		err = request.Write(conn)
	}
	if err != nil {
		return 0, "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, answerSize)), request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	text, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return response.StatusCode, text, err
}

// rehearsal is a server in memory that judges certificates by the same files.
func (d *Doctor) rehearsal(ctx context.Context) (net.Conn, error) {
	pair, err := tls.LoadX509KeyPair(d.Config.Serve.Cert, d.Config.Serve.Key)
	if err != nil {
		return nil, fmt.Errorf("loading the server certificate: %w", err)
	}
	trust, err := site.Trust(d.Config.Serve)
	if err != nil {
		return nil, err
	}
	client, server, err := ends()
	if err != nil {
		return nil, err
	}
	go d.judge(tls.Server(server, &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, Time: d.Now, MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true,
	}), trust)
	return client, nil
}

// ends are the two ends of a connection in memory. The kernel's has a buffer,
// unlike net.Pipe, where a client that turns a certificate down and a server
// that still has something to say would wait for each other.
func ends() (client, server net.Conn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a connection to rehearse with: %w", err)
	}
	if client, err = connOf(fds[0]); err != nil {
		return nil, nil, errors.Join(err, syscall.Close(fds[1]))
	}
	if server, err = connOf(fds[1]); err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return client, server, nil
}

// connOf takes the descriptor over.
func connOf(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "rehearsal")
	defer f.Close()
	return net.FileConn(f)
}

// judge answers one request; it ends when the client hangs up, or at the
// client's deadline.
func (d *Doctor) judge(conn *tls.Conn, trust *identity.Trust) {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return
	}
	if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
		return
	}
	status, text := http.StatusNotFound, "recognised\n"
	if _, err := trust.Identify(conn.ConnectionState().PeerCertificates, d.Now()); err != nil {
		status, text = http.StatusForbidden, err.Error()+"\n"
	}
	fmt.Fprintf(conn, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", status, http.StatusText(status), len(text), text)
}
