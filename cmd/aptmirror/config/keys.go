package config

// section is a table of the file and its keys. It is what a key is checked against and what Format writes.
type section struct {
	name string // "" is the top level
	list bool   // [[name]], any number of times
	keys []key
	// about is written above the table.
	about string
}

// key is one line of the file: about says what it means, its unit and its default; example is written, as a comment,
// where the key is not set.
type key struct{ name, about, example string }

var topLevel = section{keys: []key{
	{"state", `Directory of the store. Default "` + DefaultState + `".`, `"` + DefaultState + `"`},
}}

var serveSection = section{
	name:  "serve",
	about: "The server that clients reach over TLS with a client certificate. Without this table nobody is served.",
	keys: []key{
		{"listen", `Addresses to listen on, "host:port" or ":port". Default ["` + DefaultListen + `"].`, `["` + DefaultListen + `"]`},
		{"public_url", "Address that clients use, for client kits. Default: none.", `"https://mirror.example.org:8443"`},
		{"cert", "Server certificate followed by its intermediates, PEM. Required.", `"tls/server.crt"`},
		{"key", "Private key of the server certificate, PEM. Required.", `"tls/server.key"`},
		{"client_ca", "CA certificates that client certificates must chain to, PEM. Required.", `["tls/clients-ca.crt"]`},
		{"crl", "Revocation lists of these CAs, PEM or DER; the built-in CA writes to the first. Default: none.", `["tls/clients.crl"]`},
		{"crl_grace", `How long a list still counts after its end; then all clients of its CA are refused. Default "24h".`, `"24h"`},
		{"crl_required", "true refuses the clients of a CA without a list; false does not ask whether they are revoked. Default false.", `true`},
		{"cn_allowed", "true lets the common name say who a client is where its certificate has no other name. Default false.", `true`},
		{"client_auth", `"explain" answers a bad certificate with a sentence, "strict" with a TLS alert. Default "explain".`, `"explain"`},
		{"server_ca", "CA certificates by which clients recognise this server, PEM. Needed for client kits. Default: none.", `"tls/ca.crt"`},
	},
}

var cacheSection = section{
	name:  "cache",
	about: "What the store may hold. Files that were not used for longest go first, and come again when they are asked for.",
	keys: []key{
		{"max_size", `Limit of all files together, "200GB" or "500GiB". On disk it may be 1.3 times as much for a while. Default: what the disk takes.`, `"200GB"`},
	},
}

var clientsSection = section{
	name:  "clients",
	about: "The built-in CA that issues client certificates. Leave this table out where the site has its own CA.",
	keys: []key{
		{"ca_cert", "Certificate of the CA, PEM. Required.", `"tls/clients-ca.crt"`},
		{"ca_key", "Private key of the CA, PEM. Required.", `"tls/clients-ca.key"`},
		{"dir", "Folder with one folder for each issued certificate. Required.", `"clients"`},
	},
}

var archiveSection = section{
	name:  "archive",
	list:  true,
	about: "An upstream archive, in the words of sources.list(5).",
	keys: []key{
		{"name", "Letters a-z, digits, dots and hyphens, at most 64. Required.", `"debian"`},
		{"uris", "Mirrors of one another in order of preference, http or https. Required; [] where imports alone feed the archive.", `["http://mirror.example.org/debian"]`},
		{"suites", `Suites; flat repositories end in "/". Required.`, `["bookworm", "bookworm-updates"]`},
		{"components", "Components. Required, but left out for flat repositories.", `["main"]`},
		{"architectures", `Architectures; "source" for source packages. Required.`, `["amd64"]`},
		{"languages", `Languages of translated descriptions; [] for none. Default ["` + DefaultLanguage + `"].`, `["` + DefaultLanguage + `"]`},
		{"signed_by", `Keyring files, and fingerprints that choose keys from them ("!" at the end: without its subkeys). Required.`, `["/usr/share/keyrings/debian-archive-keyring.gpg"]`},
		{"refresh", `How often to look for changes: "15m", "6h", "7d", at least 1m. Default "15m".`, `"15m"`},
		{"download", `"on-demand" fetches a package file when a client first asks for it, "all" ahead of time. Default "on-demand".`, `"on-demand"`},
		{"installer", "true adds the images of the Debian installer (main/installer-ARCH). Default false.", "true"},
		{"max_age", `Refuse a Release that is dated longer ago, at least 1h: "30d". Default: only its own Valid-Until counts.`, `"30d"`},
		{"allow_private", "true allows connections to loopback, link-local and private addresses that a mirror's name or a redirect leads to. Default false.", "true"},
		{"proxy", `Proxy "http://HOST:PORT", also https and socks5, or "direct" for none. Default: what the environment says (http_proxy).`, `"http://proxy.example.org:3128"`},
		{"auth", "Names, passwords and tokens for mirrors and the proxy, in the format of apt_auth.conf(5); not readable for everybody. Read at start. Default: none.", `"auth.conf"`},
		{"client_cert", "Certificate to show to mirrors that ask for one, PEM. Default: none.", `"tls/upstream.crt"`},
		{"client_key", "Its private key, PEM. Required with client_cert.", `"tls/upstream.key"`},
		{"ca", "CA certificates that mirrors must chain to, PEM. Default: those of the system.", `"tls/upstream-ca.crt"`},
		{"bandwidth", `The most that comes, in all: "10MB/s", "500kB/s", at least 10kB/s. Default: no limit.`, `"10MB/s"`},
		{"connections", "The most requests at a time, 1 to 100. Default 8.", "8"},
	},
}

var repositorySection = section{
	name:  "repository",
	list:  true,
	about: "What clients see below the address /NAME/: an archive as upstream signed it.",
	keys: []key{
		{"name", "Letters a-z, digits, dots and hyphens, at most 64. Required.", `"debian"`},
		{"archive", "Name of an archive of this file. Required.", `"debian"`},
	},
}

var grantSection = section{
	name:  "grant",
	list:  true,
	about: "What a client may read. Without a grant a client may do nothing; several grants add up.",
	keys: []key{
		{"identity", `Who: "dns:", "uri:", "cn:" with a pattern, or "sha256:" and the digest of the certificate. Required.`, `"dns:*.branch.example.org"`},
		{"read", `Repositories "NAME", suites of them "NAME/SUITE", or "*" for all. Required.`, `["debian"]`},
	},
}

// sections are in the order in which Format writes them.
var sections = []section{serveSection, cacheSection, clientsSection, archiveSection, repositorySection, grantSection}

func (s section) header() string {
	switch {
	case s.name == "":
		return "the top level"
	case s.list:
		return "[[" + s.name + "]]"
	}
	return "[" + s.name + "]"
}

// allowed lists what may stand in the table; at the top level that is also every table.
func (s section) allowed() []string {
	var names []string
	for _, k := range s.keys {
		names = append(names, k.name)
	}
	if s.name == "" {
		for _, sub := range sections {
			names = append(names, sub.name)
		}
	}
	return names
}
