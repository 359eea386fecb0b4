package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"aptmirror/proxy/identity"
)

// Uploads takes files for pools.
type Uploads interface {
	// Upload takes one file, and returns once it is kept for good or as part
	// of a set that is not complete yet. What the uploader can mend is an
	// *UploadError.
	Upload(ctx context.Context, u Upload) error
}

// Upload is a file that comes for a pool.
type Upload struct {
	By   identity.Identity
	Pool string
	// Name is one file name of printable ASCII without blanks; nothing else has
	// been checked.
	Name string
	// Set says that it is one of several that belong together, of which the
	// last is a .changes file that lists the others.
	Set  bool
	Size int64 // bytes of Body
	Body io.Reader
}

// UploadError refuses an upload.
type UploadError struct {
	// Status is the HTTP status: 409 where another file has that name, 413
	// where it is too large, 422 where it is not acceptable, 403 where who
	// signed it may not, 404 where there is no such pool, 507 where it would be
	// too much.
	Status int
	// Text is one line for the person at the other end.
	Text string
}

func (e *UploadError) Error() string { return e.Text }

const (
	// maxUpload is the largest file that is taken, in bytes, where Config
	// does not say.
	maxUpload = 4 << 30
	// uploadPiece has to come within stallTimeout, else the upload is cut.
	uploadPiece = 64 << 10
	// maxFileName is the longest name of an uploaded file, in bytes.
	maxFileName = 255
)

var (
	errOnlyPut    = errors.New("files are uploaded with PUT")
	errNoLength   = errors.New("an upload has to say its length")
	errUploadName = errors.New("uploads go to /-/upload/POOL/FILE, or those of a .changes to /-/upload/POOL/set/FILE, where FILE is a file name without blanks")
	errNoUploads  = errors.New("this server takes no uploads")
)

// setFolder is where the files of a set go, below their pool.
const setFolder = "set/"

// upload takes one file for a pool; target is POOL/NAME or POOL/set/NAME.
func (s *Server) upload(e *entry, grant identity.Grant, target string) {
	e.class = ClassUpload
	pool, name, _ := strings.Cut(target, "/")
	name, set := strings.CutPrefix(name, setFolder)
	if status, err := s.mayUpload(e.request, grant, pool, name); err != nil {
		e.refuse(status, err)
		return
	}
	e.uploads = true
	err := s.Uploads.Upload(e.request.Context(), Upload{grant.Identity, pool, name, set, e.request.ContentLength, &pieces{entry: e}})
	s.audit(e, "upload", err, slog.String("pool", pool), slog.String("file", name), slog.Int64("size", e.request.ContentLength))
	e.uploaded(err)
}

func (s *Server) mayUpload(r *http.Request, grant identity.Grant, pool, name string) (status int, err error) {
	size := s.MaxUpload
	if size == 0 {
		size = maxUpload
	}
	switch {
	case r.Method != http.MethodPut:
		return http.StatusMethodNotAllowed, errOnlyPut
	case pool == "" || !grant.MayUpload(pool):
		return http.StatusForbidden, grant.Refusal("upload to " + printable(pool))
	case s.Uploads == nil:
		return http.StatusNotFound, errNoUploads
	case !isFileName(name):
		return http.StatusBadRequest, errUploadName
	case r.ContentLength < 0:
		return http.StatusLengthRequired, errNoLength
	case r.ContentLength > size:
		return http.StatusRequestEntityTooLarge, fmt.Errorf("the file has %d bytes, at most %d are taken", r.ContentLength, size)
	}
	return 0, nil
}

func isFileName(name string) bool {
	return name != "" && len(name) <= maxFileName && name[0] != '.' &&
		!strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == ' ' || unprintable(r) })
}

// uploaded answers an upload.
func (e *entry) uploaded(err error) {
	refused := (*UploadError)(nil)
	switch {
	case err == nil:
		e.status = http.StatusCreated
		io.WriteString(e, "kept\n")
	case errors.As(err, &refused):
		e.err = err
		e.tell(refused.Status, refused.Text)
	case e.request.Context().Err() != nil:
		e.err, e.cut = err, true
		panic(http.ErrAbortHandler)
	default:
		e.err = err
		e.comeAgain("the file could not be taken at the moment, try again later")
	}
}

// pieces reads a body of which every piece has to come in time: a deadline for
// every single read would let a client hold on with a byte a minute.
type pieces struct {
	*entry
	left int // bytes until the deadline is set anew
}

// Read implements io.Reader.
func (p *pieces) Read(b []byte) (int, error) {
	if p.left == 0 {
		p.left = uploadPiece
		if err := p.within(time.Now().Add(p.server.stall)); err != nil {
			return 0, err
		}
	}
	n, err := p.request.Body.Read(b[:min(len(b), p.left)])
	p.left -= n
	p.received += int64(n)
	if err == io.EOF {
		p.within(time.Time{}) // net/http goes on reading, to see whether the client leaves
	}
	return n, err
}

// within sets the deadline of reading, and of writing "100 Continue".
func (p *pieces) within(deadline time.Time) error {
	control := http.NewResponseController(p.ResponseWriter)
	return errors.Join(control.SetReadDeadline(deadline), control.SetWriteDeadline(deadline))
}
