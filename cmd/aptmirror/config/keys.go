package config

import (
	"slices"
	"strings"
)

// section is a table of the file and its keys. It is what a key is checked against and what Format writes.
type section struct {
	name string // "" is the top level
	list bool   // [[name]], any number of times
	keys []key
	subs []section // tables of its own
	// about is written above the table.
	about string
}

// key is one line of the file: about says what it means, its unit and its default; example is written, as a comment,
// where the key is not set. A key with instead cannot stand beside others of its table.
type key struct {
	name, about, example string
	instead              bool
}

var topLevel = section{keys: []key{
	{name: "state", about: `Directory of the store. Default "` + DefaultState + `".`, example: `"` + DefaultState + `"`},
}}

var serveSection = section{
	name:  "serve",
	about: "The server that clients reach over TLS with a client certificate. Without this table nobody is served.",
	keys: []key{
		{name: "listen", about: `Addresses to listen on, "host:port" or ":port". Default ["` + DefaultListen + `"].`, example: `["` + DefaultListen + `"]`},
		{name: "public_url", about: "Address that clients use, for client kits. Default: none.", example: `"https://mirror.example.org:8443"`},
		{name: "cert", about: "Server certificate followed by its intermediates, PEM. Required.", example: `"tls/server.crt"`},
		{name: "key", about: "Private key of the server certificate, PEM; not readable for everybody. Required.", example: `"tls/server.key"`},
		{name: "client_ca", about: "CA certificates that client certificates must chain to, PEM. Required.", example: `["tls/clients-ca.crt"]`},
		{name: "crl", about: "Revocation lists of these CAs, PEM or DER; the built-in CA writes to the first. Default: none.", example: `["tls/clients.crl"]`},
		{name: "crl_grace", about: `How long a list still counts after its end; then all clients of its CA are refused. Default "24h".`, example: `"24h"`},
		{name: "crl_required", about: "true refuses the clients of a CA without a list; false does not ask whether they are revoked. Default false.", example: `true`},
		{name: "cn_allowed", about: "true lets the common name say who a client is where its certificate has no other name. Default false.", example: `true`},
		{name: "client_auth", about: `"explain" answers a bad certificate with a sentence, "strict" with a TLS alert. Default "explain".`, example: `"explain"`},
		{name: "server_ca", about: "CA certificates by which clients recognise this server, PEM. Needed for client kits. Default: none.", example: `"tls/ca.crt"`},
		{name: "proxy_mode", about: "true also answers requests sent as to a proxy, for the addresses of archives of this file only. Default false.", example: `true`},
		{name: "max_connections", about: "The most connections at a time, 16 to 100000; when all are taken, the longest idle makes room. Default 4096.", example: `4096`},
	},
}

var cacheSection = section{
	name:  "cache",
	about: "What the store may hold. Files that were not used for longest go first, and come again when they are asked for.",
	keys: []key{
		{name: "max_size", about: `Limit of all files together, "200GB" or "500GiB". On disk it may be 1.3 times as much for a while. Default: what the disk takes.`, example: `"200GB"`},
	},
}

var clientsSection = section{
	name:  "clients",
	about: "The built-in CA that issues client certificates. Leave this table out where the site has its own CA.",
	keys: []key{
		{name: "ca_cert", about: "Certificate of the CA, PEM. Required.", example: `"tls/clients-ca.crt"`},
		{name: "ca_key", about: "Private key of the CA, PEM. Required.", example: `"tls/clients-ca.key"`},
		{name: "dir", about: "Folder with one folder for each issued certificate. Required.", example: `"clients"`},
	},
}

