package migrate

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"aptmirror/cmd/aptmirror/config"
)

// CacherNG reads a .conf file of apt-cacher-ng, and the files beside it that its
// Remap lines name.
func CacherNG(file, text string, m Machine) Result {
	r := &cacherNG{collector: collector{file: file, machine: m}, support: []string{filepath.Dir(file)}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		name, value, ok := cutKey(strings.TrimSpace(line))
		if ok {
			r.key(number, name, value)
		}
	}
	for i := range r.Archives {
		r.Archives[i].Proxy = r.upstream
	}
	return r.Result
}

type cacherNG struct {
	collector
	support  []string // folders of list files
	upstream string   // proxy of all archives
}

// cutKey takes a line apart at its first colon or equals sign.
func cutKey(line string) (name, value string, ok bool) {
	i := strings.IndexAny(line, ":=")
	if i < 1 {
		return "", "", false
	}
	return strings.TrimSpace(line[:i]), strings.TrimSpace(line[i+1:]), true
}

// keyNotes say what to do in place of a key, in lower case; "" is nothing to say.
var keyNotes = map[string]string{
	"cachedir":    "state says where the store is; what is cached there already is not taken over, and comes again",
	"logdir":      "the log is on standard error; with systemd, in the journal",
	"port":        "serve.listen says where to listen, with TLS and client certificates only",
	"bindaddress": "serve.listen says where to listen", "socketpath": "there is no socket for clients",
	"reportpage": "[status] has a status page", "adminauth": "grants with admin and status say who may",
	"exthreshold": "max_size of [cache] and aptmirror gc decide what goes", "exstartuptrade": "", "exabortonproblems": "", "exsuppressadminnotification": "", "keepextraversions": "policies say how many versions to keep",
	"verboselog": "aptmirror log says how much is logged", "debug": "aptmirror log says how much is logged", "foreground": "", "pidfile": "", "user": "the service says who it runs as", "group": "",
	"offlinemode": "what is in the store is served without upstream, too", "passthroughpattern": "proxy mode answers for configured archives only: there is no tunnel",
	"allowuserports": "proxy mode answers for configured archives only", "redirmax": "", "vfilepattern": "what is an index is known from Release", "pfilepattern": "what is a package is known from Release",
	"maxconthreads": "max_connections of [serve] bounds connections", "maxstandbyconthreads": "", "networktimeout": "", "maxdlspeed": "bandwidth does the same, for each archive",
	"forcemanaged": "only configured archives are served", "unbufferlogs": "", "dnscacheseconds": "", "pipelinedepth": "", "connectproto": "", "cafile": "ca does the same, for each archive", "capath": "ca does the same, for each archive",
	"curl": "", "trackfileuse": "", "freshindexmaxage": "refresh says how often Release is asked for",
}

func (r *cacherNG) key(line int, name, value string) {
	low := strings.ToLower(name)
	if remap, ok := strings.CutPrefix(low, "remap-"); ok {
		r.remap(line, remap, value)
		return
	}
	switch text, known := keyNotes[low]; {
	case low == "supportdir":
		r.support = append(r.support, value)
	case low == "proxy":
		r.upstream = r.proxy(line, value)
	case !known:
		r.note(line, "%s: has no counterpart", name)
	case text != "":
		r.note(line, "%s: %s", name, text)
	}
}

