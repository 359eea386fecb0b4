package admin

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// keeper keeps what comes with calls.
type keeper struct {
	Backend
	got   map[string]string
	fails error // before anything is read
}

func (k *keeper) AddPackages(_ context.Context, _ Caller, r AddPackagesRequest, body io.Reader) (*AddedPackages, error) {
	if k.fails != nil {
		return nil, k.fails
	}
	for _, f := range r.Files {
		data := make([]byte, f.Size)
		if _, err := io.ReadFull(body, data); err != nil {
			return nil, err
		}
		k.got[f.Name] = string(data)
	}
	if n, _ := io.Copy(io.Discard, body); n > 0 {
		return nil, errors.New("more came than was announced")
	}
	return &AddedPackages{Added: []PoolFile{{Pool: r.Pool}}}, nil
}

func attachment(name, text string) Attachment {
	return Attachment{Name: name, Size: int64(len(text)), Body: strings.NewReader(text)}
}

func TestFilesComeWithCalls(t *testing.T) {
	big := strings.Repeat("0123456789", 1<<20)
	for _, remote := range []bool{true, false} {
		k := &keeper{got: map[string]string{}}
		c := InProcess(NewHandler(k, os.Getuid()))
		if remote {
			c = dial(t, serve(t, NewHandler(k, os.Getuid())))
		}
		files := []Attachment{attachment("a.deb", "first\n{}"), attachment("empty", ""), attachment("big", big)}
		var result AddedPackages
		err := c.CallWith(t.Context(), "packages/add", AddPackagesRequest{Pool: "internal", Files: files}, files, func(Event) {}, &result)
		if err != nil || len(result.Added) != 1 || result.Added[0].Pool != "internal" {
			t.Errorf("remote %v: %+v, %v", remote, result, err)
		}
		if diff := cmp.Diff(map[string]string{"a.deb": "first\n{}", "empty": "", "big": big}, k.got); diff != "" {
			t.Errorf("remote %v (-want +got):\n%s", remote, diff)
		}
	}
}

// Who is refused is told so, although much is still to come.
func TestRefusalsWhileFilesCome(t *testing.T) {
	big := attachment("big", strings.Repeat("0123456789", 1<<20))
	for name, test := range map[string]struct {
		uid  int
		want string
	}{"another user": {os.Getuid() + 1, "may not administer"}, "the work": {os.Getuid(), "no such pool"}} {
		if name == "another user" && os.Getuid() == 0 {
			continue // root may
		}
		k := &keeper{fails: errors.New("no such pool")}
		big.Body = strings.NewReader(strings.Repeat("0123456789", 1<<20))
		err := dial(t, serve(t, NewHandler(k, test.uid))).CallWith(t.Context(), "packages/add", AddPackagesRequest{Files: []Attachment{big}}, []Attachment{big}, func(Event) {}, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilesThatChangeWhileTheyAreRead(t *testing.T) {
	k := &keeper{got: map[string]string{}}
	c := dial(t, serve(t, NewHandler(k, os.Getuid())))
	broken := errors.New("broken disk")
	for name, f := range map[string]Attachment{
		"shorter":    {Name: "a", Size: 100, Body: strings.NewReader("short")},
		"unreadable": {Name: "a", Size: 100, Body: iotest.ErrReader(broken)},
	} {
		if err := c.CallWith(t.Context(), "packages/add", AddPackagesRequest{Files: []Attachment{f}}, []Attachment{f}, func(Event) {}, nil); err == nil {
			t.Errorf("%s: added", name)
		}
	}
	grown := Attachment{Name: "a", Size: 5, Body: strings.NewReader("longer than it was")}
	if err := c.CallWith(t.Context(), "packages/add", AddPackagesRequest{Files: []Attachment{grown}}, []Attachment{grown}, func(Event) {}, new(AddedPackages)); err != nil || k.got["a"] != "longe" {
		t.Errorf("longer: %v, %q", err, k.got["a"])
	}
}

func TestRequestsThatAreNoLine(t *testing.T) {
	c := InProcess(NewHandler(&keeper{}, os.Getuid()))
	for name, body := range map[string]string{
		"too long": `{"pool":"` + strings.Repeat("x", MaxRequest) + "\"}\n", "cut": `{"pool":`, "unknown": `{"x":1}` + "\n", "text": "hello\n",
	} {
		err := c.call(t.Context(), "packages/add", attachedType, strings.NewReader(body), func(Event) {}, nil)
		if fault := (*Error)(nil); !errors.As(err, &fault) || fault.Exit != ExitUsage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := c.Call(t.Context(), "packages/add", AddPackagesRequest{}, func(Event) {}, nil); err == nil || !strings.Contains(err.Error(), "content type") {
		t.Errorf("without files: %v", err)
	}
}
