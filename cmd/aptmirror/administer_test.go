package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"aptmirror/proxy/admin"
	"aptmirror/upstream/upstreamtest"
)

// call makes an administrative call with the client's certificate.
func (c *client) call(name, request string) (status string, last admin.Message) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, "https://localhost:"+c.port+"/-/v1/"+name, strings.NewReader(request))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := c.http().Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		for lines := json.NewDecoder(resp.Body); lines.More(); {
			if err := lines.Decode(&last); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	return resp.Status, last
}

// An identity with the right makes the same calls as a command does, and stands
// in the record of what it asked for.
func TestAdministrationOverTheNetwork(t *testing.T) {
	t.Parallel()
	a := upstreamtest.New(t)
	a.AddPackage(upstreamtest.Package{Name: "hello", Version: "1"})
	a.Publish()
	h := newHost(t, a)
	h.edit(func(text string) string {
		return text + "\n[[grant]]\nidentity = \"dns:boss.example.org\"\nadmin = true\n"
	})
	h.serve()
	boss, other := h.client("boss.example.org"), h.client("one.example.org")
	if status, _ := other.call("status", "{}"); !strings.Contains(status, "403 dns:one.example.org may not administer") {
		t.Errorf("another identity: %s", status)
	}
	status, last := boss.call("sync", `{"archives": ["debian"]}`)
	if status != "200 OK" || last.Error != nil || last.Result == nil {
		t.Fatalf("sync: %s, %+v", status, last.Error)
	}
	if jobs := data[admin.Jobs](h, "jobs"); len(jobs.Jobs) == 0 || jobs.Jobs[0].By != "dns:boss.example.org" {
		t.Errorf("jobs: %+v", jobs.Jobs)
	}
}
