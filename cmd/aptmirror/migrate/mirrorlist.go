package migrate

import (
	"slices"
	"strconv"
	"strings"

	"aptmirror/cmd/aptmirror/aptsources"
	"aptmirror/cmd/aptmirror/config"
)

// MirrorList reads apt-mirror's mirror.list. apt-mirror fetches everything ahead
// of time, and so will the archives.
func MirrorList(file, text string, m Machine) Result {
	r := &mirrorList{collector: collector{file: file, machine: m}, settings: map[string]setting{}}
	r.settings["defaultarch"] = setting{m.Architecture, 0}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			r.line(number, strings.TrimSpace(line), words)
		}
	}
	r.archives()
	r.aboutSettings()
	slices.SortStableFunc(r.Notes, func(a, b Remark) int { return a.Line - b.Line })
	return r.Result
}

type mirrorList struct {
	collector
	settings map[string]setting
	sources  []aptsources.Source
}

type setting struct {
	value string
	line  int
}

func (r *mirrorList) line(number int, line string, words []string) {
	switch kind := words[0]; {
	case kind == "set" && len(words) > 1:
		r.settings[words[1]] = setting{strings.Trim(strings.Join(words[2:], " "), `"`), number}
	case kind == "deb" || kind == "deb-src" || strings.HasPrefix(kind, "deb-"):
		r.source(number, line, kind)
	case kind == "clean" || kind == "skip-clean":
		r.note(number, "%s: aptmirror gc removes what no client can ask for any more, and runs by itself", kind)
	case kind == "mirror_path":
		r.note(number, "mirror_path: files have no paths here, but the repository can have any name")
	default:
		r.note(number, "%s: not known", kind)
	}
}

// source reads a line as apt does, after deb-ARCH, which only apt-mirror knows.
func (r *mirrorList) source(number int, line, kind string) {
	arch := r.settings["defaultarch"].value
	if a, ok := strings.CutPrefix(kind, "deb-"); ok && a != "src" {
		arch, line = a, "deb"+strings.TrimPrefix(line, kind)
	}
	sources, skipped := aptsources.Line(r.file, number, line, arch)
	for _, s := range skipped {
		r.note(number, "%s", s.Reason)
	}
	for _, s := range sources {
		s.Components = slices.DeleteFunc(s.Components, func(c string) bool {
			udebs := strings.HasSuffix(c, "/debian-installer")
			if udebs {
				r.note(number, "%s: packages of the installer come with their component; for its images set installer = true", c)
			}
			return udebs
		})
		r.sources = append(r.sources, s)
	}
}

func (r *mirrorList) archives() {
	archives, skipped := aptsources.Archives(r.sources)
	for _, s := range skipped {
		r.note(s.Line, "%s", s.Reason)
	}
	var limits config.Archive
	r.limits(&limits)
	for _, a := range archives {
		c := config.Archive{
			Name: a.Name, URIs: []string{a.URI}, Suites: a.Suites, Components: a.Components, Architectures: a.Architectures,
			Languages: a.Languages, SignedBy: a.SignedBy, Download: config.All,
		}
		c.Connections, c.Bandwidth, c.Proxy = limits.Connections, limits.Bandwidth, limits.Proxy
		r.add(lineOf(r.sources, a.URI), c)
	}
}

// limits carries over what counts for every archive.
func (r *mirrorList) limits(a *config.Archive) {
	if n, err := strconv.Atoi(r.settings["nthreads"].value); err == nil && n > 0 {
		a.Connections = min(n, 100)
	}
	if rate := wgetRate(r.settings["limit_rate"].value); rate > 0 {
		a.Bandwidth = rate * int64(max(a.Connections, 1))
	}
	if p := r.settings["http_proxy"].value; p != "" && on(r.settings["use_proxy"].value) {
		a.Proxy = r.proxy(r.settings["http_proxy"].line, p)
	}
}

func on(value string) bool {
	return slices.Contains([]string{"on", "yes", "1", "true"}, strings.ToLower(value))
}

// wgetRate reads bytes a second as wget does, where k is 1024.
func wgetRate(s string) int64 {
	unit := int64(1)
	switch {
	case strings.HasSuffix(strings.ToLower(s), "k"):
		s, unit = s[:len(s)-1], 1<<10
	case strings.HasSuffix(strings.ToLower(s), "m"):
		s, unit = s[:len(s)-1], 1<<20
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n <= 0 {
		return 0
	}
	// The configuration writes whole kB or KiB.
	return max(n*unit/1024*1024, 10*1024)
}

// settingNotes say what to do in place of a setting; "" is nothing to say.
var settingNotes = map[string]string{
	"base_path":   "state says where the store is; what is mirrored there already is not taken over, and comes again",
	"mirror_path": "files are in the store that state names",
	"skel_path":   "", "var_path": "", "cleanscript": "", "_tilde": "", "_autoclean": "", "_contents": "", "nthreads": "", "limit_rate": "",
	"defaultarch": "", "use_proxy": "", "http_proxy": "", "https_proxy": "proxy is for both kinds of addresses",
	"autoclean":            "aptmirror gc runs by itself",
	"run_postmirror":       "there are no hooks: let a timer run aptmirror sync and what follows",
	"postmirror_script":    "there are no hooks: let a timer run aptmirror sync and what follows",
	"proxy_user":           "write name and password of the proxy into the file that auth names",
	"proxy_password":       "write name and password of the proxy into the file that auth names",
	"certificate":          "client_cert does the same, for each archive",
	"private_key":          "client_key does the same, for each archive",
	"ca_certificate":       "ca does the same, for each archive",
	"no_check_certificate": "certificates are always checked; ca takes those of your own",
	"unlink":               "", "use_acquire_by_hash": "",
}

func (r *mirrorList) aboutSettings() {
	for name, s := range r.settings {
		text, known := settingNotes[name]
		switch {
		case s.line == 0 || name == "run_postmirror" && !on(s.value):
		case !known:
			r.note(s.line, "set %s: has no counterpart", name)
		case text != "":
			r.note(s.line, "set %s: %s", name, text)
		}
	}
}