var archiveSection = section{
	name:  "archive",
	list:  true,
	about: "An upstream archive, in the words of sources.list(5).",
	keys: []key{
		{name: "name", about: "Letters a-z, digits, dots and hyphens, at most 64. Required.", example: `"debian"`},
		{name: "uris", about: "Mirrors of one another in order of preference, http or https. Required; [] where imports alone feed the archive.", example: `["http://mirror.example.org/debian"]`},
		{name: "suites", about: `Suites; flat repositories end in "/". Required.`, example: `["bookworm", "bookworm-updates"]`},
		{name: "components", about: "Components. Required, but left out for flat repositories.", example: `["main"]`},
		{name: "architectures", about: `Architectures; "source" for source packages. Required.`, example: `["amd64"]`},
		{name: "languages", about: `Languages of translated descriptions; [] for none. Default ["` + DefaultLanguage + `"].`, example: `["` + DefaultLanguage + `"]`},
		{name: "signed_by", about: `Keyring files, and fingerprints that choose keys from them ("!" at the end: without its subkeys). Required.`, example: `["/usr/share/keyrings/debian-archive-keyring.gpg"]`},
		{name: "refresh", about: `How often to look for changes: "15m", "6h", "7d", at least 1m. Default "15m".`, example: `"15m"`},
		{name: "download", about: `"on-demand" fetches a package file when a client first asks for it, "all" ahead of time. Default "on-demand".`, example: `"on-demand"`},
		{name: "installer", about: "true adds the images of the Debian installer (main/installer-ARCH). Default false.", example: "true"},
		{name: "max_age", about: `Refuse a Release that is dated longer ago, at least 1h: "30d". Default: only its own Valid-Until counts.`, example: `"30d"`},
		{name: "allow_private", about: "true allows connections to loopback, link-local and private addresses that a mirror's name or a redirect leads to. Default false.", example: "true"},
		{name: "proxy", about: `Proxy "http://HOST:PORT", also https and socks5, or "direct" for none. Default: what the environment says (http_proxy).`, example: `"http://proxy.example.org:3128"`},
		{name: "auth", about: "Names, passwords and tokens for mirrors and the proxy, in the format of apt_auth.conf(5); not readable for everybody. Read at start. Default: none.", example: `"auth.conf"`},
		{name: "client_cert", about: "Certificate to show to mirrors that ask for one, PEM. Default: none.", example: `"tls/upstream.crt"`},
		{name: "client_key", about: "Its private key, PEM; not readable for everybody. Required with client_cert.", example: `"tls/upstream.key"`},
		{name: "ca", about: "CA certificates that mirrors must chain to, PEM. Default: those of the system.", example: `"tls/upstream-ca.crt"`},
		{name: "bandwidth", about: `The most that comes, in all: "10MB/s", "500kB/s", at least 10kB/s. Default: no limit.`, example: `"10MB/s"`},
		{name: "connections", about: "The most requests at a time, 1 to 100. Default 8.", example: "8"},
		{name: "aliases", about: "Further addresses for which proxy mode answers with this archive; nothing is fetched from them. Default: none.", example: `["http://old.example.org/debian"]`},
	},
}

// repositorySection is what may stand in the file; Format writes the two kinds of repositories apart.
var repositorySection = section{
	name: "repository",
	list: true,
	keys: slices.Concat(verbatimSection.keys, builtSection.keys[1:]),
	subs: []section{suiteSection},
}

var verbatimSection = section{
	name:  "repository",
	list:  true,
	about: "What clients see below the address /NAME/: an archive as upstream signed it.",
	keys: []key{
		{name: "name", about: "Letters a-z, digits, dots and hyphens, at most 64. Required.", example: `"debian"`},
		{name: "archive", about: "Name of an archive of this file. Required.", example: `"debian"`},
	},
}

var builtSection = section{
	name:  "repository",
	list:  true,
	about: "What clients see below the address /NAME/: suites that the site makes of others by its rules, and signs itself.",
	keys: []key{
		{name: "name", about: "Letters a-z, digits, dots and hyphens, at most 64. Required.", example: `"site"`},
		{name: "sign_with", about: `Private keys that sign, files or "key:NAME" for a [[key]]. Required.`, example: `["keys/site.asc"]`},
		{name: "origin", about: "Origin in its Release; clients ask their user before they follow a change. Default: the name.", example: `"Example"`},
		{name: "label", about: "Label in its Release, likewise. Default: the name.", example: `"Example site"`},
		{name: "description", about: "Description in its Release. Default: none.", example: `"Packages for Example"`},
		{name: "valid_for", about: `How long a signed Release counts, at least 1h; it is signed again in time. Default "7d".`, example: `"7d"`},
	},
	subs: []section{suiteSection},
}

