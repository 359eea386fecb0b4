package pool

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// takesUp is how many bytes a pool takes up.
func takesUp(t testing.TB, p *Pool) int64 {
	t.Helper()
	use, err := p.Cache.Catalog.PoolUse(t.Context(), p.Name)
	if err != nil {
		t.Fatal(err)
	}
	return use.Bytes
}

func TestMaxSize(t *testing.T) {
	p := newPool(t, nil)
	first := newDeb(t, control("first", "1", "all", ""), strings.Repeat("x", 100))
	second := newDeb(t, control("second", "1", "all", ""), strings.Repeat("y", 100))
	add(t, p, first)
	one := takesUp(t, p)
	if one <= first.Size {
		t.Errorf("it takes up %d bytes, the package has %d: its stanza and paths do not count", one, first.Size)
	}
	add(t, p, second)
	both := takesUp(t, p)
	if _, err := p.Remove(t.Context(), "tester", Removal{Package: "second"}); err != nil {
		t.Fatal(err)
	}
	if now := takesUp(t, p); now != one {
		t.Errorf("after the second was removed, %d bytes are taken up, not %d", now, one)
	}
	p.MaxSize = both - 1
	second = newDeb(t, control("second", "2", "all", ""), strings.Repeat("y", 100))
	refused(t, p, Full, "(max_size). Have an administrator remove", second)
	refused(t, p, Full, "pool internal would have 1 bytes more", named("a.deb", first), second)
	if again := add(t, p, first); len(again.Known) != 1 {
		t.Errorf("what a full pool has is not known: %+v", again)
	}
	if _, err := p.AddAgain(t.Context(), "uid 0", second); err == nil {
		t.Error("an administrator goes over the limit of the pool")
	}
	p.MaxSize = both
	add(t, p, second)
	p.MaxSize = one // lowered: what there is stays
	add(t, p, named("a.deb", first), second)
	refused(t, p, Full, "max_size", newDeb(t, control("third", "1", "all", ""), ""))
}

func TestMaxSizeEach(t *testing.T) {
	p := newPool(t, nil)
	deb := func(name string) File { return newDeb(t, control(name, "1", "all", ""), name) }
	upload := func(by, name string) error {
		t.Helper()
		_, err := p.Upload(t.Context(), by, deb(name))
		return err
	}
	if err := upload("dns:one", "a1"); err != nil {
		t.Fatal(err)
	}
	p.MaxSizeEach = takesUp(t, p) * 3 / 2
	err := upload("dns:one", "a2")
	if refusal := (*Error)(nil); !errors.As(err, &refusal) || refusal.Reason != Full || !strings.Contains(err.Error(), "dns:one would have ") {
		t.Errorf("over its limit: %v", err)
	}
	if err := upload("dns:two", "a1"); err != nil { // what is known is nobody's again
		t.Error(err)
	}
	if err := upload("dns:two", "b1"); err != nil {
		t.Error(err)
	}
	for n := range 3 { // who administers the mirror has no limit of this kind
		if _, err := p.Add(t.Context(), "uid 0", deb(fmt.Sprint("c", n))); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Remove(t.Context(), "uid 0", Removal{Package: "a1"}); err != nil {
		t.Fatal(err)
	}
	if err := upload("dns:one", "a2"); err != nil {
		t.Errorf("after its package was removed: %v", err)
	}
}
