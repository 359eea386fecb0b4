package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// takes keeps uploads in a map and refuses what a test wants.
type takes struct {
	mu      sync.Mutex // guards the fields below
	files   map[string]string
	refuses error
	unread  bool // refuse before anything is read
}

func (u *takes) Upload(_ context.Context, f Upload) error {
	u.mu.Lock()
	refuses, unread := u.refuses, u.unread
	u.mu.Unlock()
	if unread {
		return refuses
	}
	data, err := io.ReadAll(f.Body)
	if err != nil {
		return err
	}
	if int64(len(data)) != f.Size {
		return fmt.Errorf("got %d bytes of %d", len(data), f.Size)
	}
	if refuses != nil {
		return refuses
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	name := f.Name
	if f.Set {
		name += " of a set"
	}
	u.files[f.By.Name+" "+f.Pool+" "+name] = string(data)
	return nil
}

func (u *takes) refuse(err error, unread bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refuses, u.unread = err, unread
}

func uploadSite(t *testing.T) (*site, *takes) {
	t.Helper()
	s := newSite(t)
	u := &takes{files: map[string]string{}}
	s.server.Uploads = u
	return s, u
}

// put uploads and reads the answer.
func (c *connection) put(path, body string, headers ...string) answer {
	c.t.Helper()
	c.send(append([]string{"PUT " + path + " HTTP/1.1", "Host: mirror.example.org", fmt.Sprintf("Content-Length: %d", len(body))}, headers...)...)
	io.WriteString(c, body)
	return c.answer("PUT")
}

func TestUploadsReachTheirPool(t *testing.T) {
	s, u := uploadSite(t)
	c := s.dial(s.client("maker.example.org"))
	big := string(pattern(3<<20, 5)) // many pieces
	for name, body := range map[string]string{"a_1.0~rc1%2bb1_all.deb": "small", "big_1_amd64.deb": big, "empty_1.changes": ""} {
		if a := c.put("/-/upload/internal/"+name, body); a.code != 201 || a.closes {
			t.Errorf("%s: %s", name, a.status)
		}
	}
	for name, body := range map[string]string{"a_1.0~rc1+b1_all.deb": "small", "big_1_amd64.deb": big, "empty_1.changes": ""} {
		if got, ok := u.files["dns:maker.example.org internal "+name]; !ok || got != body {
			t.Errorf("%s: kept %v, %d bytes", name, ok, len(got))
		}
	}
	if lines := s.log.await(t, "msg=upload", 3); !strings.Contains(lines[0], "identity=dns:maker.example.org") || !strings.Contains(lines[0], "pool=internal") {
		t.Errorf("the log says %s", lines[0])
	}
}

func TestSetsHaveAnAddressOfTheirOwn(t *testing.T) {
	s, u := uploadSite(t)
	c := s.dial(s.client("maker.example.org"))
	if a := c.put("/-/upload/internal/set/a.deb", "bytes"); a.code != 201 || u.files["dns:maker.example.org internal a.deb of a set"] != "bytes" {
		t.Errorf("got %s and %v", a.status, u.files)
	}
	if a := c.put("/-/upload/internal/set/x/a.deb", "bytes"); a.code != 400 {
		t.Errorf("got %s", a.status)
	}
}

func TestUploadersThatAskFirstAreToldToGoOn(t *testing.T) {
	s, u := uploadSite(t)
	c := s.dial(s.client("maker.example.org"))
	c.send("PUT /-/upload/internal/a.deb HTTP/1.1", "Host: mirror.example.org", "Content-Length: 5", "Expect: 100-continue")
	if line := must(c.in.ReadString('\n'))(t); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q", line)
	}
	must(c.in.ReadString('\n'))(t)
	io.WriteString(c, "bytes")
	if a := c.answer("PUT"); a.code != 201 || u.files["dns:maker.example.org internal a.deb"] != "bytes" {
		t.Errorf("got %s and %v", a.status, u.files)
	}
}

