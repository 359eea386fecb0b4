package proxy

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
)

// wire notes what is sent with each system call.
type wire struct {
	net.Conn
	sent     []string
	err      error
	whileOut func() // called by each Write before it returns
}

func (w *wire) Write(p []byte) (int, error) {
	w.sent = append(w.sent, string(p))
	if f := w.whileOut; f != nil {
		w.whileOut = nil
		f()
	}
	return len(p), w.err
}

func writing(b *batch, parts ...string) func() error {
	return func() error {
		for _, p := range parts {
			if _, err := io.WriteString(b, p); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestRecordsOfOnePieceAreSentTogether(t *testing.T) {
	w := &wire{}
	b := &batch{Conn: w}
	io.WriteString(b, "handshake")
	if err := b.together(writing(b, "one ", "two ", "three")); err != nil {
		t.Fatal(err)
	}
	io.WriteString(b, "bye")
	if want := []string{"handshake", "one two three", "bye"}; !slices.Equal(w.sent, want) {
		t.Errorf("sent %q, want %q", w.sent, want)
	}
}

func TestCrowdsDoNotHoldABufferEach(t *testing.T) {
	w := &wire{}
	b := &batch{Conn: w}
	batchesInUse.Add(maxBatches)
	b.together(writing(b, "one", "two"))
	batchesInUse.Add(-maxBatches)
	b.together(writing(b, "three", "four"))
	if want := []string{"one", "two", "threefour"}; !slices.Equal(w.sent, want) {
		t.Errorf("sent %q, want %q", w.sent, want)
	}
	if n := batchesInUse.Load(); n != 0 {
		t.Errorf("%d are in use", n)
	}
}

func TestPiecesLargerThanTheBuffer(t *testing.T) {
	w := &wire{}
	b := &batch{Conn: w}
	large := string(pattern(batchBytes+1, 1))
	b.together(writing(b, large[:10], large[10:]))
	if len(w.sent) != 1 || w.sent[0] != large {
		t.Errorf("sent %d pieces", len(w.sent))
	}
}

// TLS answers a key update, or closes, while a client does not read.
func TestWritersDoNotWaitForWhatIsBeingSent(t *testing.T) {
	w := &wire{}
	b := &batch{Conn: w}
	w.whileOut = func() {
		io.WriteString(b, "alert")
		if len(w.sent) != 1 {
			t.Error("a second writer waits for the connection")
		}
	}
	b.together(writing(b, "body"))
	if want := []string{"body", "alert"}; !slices.Equal(w.sent, want) {
		t.Errorf("sent %q, want %q", w.sent, want)
	}
}

func TestFailedSendsAreReportedAndEndTheBatch(t *testing.T) {
	broken := errors.New("broken pipe")
	w := &wire{err: broken}
	b := &batch{Conn: w}
	if err := b.together(writing(b, "body")); !errors.Is(err, broken) {
		t.Errorf("together: %v", err)
	}
	if _, err := io.WriteString(b, "more"); !errors.Is(err, broken) {
		t.Errorf("afterwards: %v", err)
	}
	early := errors.New("no room")
	if err := b.together(func() error { return early }); !errors.Is(err, early) {
		t.Errorf("an error of the writer: %v", err)
	}
}

func TestPanicsLeaveNoBufferBehind(t *testing.T) {
	w := &wire{}
	b := &batch{Conn: w}
	func() {
		defer func() { recover() }()
		b.together(func() error {
			io.WriteString(b, "half")
			panic("handler")
		})
	}()
	io.WriteString(b, "alert")
	if want := []string{"half", "alert"}; !slices.Equal(w.sent, want) {
		t.Errorf("sent %q, want %q", w.sent, want)
	}
}
