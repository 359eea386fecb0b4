package intake

import (
	"fmt"
	"path"
	"slices"

	"aptmirror/cache/catalog"
	"aptmirror/cmd/aptmirror/config"
	"aptmirror/resign/pool"
)

// guard keeps out of a pool what would be refused, or keep a suite from being
// built, once it is in. Intake.adding is held.
func (i *Intake) guard(name string) func(catalog.PoolFile, pool.Claims) error {
	return func(f catalog.PoolFile, claims pool.Claims) error {
		if f.Kind == catalog.PoolSourceFile {
			return nil
		}
		if err := i.reserved(name, "the name", f.Package); err != nil {
			return err
		}
		if err := i.claimed(name, f, claims); err != nil {
			return err
		}
		return i.elsewhere(name, f)
	}
}

// reserved keeps names out of a pool that another pool has for itself; what says
// how a package comes to use the name.
func (i *Intake) reserved(name, what, used string) error {
	for _, other := range i.InForce().Config.Pools {
		if pattern := matching(other.Names, used); pattern != "" && other.Name != name {
			return fmt.Errorf("%s %s is reserved for pool %s (names = %q)", what, used, other.Name, pattern)
		}
	}
	return nil
}

// claimed keeps packages out that every machine would install by itself, and
// those that provide the names of another pool. What they provide of archives'
// names is looked at when a suite is built.
func (i *Intake) claimed(name string, f catalog.PoolFile, claims pool.Claims) error {
	p := i.InForce().Pool(name)
	if claims.Essential && f.Kind == catalog.PoolDeb && p != nil && matching(p.Config.Shadows, f.Package) == "" {
		return fmt.Errorf("%s says Essential: yes, so that every machine would install it; if it shall, name it in shadows of pool %s", f.Package, name)
	}
	for _, provided := range claims.Provides {
		if err := i.reserved(name, "it provides a name of others, and", provided); err != nil {
			return err
		}
	}
	return nil
}

// matching gives the first pattern that a name matches, "" for none.
func matching(patterns []string, name string) string {
	for _, pattern := range patterns {
		if match, _ := path.Match(pattern, name); match { // config saw that it is a pattern
			return pattern
		}
	}
	return ""
}

// elsewhere refuses other bytes for a version that another pool of the same
// suite has: the suite could not be built with both.
func (i *Intake) elsewhere(name string, f catalog.PoolFile) error {
	for _, other := range i.besides(name) {
		same, err := pool.Same(i.Life, i.Cache.Catalog, other, f)
		if err != nil {
			return err
		}
		for _, h := range same {
			if h.Digest != f.Digest {
				return &catalog.PoolConflictError{Have: h, New: f}
			}
		}
	}
	return nil
}

// besides are the pools that some suite has together with this one.
func (i *Intake) besides(name string) (others []string) {
	for _, r := range i.InForce().Config.Repositories {
		for _, s := range r.Suites {
			var pools []string
			for _, from := range s.From {
				if from.Kind == config.FromPool {
					pools = append(pools, from.Name)
				}
			}
			if slices.Contains(pools, name) {
				others = append(others, pools...)
			}
		}
	}
	slices.Sort(others)
	return slices.DeleteFunc(slices.Compact(others), func(other string) bool { return other == name })
}
