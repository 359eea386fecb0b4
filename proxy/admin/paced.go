package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	// bodyPiece is how many bytes a caller has to send within bodyPatience; who sends less is
	// given up, since others wait for the work that they began.
	bodyPiece = 64 << 10
	// bodyPatience is that of package proxy with those who upload.
	bodyPatience = time.Minute
)

// paced is the body of a call, of which every piece has to come in time. Only waiting
// counts: work that is slow itself costs the caller nothing.
type paced struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration

	left   int           // bytes of the piece under way
	waited time.Duration // for it so far
}

func (a rules) paced(w http.ResponseWriter, r *http.Request) io.ReadCloser {
	return &paced{ReadCloser: r.Body, control: http.NewResponseController(w), stall: a.stall}
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	if p.left == 0 {
		p.left, p.waited = bodyPiece, 0
	}
	begun := time.Now()
	if err := p.until(begun.Add(p.stall - p.waited)); err != nil {
		return 0, err
	}
	n, err := p.ReadCloser.Read(b[:min(len(b), p.left)])
	p.left -= n
	p.waited += time.Since(begun)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, fmt.Errorf("the caller sent less than %s in %s, and is waited for no longer", Size(bodyPiece), p.stall)
	}
	if err != nil { // net/http goes on reading, to see whether the caller leaves
		p.until(time.Time{})
	}
	return n, err
}

// until sets the deadline. Inside one process there is none: what is read there is the
// command's own.
func (p *paced) until(deadline time.Time) error {
	if err := p.control.SetReadDeadline(deadline); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
