package listen

import (
	"errors"
	"net"
	"strings"
	"testing"
)

func TestErrorsSayWhatToDo(t *testing.T) {
	l, err := On(t.Context(), "127.0.0.1:0", "serve.listen")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for address, want := range map[string]string{l.Addr().String(): "sport = :" + port, "192.0.2.1:0": "ip address shows"} {
		fault := (*Error)(nil)
		if l, err := On(t.Context(), address, "serve.listen"); !errors.As(err, &fault) || !strings.Contains(fault.Next, want) || !strings.HasSuffix(fault.Next, "change serve.listen") {
			t.Errorf("%s: %v, %v", address, l, err)
		}
	}
}

func TestClientsHaveTheSocketsThatWerePassed(t *testing.T) {
	passed, err := On(t.Context(), "127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Sockets{clientSockets: {passed}}.Clients(t.Context(), []string{"192.0.2.1:1"})
	if err != nil || len(all) != 1 || all[0] != passed {
		t.Errorf("%v, %v", all, err)
	}
	if err := Close(all); err != nil {
		t.Error(err)
	}
	if all, err := (Sockets{}).Clients(t.Context(), []string{"127.0.0.1:0", "192.0.2.1:1"}); err == nil {
		t.Errorf("at an address that nobody has: %v", all)
	}
}
