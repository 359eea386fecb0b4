package admin

import (
	"context"
	"net/http"
	"time"
)

// Policies is the part of a Backend that is about rules.
type Policies interface {
	// Why says what became of a package.
	Why(ctx context.Context, r WhyRequest) (*WhyResult, error)
	// PolicyCheck and PolicyDiff look at the configuration file as it is now.
	PolicyCheck(ctx context.Context) (*PolicyCheckResult, error)
	PolicyDiff(ctx context.Context, r PolicyDiffRequest) (*PolicyDiffResult, error)
}

func handlePolicies(mux *http.ServeMux, b Policies, allowed rules) {
	handle(mux, "why", allowed, func(ctx context.Context, _ Caller, r WhyRequest, _ func(Event)) (*WhyResult, error) {
		return b.Why(ctx, r)
	})
	handle(mux, "policy-check", allowed, func(ctx context.Context, _ Caller, _ PolicyCheckRequest, _ func(Event)) (*PolicyCheckResult, error) {
		return b.PolicyCheck(ctx)
	})
	handle(mux, "policy-diff", allowed, func(ctx context.Context, _ Caller, r PolicyDiffRequest, _ func(Event)) (*PolicyDiffResult, error) {
		return b.PolicyDiff(ctx, r)
	})
}

// Rule is a line of a policy.
type Rule struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Text    string `json:"text"`
	Comment string `json:"comment,omitempty"`
}

// WhyRequest names a package of a repository. A source package's name gives what
// is built from it, too.
type WhyRequest struct {
	Repository string `json:"repository"`
	Package    string `json:"package"`
}

// WhyResult is what became of the package in each suite of the repository.
type WhyResult struct {
	Repository string     `json:"repository"`
	Package    string     `json:"package"`
	Suites     []WhySuite `json:"suites"`
}

// WhySuite is what one suite's inputs offer of the package.
type WhySuite struct {
	Suite      string      `json:"suite"`
	Policy     string      `json:"policy,omitempty"`
	Candidates []Candidate `json:"candidates"` // newest first
	// Omitted counts those of which there were too many.
	Omitted int    `json:"omitted,omitempty"`
	Error   string `json:"error,omitempty"`
}

// Candidate is one version in one input, and what was decided about it.
type Candidate struct {
	Package      string    `json:"package"`
	Version      string    `json:"version"`
	Architecture string    `json:"architecture"`
	Kind         string    `json:"kind"` // deb, udeb or source
	From         string    `json:"from"` // archive/suite, or "pool NAME"
	Component    string    `json:"component"`
	Signer       string    `json:"signer,omitempty"`    // of the archive, or of what was brought into a pool
	FirstSeen    time.Time `json:"first_seen,omitzero"` // zero: it was there when the archive was first seen
	AddedBy      string    `json:"added_by,omitempty"`  // who brought it into the pool
	Allowed      bool      `json:"allowed"`
	Reason       string    `json:"reason"` // class, one of a fixed set
	Why          string    `json:"why"`    // for people, with rule and comment
	Rule         *Rule     `json:"rule,omitempty"`
	Until        time.Time `json:"until,omitzero"` // when a hold ends
	Served       bool      `json:"served"`         // clients see it now
	File         string    `json:"file,omitempty"` // in the repository
	SHA256       string    `json:"sha256"`
}

// PolicyCheckRequest asks about all policies of the configuration file.
type PolicyCheckRequest struct{}

// PolicyCheckResult is what is to be said about the policies.
type PolicyCheckResult struct {
	Policies []PolicyCheck `json:"policies"`
}

// PolicyCheck is what is to be said about one policy.
type PolicyCheck struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	Rules int    `json:"rules"`
	// Suites are those with the policy, as REPOSITORY/SUITE, and Packages counts
	// what their inputs offer: the rules were tried on that.
	Suites   []string `json:"suites"`
	Packages int      `json:"packages"`
	// Faults are lines that cannot be read; then there is nothing else.
	Faults   []Finding `json:"faults,omitempty"`
	Findings []Finding `json:"findings"`
	// Unmet are relations that nothing meets, of packages that are allowed with
	// dependencies, and Conflicts versions that differ between inputs; both are
	// for people and bounded.
	Unmet     []string `json:"unmet,omitempty"`
	Conflicts []string `json:"conflicts,omitempty"`
	// Error is why the rules were not tried on the packages of some suite.
	Error string `json:"error,omitempty"`
}

// Finding is something about the rules at a place.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Problem string `json:"problem"`
	Caret   string `json:"caret,omitempty"` // the line with a mark below, in two lines
}

// PolicyDiffRequest asks what the configuration file, as it is now, would change.
type PolicyDiffRequest struct {
	// Repositories restrict it; none means all that are built.
	Repositories []string `json:"repositories,omitempty"`
	// Policy gets other rules than the file has, if it is not empty. File is where
	// they were read, for people.
	Policy string `json:"policy,omitempty"`
	Rules  string `json:"rules,omitempty"`
	File   string `json:"file,omitempty"`
}

// PolicyDiffResult is what would change.
type PolicyDiffResult struct {
	Suites []PolicyDiff `json:"suites"`
}

// PolicyDiff is what would change in one suite, against what clients see now.
type PolicyDiff struct {
	Repository string `json:"repository"`
	Suite      string `json:"suite"`
	Policy     string `json:"policy,omitempty"`
	Published  bool   `json:"published"` // false: clients see nothing of it yet
	Packages   int    `json:"packages"`  // that there would be
	Added      int    `json:"added"`
	Removed    int    `json:"removed"`
	Unheld     int    `json:"unheld"` // added, and held back by the policy in force
	Held       int    `json:"held"`   // removed by a hold
	// Changes are sorted by name; Omitted counts those of which there were too
	// many.
	Changes []PolicyChange `json:"changes"`
	Omitted int            `json:"omitted,omitempty"`
	Error   string         `json:"error,omitempty"`
}

// PolicyChange is one version that would be there or not.
type PolicyChange struct {
	Effect       string `json:"effect"` // added, removed, unheld or held
	Package      string `json:"package"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Kind         string `json:"kind"`
	From         string `json:"from,omitempty"` // empty where no input offers it any more
	Why          string `json:"why"`
	Rule         *Rule  `json:"rule,omitempty"`
}
