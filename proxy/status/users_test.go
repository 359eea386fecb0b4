package status

import (
	"os/user"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestUsersHaveTheirNames(t *testing.T) {
	now, asked, root := time.Now(), 0, "root"
	u := &users{lookUp: func(uid string) (*user.User, error) {
		asked++
		if uid != "0" {
			return nil, user.UnknownUserIdError(7)
		}
		return &user.User{Username: root}, nil
	}}
	for by, want := range map[string]string{
		"uid 0": "root", "uid 7": "uid 7", "uid": "uid", "schedule": "schedule", "dns:host1.example.org": "dns:host1.example.org", "": "",
	} {
		if got := u.name(by, now); got != want {
			t.Errorf("%q is called %q, want %q", by, got, want)
		}
	}
	u.name("uid 0", now)
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	root = "toor"
	if got := u.name("uid 0", now.Add(usersAge+1)); got != "toor" {
		t.Errorf("after a while it is still %q", got)
	}
	for i := range 3 * maxUsers {
		u.name("uid "+strconv.Itoa(i), now)
	}
	if len(u.named) > maxUsers {
		t.Errorf("%d are remembered", len(u.named))
	}
}

func TestThePageDoesNotWaitForWhoUsersAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		u, began := &users{lookUp: func(string) (*user.User, error) { <-end; return nil, user.UnknownUserIdError(0) }}, time.Now()
		for range 10 {
			if got := u.name("uid 0", began); got != "uid 0" {
				t.Errorf("it is called %q", got)
			}
		}
		if took := time.Since(began); took != userPatience {
			t.Errorf("it took %s", took)
		}
		close(end)
	})
}
