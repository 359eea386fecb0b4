package proxy

import (
	"strings"
	"testing"

	"aptmirror/cache/catalog"
)

// The log answers which machine got which version.
func TestTheLogSaysWhoGotWhat(t *testing.T) {
	s := proxySite(t)
	s.publish("debian", "sid", map[string]file{"pool/main/s/src/src_1.2-3.dsc": {kind: catalog.KindPackage, body: []byte("dsc")}})
	cert := s.client("a.example.org")
	for i, test := range []struct{ path, want string }{
		{"/debian/" + deb, `path=/debian/` + deb + ` status=200 bytes=300000 fill=false seconds=0 repository=debian suite=bookworm package=hello version=2.10-3`},
		{"/debian/pool/main/g/g++/g%2b%2b_4%253a12.2%7e1_amd64.deb", `repository=debian suite=bookworm package=g++ version=4:12.2~1`},
		{"/debian/pool/main/s/src/src_1.2-3.dsc", `suite=sid package=src version=1.2-3`},
		{"http://deb.example.org/debian/" + inRelease, `path=http://deb.example.org/debian/` + inRelease + ` status=200 bytes=16 fill=false seconds=0 repository=debian suite=bookworm`},
		{"/debian/nothing", `path=/debian/nothing status=404`},
	} {
		s.dial(cert).get(test.path)
		line := s.log.await(t, "msg=request", i+1)[i]
		for _, want := range []string{test.want, "identity=dns:a.example.org", "serial=" + cert.Leaf.SerialNumber.Text(16), "method=GET"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s: the log says %q, want %q", test.path, line, want)
			}
		}
		if strings.Contains(line, "repository=") != strings.Contains(test.want, "suite=") {
			t.Errorf("%s: %s", test.path, line)
		}
	}
	c := s.dial(cert)
	c.send("GET http://user:secret@evil.example.org/debian/x HTTP/1.1", "Host: evil.example.org")
	c.answer("GET")
	c = s.dial(cert)
	c.send("CONNECT evil.example.org:443 HTTP/1.1", "Host: evil.example.org")
	c.answer("GET")
	s.log.await(t, "path=evil.example.org:443 status=405", 1)
	if found, _ := s.log.lines("user:secret"); len(found) > 0 {
		t.Errorf("a password is in the log: %s", found)
	}
}
