package upstreamtest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fileTree is what one or more servers serve, by path relative to the archive.
type fileTree struct {
	start time.Time // dates files that are set by hand

	mu       sync.RWMutex // guards the fields below
	files    map[string]file
	modified map[string]time.Time // the last date of every path there ever was
}

// file is never changed, only replaced.
type file struct {
	data     []byte
	modified time.Time
}

func (t *fileTree) get(path string) (file, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	f, ok := t.files[path]
	return f, ok
}

// replace removes and adds in one step, so that no request sees half a publication. Files whose bytes stay keep their
// date; the others get now, or the second after the last date that their path had.
func (t *fileTree) replace(remove []string, add map[string][]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, path := range remove {
		if _, stays := add[path]; !stays {
			delete(t.files, path)
		}
	}
	for path, data := range add {
		if old, ok := t.files[path]; !ok || !bytes.Equal(old.data, data) {
			t.modified[path] = later(t.modified[path], now)
			t.files[path] = file{data, t.modified[path]}
		}
	}
}

// Request is one request as it arrived. Path is relative to the archive, cleaned.
type Request struct {
	Method, Path string
	Header       http.Header
}

// Server serves an archive over plain HTTP. Its methods may be called concurrently.
type Server struct {
	tree *fileTree
	http *httptest.Server

	mu       sync.Mutex // guards the fields below
	requests []Request
	faults   []patternFault
}

// base is where the archive lies on the server; requests outside it get 404.
const base = "/debian/"

func newServer(t testing.TB, tree *fileTree) *Server {
	s := &Server{tree: tree}
	s.http = httptest.NewServer(http.HandlerFunc(s.handle))
	t.Cleanup(func() {
		s.http.CloseClientConnections() // ends stalled answers
		s.http.Close()
	})
	return s
}

// URL returns the address for a sources.list, without a final slash.
func (s *Server) URL() string { return s.http.URL + strings.TrimSuffix(base, "/") }

// Close stops the server at once, for tests of an upstream that is gone.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Set serves data at path, relative to the archive, in place of what was there; a lasting lie, where Publish would not
// write this. The next Publish undoes it for its own files.
func (s *Server) Set(path string, data []byte) {
	s.tree.replace(nil, map[string][]byte{path: data}, s.tree.start)
}

// Remove makes path missing.
func (s *Server) Remove(path string) { s.tree.replace([]string{path}, nil, s.tree.start) }

// Get returns what is served at path, nil if nothing is.
func (s *Server) Get(path string) []byte {
	f, _ := s.tree.get(path)
	return bytes.Clone(f.data)
}

// Paths returns the sorted paths of all files.
func (s *Server) Paths() (paths []string) {
	s.tree.mu.RLock()
	defer s.tree.mu.RUnlock()
	for p := range s.tree.files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// Requests returns the requests so far, in order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count returns how many requests for path there were, whatever their method and outcome.
func (s *Server) Count(path string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.Path == path {
			n++
		}
	}
	return n
}

// ForgetRequests starts counting anew.
func (s *Server) ForgetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	// Flat repositories put "/./" on the wire; apt never cleans it.
	rest, ok := strings.CutPrefix(path.Clean(r.URL.Path)+"/", base)
	name := strings.TrimSuffix(rest, "/")
	fault := s.arrived(Request{r.Method, name, r.Header.Clone()})
	f, found := s.tree.get(name)
	switch {
	case fault != nil:
		fault(w, r, File{Data: f.data, Modified: f.modified, Missing: !found})
	case !ok || !found:
		http.NotFound(w, r)
	default:
		serve(w, r, File{Data: f.data, Modified: f.modified})
	}
}

// arrived notes the request and returns the fault for it, if any.
func (s *Server) arrived(r Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	for _, f := range slices.Backward(s.faults) {
		if f.matches(r.Path) && f.left != 0 {
			f.left--
			return f.fault
		}
	}
	return nil
}
