package admin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bundles is a backend for what is carried.
type bundles struct {
	Backend
	part func(part io.Reader, news func(Event)) (*ImportResult, error)
	file func() (io.ReadCloser, int64, error)
}

func (b *bundles) Import(_ context.Context, by Caller, r ImportRequest, part io.Reader, news func(Event)) (*ImportResult, error) {
	return b.part(part, news)
}

func (b *bundles) File(context.Context, FileRequest) (io.ReadCloser, int64, error) { return b.file() }

// bothWays runs a test over a socket and inside the process.
func bothWays(t *testing.T, b Backend, test func(t *testing.T, c *Client)) {
	t.Helper()
	h := NewHandler(b, os.Getuid())
	t.Run("over a socket", func(t *testing.T) {
		c, err := Dial(t.Context(), serve(t, h))
		if err != nil {
			t.Fatal(err)
		}
		test(t, c)
	})
	t.Run("inside the process", func(t *testing.T) { test(t, InProcess(h)) })
}

func TestAPartIsReadWhileNewsGoesOut(t *testing.T) {
	data := bytes.Repeat([]byte("part"), 4<<20)
	b := &bundles{part: func(part io.Reader, news func(Event)) (*ImportResult, error) {
		n := 0
		for buffer := make([]byte, 1<<20); ; {
			m, err := io.ReadFull(part, buffer)
			n += m
			if err != nil {
				break
			}
			news(Event{Text: "more"})
		}
		return &ImportResult{NewBytes: int64(n)}, nil
	}}
	bothWays(t, b, func(t *testing.T, c *Client) {
		events := 0
		got, err := c.Import(t.Context(), "a name/with ?&", io.NopCloser(bytes.NewReader(data)), func(Event) { events++ })
		if err != nil || got.NewBytes != int64(len(data)) || events != 16 {
			t.Errorf("%+v, %v, %d events", got, err, events)
		}
	})
}

// A caller who stops sending holds neither the job nor the connection.
func TestCallersThatStopSendingAreGivenUp(t *testing.T) {
	b := &bundles{part: func(part io.Reader, _ func(Event)) (*ImportResult, error) {
		_, err := io.Copy(io.Discard, part)
		return nil, err
	}}
	socket := serve(t, newHandler(b, rules{os.Getuid(), time.Second, 20 * time.Millisecond}))
	for name, body := range map[string]string{
		"import?name=part": "a beginning", "jobs": "{", "packages/add": "{\"pool\"",
	} {
		contentType := map[string]string{"jobs": "application/json", "packages/add": attachedType}[name]
		call := post(name, cmp.Or(contentType, partType), strings.Repeat(" ", 1<<20))
		conn := raw(t, socket)
		io.WriteString(conn, call[:strings.Index(call, "\r\n\r\n")+4]+body)
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.Contains(string(answer), "sent less than 65.5 kB in 20ms") {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
}

// pipes is a listener inside a bubble.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

// Work may be slower than callers are waited for, also in the middle of a piece.
func TestOnlyWaitingForTheCallerCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stall, size = time.Second, 1 << 20
		b := &bundles{part: func(part io.Reader, _ func(Event)) (*ImportResult, error) {
			if _, err := io.ReadFull(part, make([]byte, 10)); err != nil {
				return nil, err
			}
			time.Sleep(2 * stall) // the clock of the bubble
			n, err := io.Copy(io.Discard, part)
			return &ImportResult{NewBytes: n}, err
		}}
		server := NewServer(newHandler(b, rules{os.Getuid(), callerPatience, stall}), slog.New(slog.DiscardHandler))
		server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, Caller{UID: os.Getuid()})
		}
		l := make(pipes, 1)
		go server.Serve(l)
		defer server.Close()
		there, here := net.Pipe()
		l <- there
		go io.WriteString(here, post("import?name=part", partType, strings.Repeat("x", size)))
		if answer, err := io.ReadAll(here); err != nil || !strings.Contains(string(answer), fmt.Sprint(size-10)) {
			t.Errorf("%q, %v", answer, err)
		}
	})
}

// A caller with nothing to send for the moment is told when the daemon goes away.
func TestADaemonThatGoesAwayIsNoticedWhileNothingIsSent(t *testing.T) {
	begun := make(chan struct{})
	b := &bundles{part: func(part io.Reader, _ func(Event)) (*ImportResult, error) {
		close(begun)
		_, err := io.Copy(io.Discard, part)
		return nil, err
	}}
	socket := socketPath(t)
	l, err := Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(NewHandler(b, os.Getuid()), slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	go func() {
		<-begun
		server.Close()
	}()
	part, silent := io.Pipe()
	defer silent.Close()
	if _, err := dial(t, socket).Import(t.Context(), "part", part, func(Event) {}); err == nil || err.Error() != "calling the daemon: the daemon went away before it was done" {
		t.Errorf("got %v", err)
	}
	if err := <-done; err != http.ErrServerClosed {
		t.Error(err)
	}
}

// endless never ends until somebody does not read any more.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestARefusalArrivesWhileThePartIsStillSent(t *testing.T) {
	b := &bundles{part: func(part io.Reader, _ func(Event)) (*ImportResult, error) {
		io.CopyN(io.Discard, part, 1<<20)
		return nil, &Error{"refused", ExitRefused}
	}}
	bothWays(t, b, func(t *testing.T, c *Client) {
		for range 20 {
			_, err := c.Import(t.Context(), "part", io.NopCloser(endless{}), func(Event) {})
			if refused := (*Error)(nil); !errors.As(err, &refused) || refused.Exit != ExitRefused {
				t.Fatalf("got %v", err)
			}
		}
	})
}

func TestFilesOfTheStore(t *testing.T) {
	for name, c := range map[string]struct {
		file func() (io.ReadCloser, int64, error)
		want string
		err  string
	}{
		"whole":   {func() (io.ReadCloser, int64, error) { return io.NopCloser(strings.NewReader("bytes")), 5, nil }, "bytes", ""},
		"missing": {func() (io.ReadCloser, int64, error) { return nil, 0, errors.New("there is none") }, "", "there is none"},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, &bundles{file: c.file}, func(t *testing.T, client *Client) {
				file, err := client.File(t.Context(), "00")
				if c.err != "" {
					if err == nil || err.Error() != c.err {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer file.Close()
				if got, err := io.ReadAll(file); string(got) != c.want || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			})
		})
	}
}

func TestAFileThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	b := &bundles{file: func() (io.ReadCloser, int64, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("half"), broken{})), 8, nil
	}}
	c, err := Dial(t.Context(), serve(t, NewHandler(b, os.Getuid())))
	if err != nil {
		t.Fatal(err)
	}
	file, err := c.File(t.Context(), "00")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got, err := io.ReadAll(file); err == nil {
		t.Errorf("it ends as if it was whole: %q", got)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("damaged") }

// BenchmarkFile fetches files as an export does.
func BenchmarkFile(b *testing.B) {
	for _, size := range []int64{2 << 10, 1 << 20, 64 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := make([]byte, size)
			backend := &bundles{file: func() (io.ReadCloser, int64, error) { return io.NopCloser(bytes.NewReader(data)), size, nil }}
			c, err := Dial(b.Context(), serve(b, NewHandler(backend, os.Getuid())))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				file, err := c.File(b.Context(), "00")
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, file); n != size || err != nil {
					b.Fatal(n, err)
				}
				file.Close()
			}
		})
	}
}