func TestRefusedUploadsAreToldWhy(t *testing.T) {
	s, u := uploadSite(t)
	s.server.MaxUpload = 1 << 20
	for _, test := range []struct {
		name, client, request string
		code                  int
		text                  string
	}{
		{"other pool", "maker.example.org", "PUT /-/upload/other/a.deb", 403, "dns:maker.example.org may not upload to other"},
		{"no pool", "maker.example.org", "PUT /-/upload/", 405, "GET and HEAD"},
		{"no right", "a.example.org", "PUT /-/upload/internal/a.deb", 403, "dns:a.example.org may not upload to internal"},
		{"no name", "maker.example.org", "PUT /-/upload/internal", 400, "/-/upload/POOL/FILE"},
		{"folder", "maker.example.org", "PUT /-/upload/internal/x/a.deb", 400, "/-/upload/POOL/FILE"},
		{"blank", "maker.example.org", "PUT /-/upload/internal/a%20b.deb", 400, "/-/upload/POOL/FILE"},
		{"hidden", "maker.example.org", "PUT /-/upload/internal/.a.deb", 400, "/-/upload/POOL/FILE"},
		{"encoded slash", "maker.example.org", "PUT /-/upload/internal/..%2fa.deb", 405, ""},
		{"other method", "maker.example.org", "POST /-/upload/internal/a.deb", 405, "PUT"},
		{"reading", "maker.example.org", "GET /-/upload/internal/a.deb", 405, "PUT"},
		{"to a repository", "root.example.org", "PUT /debian/a.deb", 405, "GET and HEAD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := s.dial(s.client(test.client))
			c.send(test.request+" HTTP/1.1", "Host: mirror.example.org", "Content-Length: 5")
			a := c.answer("PUT")
			if a.code != test.code || !strings.Contains(a.status, test.text) || !a.closes {
				t.Errorf("got %s, want %d and %q", a.status, test.code, test.text)
			}
			if test.text == "PUT" && a.header.Get("Allow") != "PUT" {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
			c.closed()
		})
	}
	for name, test := range map[string]struct {
		headers []string
		code    int
		text    string
	}{
		"too large":   {[]string{"Content-Length: 1048577"}, 413, "has 1048577 bytes, at most 1048576 are taken"},
		"no length":   {[]string{"Transfer-Encoding: chunked"}, 411, "has to say its length"},
		"two lengths": {[]string{"Content-Length: 5", "Transfer-Encoding: chunked"}, 411, ""},
	} {
		c := s.dial(s.client("maker.example.org"))
		c.send(append([]string{"PUT /-/upload/internal/a.deb HTTP/1.1", "Host: mirror.example.org"}, test.headers...)...)
		if a := c.answer("PUT"); a.code != test.code || !strings.Contains(a.status, test.text) {
			t.Errorf("%s: got %s", name, a.status)
		}
	}
	if len(u.files) > 0 {
		t.Errorf("kept %v", u.files)
	}
}

func TestWhatThePoolRefusesIsAnsweredSo(t *testing.T) {
	s, u := uploadSite(t)
	body := string(pattern(1<<20, 6))
	for _, unread := range []bool{false, true} {
		for code, text := range map[int]string{409: "hello 1.0 is there with other bytes", 413: "too large", 422: "no Version", 403: "not signed", 404: "no such pool"} {
			u.refuse(fmt.Errorf("adding: %w", &UploadError{code, text}), unread)
			a := s.dial(s.client("maker.example.org")).put("/-/upload/internal/a.deb", body)
			if a.code != code || a.status != fmt.Sprintf("%d %s", code, text) || !a.closes {
				t.Errorf("%d, unread %v: got %s", code, unread, a.status)
			}
		}
	}
	u.refuse(errors.New("the disk is on fire"), false)
	a := s.dial(s.client("maker.example.org")).put("/-/upload/internal/a.deb", body)
	if a.code != 503 || strings.Contains(a.status, "fire") || a.header.Get("Retry-After") == "" {
		t.Errorf("got %s", a.status)
	}
	s.log.await(t, "the disk is on fire", 2) // the act and the request
}

func TestUploadersThatStopSendingAreCut(t *testing.T) {
	s, u := uploadSite(t)
	s.server.stall = 50 * time.Millisecond
	c := s.dial(s.client("maker.example.org"))
	c.send("PUT /-/upload/internal/a.deb HTTP/1.1", "Host: mirror.example.org", "Content-Length: 1000000")
	io.WriteString(c, "some")
	s.log.await(t, "i/o timeout", 1)
	if len(u.files) > 0 {
		t.Errorf("kept %v", u.files)
	}
	c = s.dial(s.client("maker.example.org"))
	c.send("PUT /-/upload/internal/a.deb HTTP/1.1", "Host: mirror.example.org", "Content-Length: 1000000")
	io.WriteString(c, "some")
	c.Close()
	s.log.await(t, "msg=upload", 2)
}
