package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bundles are the calls about what is carried to where no network goes. The
// daemon may often not read and write where the person can who gives the command.
// So the daemon says what is to be written, and the command writes it, fetching
// the files one by one; and the command reads what is to be imported.
type Bundles interface {
	Export(ctx context.Context, by Caller, r ExportRequest, news func(Event)) (*ExportPlan, error)
	// File gives a file of the store by its SHA-256.
	File(ctx context.Context, r FileRequest) (io.ReadCloser, int64, error)
	// Import takes in one part of a bundle.
	Import(ctx context.Context, by Caller, r ImportRequest, part io.Reader, news func(Event)) (*ImportResult, error)
	Imports(ctx context.Context) (*ImportList, error)
}

// ExportRequest says what to export.
type ExportRequest struct {
	Snapshot string `json:"snapshot"`
	Since    string `json:"since,omitempty"`     // another snapshot, whose files are left out
	PartSize int64  `json:"part_size,omitempty"` // bytes; 0: one part
	Tree     bool   `json:"tree,omitempty"`      // plain repositories instead of a bundle
	Partial  bool   `json:"partial,omitempty"`   // what is there of a snapshot that is not complete
}

// ExportPlan is what is to be written: a bundle.Prepared, or a bundle.Tree.
type ExportPlan struct {
	Bundle json.RawMessage `json:"bundle,omitempty"`
	Tree   json.RawMessage `json:"tree,omitempty"`
}

// FileRequest names a file of the store.
type FileRequest struct {
	SHA256 string `json:"sha256"`
}

// ImportRequest says something of a part that is imported.
type ImportRequest struct {
	Name string // for messages
}

// ImportResult is what became of a part of a bundle.
type ImportResult struct {
	Bundle   string    `json:"bundle"` // the snapshot's name
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Base     string    `json:"base,omitempty"`
	Signers  []string  `json:"signers"`
	NewFiles int       `json:"new_files"` // that were not in the store
	NewBytes int64     `json:"new_bytes"`
	// Missing are the parts that are still needed; nothing is published as long
	// as there are any.
	Missing []int `json:"missing,omitempty"`
	Parts   int   `json:"parts"`
	// Suites are those that were taken in, Ignored those that no archive of the
	// configuration has.
	Suites  []SuiteResult `json:"suites"`
	Ignored []string      `json:"ignored,omitempty"`
}

// ImportList has what was imported so far, newest first.
type ImportList struct {
	Imports []Imported `json:"imports"`
}

// Imported is the record of a bundle.
type Imported struct {
	Bundle   string    `json:"bundle"`
	ID       string    `json:"id"`
	Created  time.Time `json:"created"`
	Imported time.Time `json:"imported"`
	Signers  []string  `json:"signers"`
	Files    int       `json:"files"`
	Bytes    int64     `json:"bytes"`
}

const (
	fileType = "application/octet-stream"
	partType = "application/x-tar"
)

func handleBundles(mux *http.ServeMux, b Bundles, allowed rules) {
	handle(mux, "export", allowed, func(ctx context.Context, by Caller, r ExportRequest, news func(Event)) (*ExportPlan, error) {
		return b.Export(ctx, by, r, news)
	})
	handle(mux, "imports", allowed, func(ctx context.Context, _ Caller, _ struct{}, _ func(Event)) (*ImportList, error) {
		return b.Imports(ctx)
	})
	mux.HandleFunc("POST /v1/file", func(w http.ResponseWriter, r *http.Request) { serveFile(w, r, b, allowed) })
	mux.HandleFunc("POST /v1/import", func(w http.ResponseWriter, r *http.Request) { takePart(w, r, b, allowed) })
}

// serveFile answers with a file, or with a Message that has an error.
func serveFile(w http.ResponseWriter, r *http.Request, b Bundles, allowed rules) {
	out := newAnswer(w, allowed)
	_, err := allowed.admit(r)
	var request FileRequest
	if err == nil {
		err = readRequest(w, r, allowed, &request)
	}
	var file io.ReadCloser
	var size int64
	if err == nil {
		file, size, err = b.File(r.Context(), request)
	}
	if err != nil {
		out.finish(nil, false, err)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", fileType)
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	io.Copy(w, file) // a caller who gets less than was promised knows that it failed
}

// takePart reads a part of a bundle from the body of the call. News goes out
// meanwhile, and the outcome perhaps before the end of the body.
func takePart(w http.ResponseWriter, r *http.Request, b Bundles, allowed rules) {
	out := newAnswer(w, allowed)
	if err := out.control.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		out.finish(nil, false, err)
		return
	}
	caller, err := allowed.admit(r)
	if err == nil && r.Header.Get("Content-Type") != partType {
		err = &Error{fmt.Sprintf("reading the call: content type %q, want %s", r.Header.Get("Content-Type"), partType), ExitUsage}
	}
	if err != nil {
		out.finish(nil, false, err)
		return
	}
	result, err := b.Import(r.Context(), caller, ImportRequest{Name: r.URL.Query().Get("name")}, allowed.paced(w, r), func(e Event) { out.send(Message{Event: &e}) })
	out.finish(result, result != nil, err)
	out.drain(r.Body)
}

// drain reads what a caller still sends who has the outcome already: were the
// connection closed under them, they might not see it.
func (a *answer) drain(body io.Reader) {
	if err := a.control.SetReadDeadline(time.Now().Add(a.patience)); err != nil {
		return // in this process there is nobody who sends
	}
	io.Copy(io.Discard, body)
}

// File gives a file of the store by its SHA-256.
func (c *Client) File(ctx context.Context, sha256 string) (io.ReadCloser, error) {
	body, err := json.Marshal(FileRequest{sha256})
	if err != nil {
		return nil, err
	}
	resp, err := c.post(ctx, "file", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if resp.Header.Get("Content-Type") == fileType {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	return nil, read(ctx, resp.Body, func(Event) {}, nil)
}

// Import sends one part of a bundle, and closes it. Closing has to end a Read under way
// that may take for ever, else the call may do so when the daemon goes away.
func (c *Client) Import(ctx context.Context, name string, part io.ReadCloser, news func(Event)) (result ImportResult, err error) {
	ctx = context.WithValue(ctx, bodyKey{}, io.Closer(part))
	err = c.call(ctx, "import?name="+url.QueryEscape(name), partType, part, news, &result)
	return result, err
}
