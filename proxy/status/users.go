package status

import (
	"os/user"
	"strings"
	"sync"
	"time"
)

const (
	// maxUsers bounds how many users are remembered; then all are forgotten.
	maxUsers = 256
	// userPatience is how long the page waits to learn who a user is: names may
	// come over a network. Until usersAge the number stands for them.
	userPatience = time.Second
	// usersAge is for how long names are remembered.
	usersAge = time.Hour
)

// users knows this machine's names for those who asked for something.
type users struct {
	lookUp func(uid string) (*user.User, error)

	mu    sync.Mutex        // held while one is looked up; guards the rest
	named map[string]string // by uid
	since time.Time         // the oldest of them
}

// name gives the name of a user where "uid 1000" stands for one that this
// machine has, and anybody else as it stands.
func (u *users) name(by string, now time.Time) string {
	uid, ok := strings.CutPrefix(by, "uid ")
	if !ok {
		return by
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if age := now.Sub(u.since); u.named == nil || len(u.named) >= maxUsers || age < 0 || age > usersAge {
		u.named, u.since = map[string]string{}, now
	}
	name, known := u.named[uid]
	if !known {
		name = u.ask(uid, by)
		u.named[uid] = name
	}
	return name
}

func (u *users) ask(uid, otherwise string) string {
	answer := make(chan string, 1)
	go func() {
		if known, err := u.lookUp(uid); err == nil {
			answer <- known.Username
		} else {
			answer <- otherwise
		}
	}()
	select {
	case name := <-answer:
		return name
	case <-time.After(userPatience):
		return otherwise
	}
}
