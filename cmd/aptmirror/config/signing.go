package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// keyPrefix marks an entry of sign_with that names a [[key]] instead of a file.
const keyPrefix = "key:"

// Key is one [[key]]: a site key that is not just a file without a passphrase. It has Private, or Public and Command.
type Key struct {
	// Name is unique among the keys; sign_with says "key:NAME".
	Name string
	// Private is the absolute path of a private key.
	Private string
	// Passphrase says where the passphrase of Private is: "credential:NAME", a systemd credential, or "file:PATH" with an
	// absolute path. Empty: the key has none.
	Passphrase string
	// Public is the absolute path of the public half of a key that Command signs with.
	Public string
	// Command is run to sign, a program (an absolute path) and its arguments: the text comes on stdin, a detached
	// signature, binary or armoured, is expected on stdout.
	Command []string
}

var credentialForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func (d *decoder) key(t *table) Key {
	k := Key{
		Name:       d.one(t, "name", cleanName),
		Private:    d.one(t, "private", d.path),
		Passphrase: d.one(t, "passphrase", d.passphrase),
		Public:     d.one(t, "public", d.path),
		Command:    d.command(t),
	}
	d.required(t, "name")
	d.checkKey(t)
	return k
}

// checkKey sees to it that a key is of one of the two kinds.
func (d *decoder) checkKey(t *table) {
	switch {
	case t.nodes["private"] == nil && t.nodes["public"] == nil && t.nodes["command"] == nil:
		d.problem(t.at("private"), "is required; leave it out only for a key that a program signs with, with public and command")
	case t.nodes["private"] == nil:
		d.required(t, "public", "command")
		if t.nodes["passphrase"] != nil {
			d.problem(t.at("passphrase"), "leave it out: it is for the file that private names")
		}
	default:
		for _, name := range []string{"public", "command"} {
			if t.nodes[name] != nil {
				d.problem(t.at(name), "leave it out, or private: a key is a file, or a program signs with it")
			}
		}
	}
}

func (d *decoder) passphrase(s string) (string, error) {
	kind, where, _ := strings.Cut(s, ":")
	switch {
	case kind == "file":
		path, err := d.path(where)
		return kind + ":" + path, err
	case kind == "credential" && len(where) <= maxWord && credentialForm.MatchString(where):
		return s, nil
	}
	// What stands there may be the passphrase itself.
	return "", errors.New("must say where the passphrase is: credential:NAME (a systemd credential) or file:PATH; the passphrase itself does not belong into a configuration")
}

// command reads a program and its arguments, which may be equal.
func (d *decoder) command(t *table) []string {
	n := t.nodes["command"]
	if n == nil {
		return nil
	}
	var words []string
	for i, item := range d.items(n) {
		if i == 0 {
			words = append(words, d.clean(item, d.path))
			continue
		}
		words = append(words, d.clean(item, cleanArgument))
	}
	d.notEmpty(t, "command")
	return words
}

func cleanArgument(s string) (string, error) {
	if len(s) > maxText || strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("is not an argument: at most %d bytes, none of them zero", maxText)
	}
	return s, nil
}

// signingKey reads an entry of sign_with.
func (d *decoder) signingKey(c *Config) cleaner {
	return func(s string) (string, error) {
		name, named := strings.CutPrefix(s, keyPrefix)
		if !named {
			return d.path(s)
		}
		var names []string
		for _, k := range c.Keys {
			names = append(names, k.Name)
		}
		if !slices.Contains(names, name) {
			return "", fmt.Errorf("there is no [[key]] %q%s", name, DidYouMean(name, names))
		}
		return s, nil
	}
}

// KeyOf gives the key that an entry of SignWith means: one of the file, or one with nothing but the path.
func (c *Config) KeyOf(signWith string) Key {
	name, named := strings.CutPrefix(signWith, keyPrefix)
	for _, k := range c.Keys {
		if named && k.Name == name {
			return k
		}
	}
	return Key{Private: signWith}
}

func (d *decoder) bundles(t *table, c *Config) Bundles {
	b := Bundles{SignWith: d.list(t, "sign_with", d.signingKey(c)), SignedBy: d.list(t, "signed_by", d.signer)}
	d.notEmpty(t, "sign_with", "signed_by")
	d.checkKeyring(t, b.SignedBy)
	return b
}

func (b Bundles) isSet() bool { return len(b.SignWith)+len(b.SignedBy) > 0 }

func (f *formatter) bundlesValues(b Bundles) values {
	return values{"sign_with": f.signWith(b.SignWith), "signed_by": f.signers(b.SignedBy)}
}

func (f *formatter) signWith(list []string) string {
	var out []string
	for _, s := range list {
		if !strings.HasPrefix(s, keyPrefix) {
			s = f.relative(s)
			if strings.HasPrefix(s, keyPrefix) {
				s = "./" + s
			}
		}
		out = append(out, s)
	}
	return quoteList(out)
}

func (f *formatter) keyValues(k Key) values {
	v := values{"name": quoteSet(k.Name), "private": f.path(k.Private), "passphrase": quoteSet(k.Passphrase), "public": f.path(k.Public)}
	if file, ok := strings.CutPrefix(k.Passphrase, "file:"); ok {
		v["passphrase"] = quote("file:" + f.relative(file))
	}
	if len(k.Command) > 0 {
		v["command"] = quoteAll(append([]string{f.relative(k.Command[0])}, k.Command[1:]...))
	}
	return v
}