var suiteSection = section{
	name:  "repository.suite",
	list:  true,
	about: "A suite of the repository above.",
	keys: []key{
		{name: "name", about: "Name, as it stands in sources.list. Required.", example: `"stable"`},
		{name: "codename", about: "Codename in its Release. Default: the name.", example: `"bookworm"`},
		{name: "from", about: `What it is made of: "archive:NAME/SUITE", "pool:NAME", "repository:NAME/SUITE". Required.`, example: `["archive:debian/bookworm", "archive:debian/bookworm-updates", "pool:internal"]`},
		{name: "policy", about: "Name of the policy that decides about each package. Default: all are let through.", example: `"workstations"`},
		{name: "components", about: "Only these components. Default: all that the sources have.", example: `["main"]`},
		{name: "architectures", about: "Only these architectures. Default: all that the sources have.", example: `["amd64"]`},
		{name: "publish", about: `"auto" shows changes by itself; "manual" is a ring, which waits for "aptmirror publish". Default "auto".`, example: `"auto"`},
		{name: "not_automatic", about: "true lets apt take packages from it only when told to. Default false.", example: "true"},
		{name: "but_automatic_upgrades", about: "true, with not_automatic, lets apt upgrade what came from it. Default false.", example: "true"},
		{name: "contents", about: "true also lists which package has which file, of archives and pools, for apt-file; whole lists are fetched for that. Default false.", example: "true"},
		{name: "keyring_package", about: "true adds a package with the public halves of the keys. Default false.", example: "true"},
	},
}

var poolSection = section{
	name:  "pool",
	list:  true,
	about: "The site's own packages; built repositories take them in.",
	keys: []key{
		{name: "name", about: "As for an archive, and no archive may have it. Required.", example: `"internal"`},
		{name: "incoming", about: "Folder whose packages are taken up as they appear. Default: none.", example: `"/srv/incoming"`},
		{name: "component", about: `Component of its packages. Default "` + DefaultComponent + `".`, example: `"` + DefaultComponent + `"`},
		{name: "signed_by", about: "Keyring files: what comes must be signed by one of their keys. Default: no signature is asked for.", example: `["keys/uploaders.gpg"]`},
		{name: "names", about: "Patterns of package names that nobody but this pool supplies. Default: none.", example: `["corp-*"]`},
		{name: "shadows", about: "Patterns of package names of archives that the pool may replace. Default: none.", example: `["nginx"]`},
		{name: "provides", about: "Patterns of names of archives' packages, also virtual ones, that packages of the pool may have in Provides. Default: none.", example: `["mail-transport-agent"]`},
		{name: "max_size", about: "The most that it may have, at least 1MB; what is over it is refused. Default: no limit.", example: `"50GB"`},
		{name: "max_size_each", about: "The most of that which one client may have uploaded. Default: no limit but max_size.", example: `"5GB"`},
	},
}

var signingKeySection = section{
	name:  "key",
	list:  true,
	about: "A key that signs and is more than a file: one with a passphrase, or in a device. A plain file needs no [[key]].",
	keys: []key{
		{name: "name", about: `sign_with says "key:NAME". Required.`, example: `"site"`},
		{name: "private", about: "Private key. Required, unless a program signs.", example: `"keys/site.asc"`},
		{name: "passphrase", about: `Where its passphrase is: "credential:NAME" of systemd, or "file:PATH". Default: it has none.`, example: `"credential:site-key"`},
		{name: "public", about: "Instead of private: the public half of a key with which a program signs.", example: `"keys/hsm.asc"`, instead: true},
		{name: "command", about: "That program: the text comes on its stdin, a detached signature goes to its stdout.", example: `["/usr/local/bin/sign", "--detach"]`, instead: true},
	},
}

var policySection = section{
	name:  "policy",
	list:  true,
	about: "Rules that say which packages a built suite has. The first rule that matches decides; patterns are apt-patterns(7).",
	keys: []key{
		{name: "name", about: "Suites say it in their key policy. Required.", example: `"workstations"`},
		{name: "rules", about: "The rules, one a line, in three single quotes. Required, unless they are in a file.", example: `'allow ?true'`},
		{name: "file", about: "Instead of rules: the file with them.", example: `"policies/workstations.rules"`, instead: true},
	},
}

