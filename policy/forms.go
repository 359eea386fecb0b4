package policy

import "aptmirror/upstream/debian"

// shortForms are those of apt, each before those that it begins with.
var shortForms = []struct {
	short, term string
	argument    bool
}{
	{"r", "?architecture", true},
	{"A", "?archive", true},
	{"M", "?automatic", false},
	{"b", "?broken", false},
	{"c", "?config-files", false},
	{"DDepends:", "?depends", true},
	{"DPre-Depends:", "?pre-depends", true},
	{"DSuggests:", "?suggests", true},
	{"DRecommends:", "?recommends", true},
	{"DConflicts:", "?conflicts", true},
	{"DReplaces:", "?replaces", true},
	{"DObsoletes:", "?obsoletes", true},
	{"DBreaks:", "?breaks", true},
	{"DEnhances:", "?enhances", true},
	{"D", "?depends", true},
	{"RDepends:", "?reverse-depends", true},
	{"RPre-Depends:", "?reverse-pre-depends", true},
	{"RSuggests:", "?reverse-suggests", true},
	{"RRecommends:", "?reverse-recommends", true},
	{"RConflicts:", "?reverse-conflicts", true},
	{"RReplaces:", "?reverse-replaces", true},
	{"RObsoletes:", "?reverse-obsoletes", true},
	{"RBreaks:", "?reverse-breaks", true},
	{"REnhances:", "?reverse-enhances", true},
	{"R", "?reverse-depends", true},
	{"E", "?essential", false},
	{"F", "?false", false},
	{"g", "?garbage", false},
	{"i", "?installed", false},
	{"n", "?name", true},
	{"o", "?obsolete", false},
	{"O", "?origin", true},
	{"p", "?priority", true},
	{"s", "?section", true},
	{"e", "?source-package", true},
	{"T", "?true", false},
	{"U", "?upgradable", false},
	{"V", "?version", true},
	{"v", "?virtual", false},
}

// installedOnly are the patterns of apt that cannot be answered here, and what
// they ask.
var installedOnly = map[string]string{
	"?automatic":    "what was installed automatically",
	"?broken":       "whether something that is installed is broken",
	"?config-files": "what was removed and left its configuration",
	"?garbage":      "what is installed and no longer needed",
	"?installed":    "what is installed",
	"?obsolete":     "what is installed and in no repository",
	"?phasing":      "which updates the machine holds back",
	"?upgradable":   "what is installed in an older version",
}

// forms are the patterns by name. It is filled by init because compiling one
// pattern looks up those within it.
var forms map[string]form

func init() {
	forms = map[string]form{
		"?true":         {0, 0, constant(true)},
		"?false":        {0, 0, constant(false)},
		"?not":          {1, 1, makeNot},
		"?and":          {0, -1, makeAnd},
		"?or":           {0, -1, makeOr},
		"?any-version":  {1, 1, makeAnyVersion},
		"?narrow":       {0, -1, makeNarrow},
		"?all-versions": {1, 1, makeAllVersions},

		"?architecture":   {1, 1, makeArchitecture},
		"?essential":      {0, 0, makeEssential},
		"?exact-name":     {1, 1, makeExactName},
		"?name":           {1, 1, makeName},
		"?virtual":        {0, 0, makeVirtual},
		"?x-name-fnmatch": {1, 1, makeFnmatch},

		"?archive":        {1, 1, textOf(func(p *Package) string { return p.Input.Suite })},
		"?codename":       {1, 1, textOf(func(p *Package) string { return p.Input.Codename })},
		"?origin":         {1, 1, textOf(func(p *Package) string { return p.Input.Origin })},
		"?section":        {1, 1, textOf(func(p *Package) string { return p.Section })},
		"?source-package": {1, 1, textOf(func(p *Package) string { return p.SourceName })},
		"?source-version": {1, 1, textOf(func(p *Package) string { return p.SourceVersion })},
		"?version":        {1, 1, textOf(func(p *Package) string { return p.Version })},
		"?priority":       {1, 1, makePriority},
		"?security":       {0, 0, makeSecurity},

		"?x-age":            {1, 1, makeAge},
		"?x-architecture":   {1, 1, equalTo(func(p *Package) string { return p.Architecture })},
		"?x-archive":        {1, 1, makeConfigured(false)},
		"?x-component":      {1, 1, equalTo(func(p *Package) string { return p.Input.Component })},
		"?x-kind":           {1, 1, makeKind},
		"?x-label":          {1, 1, textOf(func(p *Package) string { return p.Input.Label })},
		"?x-pool":           {1, 1, makeConfigured(true)},
		"?x-provides":       {1, 1, makeProvides},
		"?x-source-version": {1, -1, inRange(func(p *Package) string { return p.SourceVersion })},
		"?x-version":        {1, -1, inRange(func(p *Package) string { return p.Version })},
	}
	addRelationForms()
}

// addRelationForms adds a pattern and its reverse for each kind of relation. apt
// documents ?pre-depends and takes ?predepends.
func addRelationForms() {
	for term, field := range map[string]string{
		"breaks": "Breaks", "conflicts": "Conflicts", "depends": "Depends", "enhances": "Enhances",
		"obsoletes": "Obsoletes", "pre-depends": "Pre-Depends", "predepends": "Pre-Depends",
		"recommends": "Recommends", "replaces": "Replaces", "suggests": "Suggests",
	} {
		forms["?"+term] = form{1, 1, makeRelation(field)}
		forms["?reverse-"+term] = form{1, 1, makeReverse(field)}
	}
}

// ops are the comparisons that ?x-version takes, as they are written in Depends,
// each before those that it begins with.
var ops = []debian.Op{debian.Earlier, debian.EarlierEqual, debian.LaterEqual, debian.Later, debian.Equal}