// remap turns "Remap-NAME: addresses of clients ; addresses to fetch from" into
// an archive.
func (r *cacherNG) remap(line int, name, value string) {
	sides := strings.SplitN(value, ";", 3)
	var targets []string
	if len(sides) > 1 {
		targets = r.addresses(line, sides[1])
	}
	a := config.Archive{Name: archiveName(name), Download: config.OnDemand}
	for _, t := range targets {
		if uri, err := config.CleanURI(t); err != nil {
			r.note(line, "Remap-%s: %v", name, err)
		} else if !slices.Contains(a.URIs, uri) {
			a.URIs = append(a.URIs, uri)
		}
	}
	for _, alias := range r.addresses(line, sides[0]) {
		r.alias(line, name, alias, &a)
	}
	switch {
	case a.Name == "" || slices.ContainsFunc(r.Archives, func(o config.Archive) bool { return o.Name == a.Name }):
		r.note(line, "Remap-%s: the name cannot be taken, or is taken already", name)
	case len(a.URIs) == 0:
		r.note(line, "Remap-%s: it names no address to fetch from, so that there is nothing to mirror", name)
	default:
		a.Architectures = []string{r.machine.Architecture}
		r.note(line, "Remap-%s: apt-cacher-ng passes on whatever is asked for: name suites, components and architectures that clients use in archive %s", name, a.Name)
		r.add(line, a)
	}
}

// alias is an address by which clients ask: paths alone are those of the proxy.
func (r *cacherNG) alias(line int, name, address string, a *config.Archive) {
	if strings.Trim(address, "/") == a.Name {
		return
	}
	if strings.HasPrefix(address, "/") {
		r.note(line, "Remap-%s: clients that ask the proxy itself for %s ask for /%s now", name, address, a.Name)
		return
	}
	uri, err := config.CleanURI(address)
	if err != nil {
		r.note(line, "Remap-%s: %v", name, err)
		return
	}
	if !slices.Contains(a.Aliases, uri) && !slices.Contains(a.URIs, uri) {
		a.Aliases = append(a.Aliases, uri)
	}
}

// maxAddresses is how many addresses a list may have: beyond it, it is one of
// all mirrors of the world.
const maxAddresses = 50

// addresses gives the words of one side, with lists in files in their places.
func (r *cacherNG) addresses(line int, side string) (all []string) {
	for _, word := range strings.Fields(side) {
		list, isFile := strings.CutPrefix(word, "file:")
		if !isFile {
			all = append(all, withScheme(word))
			continue
		}
		all = append(all, r.list(line, list)...)
	}
	return all
}

// list reads a file with one address a line.
func (r *cacherNG) list(line int, name string) (all []string) {
	if strings.ContainsAny(name, "*?[") || strings.HasSuffix(name, ".gz") {
		r.note(line, "file:%s: lists of all mirrors of the world are not read: name those that clients use in aliases", name)
		return nil
	}
	for _, dir := range r.support {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		text, err := read(path)
		if err != nil {
			continue
		}
		if all = listed(text); len(all) > maxAddresses {
			r.note(line, "file:%s: of its %d addresses only %d are taken", name, len(all), maxAddresses)
			all = all[:maxAddresses]
		}
		return all
	}
	r.note(line, "file:%s: cannot be read beside this file; name its addresses yourself", name)
	return nil
}

// listed reads addresses, one a line, and the fields Site and Archive-http of
// lists of mirrors.
func listed(text string) (all []string) {
	site := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		name, value, isField := strings.Cut(line, ": ")
		switch {
		case line == "":
			site = ""
		case isField && strings.EqualFold(name, "Site"):
			site = strings.TrimSpace(value)
		case isField && strings.EqualFold(name, "Archive-http") && site != "":
			all = append(all, withScheme(site+strings.TrimSpace(value)))
		case !isField:
			all = append(all, withScheme(line))
		}
	}
	return all
}

// withScheme completes what apt-cacher-ng takes without one.
func withScheme(address string) string {
	if strings.Contains(address, "://") || strings.HasPrefix(address, "/") {
		return address
	}
	return "http://" + address
}

var notInNames = regexp.MustCompile(`[^a-z0-9.-]+`)

// wellKnown are names of apt-cacher-ng's own Remap lines.
var wellKnown = map[string]string{"debrep": "debian", "uburep": "ubuntu", "secdeb": "debian-security", "debvol": "debian-volatile"}

func archiveName(remap string) string {
	if name := wellKnown[remap]; name != "" {
		return name
	}
	name := strings.Trim(notInNames.ReplaceAllString(remap, "-"), "-.")
	return name[:min(len(name), 64)]
}