var snapshotSection = section{
	name:  "snapshot",
	list:  true,
	about: "Snapshots of what repositories serve, taken by the clock.",
	keys: []key{
		{name: "name", about: "Their names begin with it. Required.", example: `"nightly"`},
		{name: "repositories", about: "Names of repositories. Required.", example: `["site"]`},
		{name: "every", about: `"hourly", "daily", "weekly" (on Mondays) or "monthly" (on the first). Required.`, example: `"daily"`},
		{name: "at", about: `Local time of day; not for "hourly". Default "03:00".`, example: `"03:00"`},
		{name: "keep", about: "How many of the newest stay, 1 to 1000. Default 7.", example: "7"},
		{name: "keep_daily", about: "Instead of keep, alone or together: the last one of so many days,", example: "7", instead: true},
		{name: "keep_weekly", about: "of so many weeks,", example: "4", instead: true},
		{name: "keep_monthly", about: "and of so many months.", example: "12", instead: true},
		{name: "complete", about: "true fetches all their files, for export and for times without upstream. Default false.", example: "true"},
	},
}

var statusSection = section{
	name:  "status",
	about: "Status page, /metrics, /healthz and /readyz for this machine, without certificates.",
	keys: []key{
		{name: "listen", about: `Loopback address, or "" for none. Default: none.`, example: `"127.0.0.1:8480"`},
	},
}

var bundlesSection = section{
	name:  "bundles",
	about: "Who vouches for snapshots that are carried from site to site.",
	keys: []key{
		{name: "sign_with", about: `Private keys that sign what is exported, files or "key:NAME". Default: none, nothing can be exported.`, example: `["keys/site.asc"]`},
		{name: "signed_by", about: "Keyring files, and fingerprints, of the sites whose bundles are taken. Default: none, nothing can be imported.", example: `["keys/hq.gpg"]`},
	},
}

var grantSection = section{
	name:  "grant",
	list:  true,
	about: "What a client may do. Without a grant a client may do nothing; several grants add up.",
	keys: []key{
		{name: "identity", about: `Who: "dns:", "uri:", "cn:" with a pattern, or "sha256:" and the digest of the certificate. Required.`, example: `"dns:*.branch.example.org"`},
		{name: "read", about: `Repositories "NAME", suites of them "NAME/SUITE", or "*" for all. Required, unless one of the next three is there.`, example: `["debian"]`},
		{name: "upload", about: `Pools that the client may add packages to, or "*" for all. Default: none.`, example: `["internal"]`},
		{name: "status", about: "true shows the status page and the metrics. Default false.", example: "true"},
		{name: "admin", about: "true lets it make the calls of commands over the network; includes status. Default false.", example: "true"},
		{name: "rate", about: `The most that goes to the client: "50MB/s", at least 10kB/s. Default: no limit.`, example: `"50MB/s"`},
		{name: "connections", about: "The most connections of the client at a time, 1 to 10000. Default: no limit.", example: "16"},
	},
}

// sections are in the order in which Format writes them.
var sections = []section{
	serveSection, statusSection, cacheSection, clientsSection, bundlesSection, archiveSection, poolSection, signingKeySection,
	policySection, repositorySection, snapshotSection, grantSection,
}

func (s section) header() string {
	switch {
	case s.name == "":
		return "the top level"
	case s.list:
		return "[[" + s.name + "]]"
	}
	return "[" + s.name + "]"
}

// last is the key of the table in the one that it belongs to.
func (s section) last() string { return s.name[strings.LastIndexByte(s.name, '.')+1:] }

// allowed lists what may stand in the table; at the top level that is also every table.
func (s section) allowed() []string {
	var names []string
	for _, k := range s.keys {
		names = append(names, k.name)
	}
	subs := s.subs
	if s.name == "" {
		subs = sections
	}
	for _, sub := range subs {
		names = append(names, sub.last())
	}
	return names
}
