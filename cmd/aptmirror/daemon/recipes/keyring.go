package recipes

import (
	"bytes"
	"context"
	"net/url"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/resign"
	"aptmirror/resign/pool"
)

// keyringPool is where the keyring packages of a repository are kept. No
// configured pool can be called that.
func keyringPool(repository string) string { return catalog.BuiltBy(repository) }

// keyringInput is the package with the keys that sign now.
func (b *Book) keyringInput(ctx context.Context, c *config.Config, repository string, s config.Suite) (in resign.Input, err error) {
	m := b.InForce()
	if err := m.Faults["repository "+repository]; err != nil {
		return in, err
	}
	k := resign.Keyring{Repository: repository, Keys: m.Keys[repository]}
	if public, err := url.Parse(c.Serve.PublicURL); err == nil {
		k.Host = public.Hostname()
	}
	deb, err := k.Deb()
	if err != nil {
		return in, err
	}
	component := config.DefaultComponent
	if has := c.ContentsOf(s); len(has.Components) > 0 {
		component = has.Components[0]
	}
	p := pool.New(pool.Config{Name: keyringPool(repository), Component: component, Cache: b.Cache, Now: b.Now})
	added, err := p.Add(ctx, "the keys of repository "+repository, pool.File{Name: k.Name() + ".deb", Size: int64(len(deb)), Body: bytes.NewReader(deb)})
	if err != nil {
		return in, err
	}
	return resign.Input{Name: "the keyring package", Pool: keyringPool(repository), Files: append(added.New, added.Known...), Exempt: true}, nil
}
