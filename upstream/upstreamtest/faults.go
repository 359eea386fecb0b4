package upstreamtest

import (
	"bytes"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// File is what should have been served.
type File struct {
	Data     []byte
	Modified time.Time
	Missing  bool
}

// Fault answers a request wrongly. Tests may write their own; f.Data must not be changed.
type Fault func(w http.ResponseWriter, r *http.Request, f File)

// patternFault is a fault with what it applies to. Guarded by Server.mu.
type patternFault struct {
	pattern string
	fault   Fault
	*budget
}

// budget is how many more times a fault applies; negative is for ever.
type budget struct{ left int }

func (f patternFault) matches(name string) bool {
	if !strings.Contains(f.pattern, "/") {
		name = path.Base(name)
	}
	ok, err := path.Match(f.pattern, name)
	return ok && err == nil
}

// Fault makes requests for matching paths go wrong until ClearFaults. A pattern is one of path.Match; without a slash it
// is matched against the last element of the path. The newest matching fault wins.
func (s *Server) Fault(pattern string, fault Fault) { s.FaultTimes(-1, pattern, fault) }

// FaultTimes is Fault for the next n matching requests only.
func (s *Server) FaultTimes(n int, pattern string, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, patternFault{pattern, fault, &budget{n}})
}

// ClearFaults makes the server honest again.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// serve answers as it should be.
func serve(w http.ResponseWriter, r *http.Request, f File) {
	if f.Missing {
		http.NotFound(w, r)
		return
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	http.ServeContent(w, r, "", f.Modified, bytes.NewReader(f.Data))
}

// whole serves data with status 200 and its length, whatever the request's conditions and ranges are.
func whole(w http.ResponseWriter, f File, data []byte, length int) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(length))
	h.Set("Last-Modified", f.Modified.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusOK)
	w.Write(data) // the client may leave
}

// Truncate promises the whole length, sends half of the bytes and cuts the connection.
func Truncate(w http.ResponseWriter, _ *http.Request, f File) {
	whole(w, f, f.Data[:len(f.Data)/2], len(f.Data))
	http.NewResponseController(w).Flush() // the client may be gone
	panic(http.ErrAbortHandler)
}

// WrongLength sends a file that is one byte longer, with a length to match.
func WrongLength(w http.ResponseWriter, _ *http.Request, f File) {
	whole(w, f, append(bytes.Clone(f.Data), '\n'), len(f.Data)+1)
}

// WrongBytes flips one bit in the middle; the length stays.
func WrongBytes(w http.ResponseWriter, r *http.Request, f File) {
	if f.Data = bytes.Clone(f.Data); len(f.Data) > 0 {
		f.Data[len(f.Data)/2] ^= 1
	}
	serve(w, r, f)
}

// HTML200 answers with the login page of a captive portal.
func HTML200(w http.ResponseWriter, _ *http.Request, _ File) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, "<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n")
}

// Endless sends the file and then zeros, without a length, until the client leaves.
func Endless(w http.ResponseWriter, _ *http.Request, f File) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, err := w.Write(f.Data)
	for zeros := make([]byte, 64<<10); err == nil; {
		_, err = w.Write(zeros)
	}
}

// NotFound answers 404.
func NotFound(w http.ResponseWriter, r *http.Request, _ File) { http.NotFound(w, r) }

// Status answers with the code and a body; retryAfter is the header of that name, "" for none.
func Status(code int, retryAfter string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ File) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		http.Error(w, http.StatusText(code), code)
	}
}

// Redirect answers 302 to the address; one without a host is relative to the server.
func Redirect(to string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ File) { http.Redirect(w, r, to, http.StatusFound) }
}

// RedirectTree answers 302 to the same path below another archive address, as a mirror director does.
func RedirectTree(to string) Fault {
	return func(w http.ResponseWriter, r *http.Request, _ File) {
		http.Redirect(w, r, to+"/"+strings.TrimPrefix(r.URL.EscapedPath(), base), http.StatusFound)
	}
}

// Reset drops the connection without an answer. On a kept-alive connection Go's client then asks once more by itself, so
// with FaultTimes count for that.
func Reset(http.ResponseWriter, *http.Request, File) { panic(http.ErrAbortHandler) }

// NoLastModified serves the file without its date.
func NoLastModified(w http.ResponseWriter, r *http.Request, f File) {
	f.Modified = time.Time{}
	serve(w, r, f)
}

// IgnoreRange sends the whole file whatever range is asked for.
func IgnoreRange(w http.ResponseWriter, r *http.Request, f File) {
	r.Header.Del("Range")
	serve(w, r, f)
}

// Always200 heeds no If-Modified-Since.
func Always200(w http.ResponseWriter, r *http.Request, f File) {
	r.Header.Del("If-Modified-Since")
	serve(w, r, f)
}

// Always304 claims that nothing has changed, to those who did not ask, too.
func Always304(w http.ResponseWriter, _ *http.Request, _ File) { w.WriteHeader(http.StatusNotModified) }

// Stall promises the file, sends half of it and then nothing until the client leaves or the test ends.
func Stall(w http.ResponseWriter, r *http.Request, f File) {
	whole(w, f, f.Data[:len(f.Data)/2], len(f.Data))
	http.NewResponseController(w).Flush() // the client may be gone
	<-r.Context().Done()
}

// Slow sends the file in pieces of this many bytes with a pause after each.
func Slow(piece int, pause time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, f File) {
		whole(w, f, nil, len(f.Data))
		for rest := f.Data; len(rest) > 0; {
			n := min(piece, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				return
			}
			http.NewResponseController(w).Flush() // the client may be gone
			rest = rest[n:]
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
	}
}

// WrongRange answers a request for a range with one that begins earlier, and says so; other requests get the file.
func WrongRange(w http.ResponseWriter, r *http.Request, f File) {
	if r.Header.Get("Range") == "" {
		serve(w, r, f)
		return
	}
	w.Header().Set("Content-Range", "bytes 0-"+strconv.Itoa(len(f.Data)-1)+"/"+strconv.Itoa(len(f.Data)))
	w.Header().Set("Last-Modified", f.Modified.UTC().Format(http.TimeFormat))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(f.Data) // the client may leave
}

// RedirectLoop redirects every request to itself.
func RedirectLoop(w http.ResponseWriter, r *http.Request, _ File) {
	http.Redirect(w, r, r.URL.EscapedPath(), http.StatusFound)
}

// TruncateThenWrongRange breaks off in the middle, and answers with another part when asked for the rest.
func TruncateThenWrongRange(w http.ResponseWriter, r *http.Request, f File) {
	if r.Header.Get("Range") == "" {
		Truncate(w, r, f)
	}
	WrongRange(w, r, f)
}
