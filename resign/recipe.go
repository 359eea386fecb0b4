package resign

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	"aptmirror/cache/blob"
	"aptmirror/cache/catalog"
	"aptmirror/policy"
)

// Recipe is everything that decides what a built suite contains.
type Recipe struct {
	Repository, Suite string
	// From is in order of preference: of the same version of a package, the
	// first input that offers it supplies it.
	From []Input
	// Policy is nil where everything is allowed.
	Policy *policy.Policy
	// Components and Architectures restrict the suite; nil takes those of the
	// inputs. Architectures may have "source".
	Components, Architectures []string
	// Languages are those of the translations; nil takes all.
	Languages []string
	// WithoutContents leaves out which package has which file: reading that of
	// a whole archive takes longer than everything else.
	WithoutContents bool
	// Pools are those of all pools that are configured, for the rules against
	// confusion.
	Pools []policy.Pool
}

// Input is one of the things that a suite is made from: a mirrored generation,
// one that was built for another repository, or a pool.
type Input struct {
	Name       string // as it is configured, for people: "archive:debian/bookworm"
	Generation *catalog.Generation
	// Pool and its Files count where Generation is nil.
	Pool  string
	Files []catalog.PoolFile
	// Exempt says that no rule of the policy takes away what the input offers.
	Exempt bool
}

// origin is the archive or pool that packages of the input are placed under; ""
// for one that was built, whose packages lie under their own.
func (in Input) origin() string {
	if in.Generation == nil {
		return in.Pool
	}
	if _, built := in.Generation.Builder(); built {
		return ""
	}
	return in.Generation.Archive
}

// format is part of what decides the contents: raising it makes all suites be
// built anew, as is needed where the same inputs shall give other indexes.
const format = 1

// digest stands for a recipe and the inputs as they were read.
func (r *Recipe) digest(inputs []*input) (blob.Digest, error) {
	type identity struct {
		Name, Origin string
		Exempt       bool
		Facts        policy.Input
		Indexes      []string
		Missing      []string `json:",omitempty"` // with the same indexes, it may be found later
		Built        blob.Digest
		Pool         []string
	}
	whole := struct {
		Format                               int
		WithoutContents                      bool
		Policy                               []string // nil: everything is allowed
		Components, Architectures, Languages []string
		Pools                                []policy.Pool
		Inputs                               []identity
	}{Format: format, WithoutContents: r.WithoutContents, Components: r.Components, Architectures: r.Architectures, Languages: r.Languages, Pools: r.Pools}
	if r.Policy != nil {
		whole.Policy = []string{}
		for _, rule := range r.Policy.Rules {
			whole.Policy = append(whole.Policy, rule.Text)
		}
	}
	for _, in := range inputs {
		id := identity{Name: in.Name, Origin: in.origin(), Exempt: in.Exempt, Facts: in.facts}
		switch {
		case in.Generation == nil:
			id.Pool = in.poolIdentity(!r.WithoutContents)
		case in.origin() == "":
			id.Built = in.Generation.Manifest
		default:
			for _, f := range slices.Concat(in.named, in.other) {
				id.Indexes = append(id.Indexes, f.indexName.path()+" "+f.identity.String())
			}
			id.Missing = in.Generation.Missing
		}
		whole.Inputs = append(whole.Inputs, id)
	}
	raw, err := json.Marshal(whole)
	return sha256.Sum256(raw), err
}
