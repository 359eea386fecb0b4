package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// attachedType is the content type of a call that brings files: the request as
// one line of JSON, and then their bytes, one file after the other, of the sizes
// that the request says.
const attachedType = "application/x-aptmirror-files"

// Attachment is a file that a call brings.
type Attachment struct {
	Name string    `json:"name"`
	Size int64     `json:"size"` // bytes
	Body io.Reader `json:"-"`
}

// CallWith is Call with files behind the request, which names them.
func (c *Client) CallWith(ctx context.Context, name string, request any, files []Attachment, news func(Event), result any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	parts := []io.Reader{bytes.NewReader(append(line, '\n'))}
	for _, f := range files {
		parts = append(parts, &exactly{f, f.Size})
	}
	return c.call(ctx, name, attachedType, io.MultiReader(parts...), news, result)
}

// exactly reads as many bytes as were promised.
type exactly struct {
	Attachment
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.Body.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF && e.left > 0 {
		err = fmt.Errorf("%s became shorter while it was read", e.Name)
	}
	if err == io.EOF {
		err = nil
	}
	return n, err
}

// handleWith registers a call that brings files; do reads them from body.
func handleWith[Q, A any](mux *http.ServeMux, name string, allowed rules, do func(ctx context.Context, by Caller, request Q, body io.Reader) (*A, error)) {
	mux.HandleFunc("POST /v1/"+name, func(w http.ResponseWriter, r *http.Request) {
		out := newAnswer(w, allowed)
		caller, err := allowed.admit(r)
		if err != nil {
			out.send(Message{Error: &Error{err.Error(), ExitFailed}})
			return
		}
		body := bufio.NewReaderSize(allowed.paced(w, r), 64<<10)
		var request Q
		if err := readLine(r, body, &request); err != nil {
			out.send(Message{Error: &Error{"reading the call: " + err.Error(), ExitUsage}})
			return
		}
		result, err := do(r.Context(), caller, request, body)
		out.finish(result, result != nil, err)
	})
}

// readLine reads the request and leaves the files.
func readLine(r *http.Request, body *bufio.Reader, into any) error {
	if t := r.Header.Get("Content-Type"); t != attachedType {
		return fmt.Errorf("content type %q, want %s", t, attachedType)
	}
	var line []byte
	for {
		piece, err := body.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > MaxRequest:
			return fmt.Errorf("longer than %d bytes", MaxRequest)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return err
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		return d.Decode(into)
	}
}
