// Package policy decides which packages of its inputs a built suite has. It
// owns the rule language (README.md beside this file), the meaning of patterns,
// the order in which rules and guards count, and the explanations.
//
// Everything here is a function of what it is given: the facts about packages in
// a Set, the rules, and the time. Nothing is read or written, no clock is asked,
// and the same arguments give the same verdicts in the same order; so the build,
// `why` and `policy diff` cannot disagree.
//
// Patterns are those of apt-patterns(7): a pattern selects what `apt list`
// selects with it. Rules decide single versions, and so patterns in rules are
// matched as apt matches versions, inside ?any-version. Patterns that begin
// with ?x- are ours, but for apt's own ?x-name-fnmatch.
package policy
