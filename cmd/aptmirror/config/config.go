// Package config reads the configuration file of aptmirror into plain structs, and writes one.
//
// The file is TOML. Reading is strict: an unknown key, a missing one or a bad value is a [Problem] with its file, line
// and column, and all problems of a file come in one [Error]. Relative paths are relative to the folder of the file and
// come out absolute.
//
// The package never opens a file that the configuration names, never asks the network or the environment, and never
// accepts a key that the program does not honour.
package config

import (
	"fmt"
	"path/filepath"
	"time"
)

const (
	// DefaultState is where the store lives when the file has no key state.
	DefaultState = "/var/lib/aptmirror"
	// DefaultListen is the address to serve on when [serve] has no key listen.
	DefaultListen = ":8443"
	// DefaultRefresh is how often an archive's Release is asked for when the archive has no key refresh.
	DefaultRefresh = 15 * time.Minute
	// DefaultCRLGrace is how long a revocation list still counts after its end when [serve] has no key crl_grace: long
	// enough to mend what makes the lists, short enough for a list that is held back.
	DefaultCRLGrace = 24 * time.Hour
	// DefaultMaxConnections is how many connections the server keeps at a time when [serve] has no key max_connections.
	DefaultMaxConnections = 4096
	// DefaultValidFor is how long a built Release counts when its repository has no key valid_for.
	DefaultValidFor = 7 * day
	// DefaultComponent is where the packages of a pool go when it has no key component.
	DefaultComponent = "main"
	// DefaultSnapshotAt is the time of day, as a duration since midnight, when [[snapshot]] has no key at.
	DefaultSnapshotAt = 3 * time.Hour
	// DefaultKeep is how many snapshots of a schedule stay when it has none of the keys that begin with keep.
	DefaultKeep = 7
	// DefaultLanguage is the one language of translations when an archive has no key languages.
	DefaultLanguage = "en"
)

// Values of [Serve.ClientAuth]. The difference is what a client without a usable certificate meets.
const (
	// Explain completes the handshake and answers 403 with a sentence that says what is wrong with the certificate.
	Explain = "explain"
	// Strict ends the handshake with a TLS alert.
	Strict = "strict"
)

// Values of [Archive.Download].
const (
	// OnDemand fetches a package file when a client first asks for it.
	OnDemand = "on-demand"
	// All fetches every package file that the indexes name as soon as they change, translations into the languages of
	// the archive, and installer images where it has them.
	All = "all"
)

// Config is one configuration file. It is not modified after Parse.
type Config struct {
	// Path is the absolute path of the file.
	Path string
	// State is the directory of the store, an absolute path. Defaults to DefaultState.
	State string
	// Serve is zero where the file has no [serve] table: a host that mirrors and serves nobody.
	Serve Serve
	// Cache is zero where the file has no [cache] table.
	Cache Cache
	// Clients is zero where the file has no [clients] table: certificates come from the site's own CA.
	Clients Clients
	// Status is zero where the file has no [status] table: no page on a port of its own.
	Status Status
	// Bundles is zero where the file has no [bundles] table.
	Bundles Bundles
	// The lists are in the order of the file.
	Archives     []Archive
	Pools        []Pool
	Keys         []Key
	Policies     []Policy
	Repositories []Repository
	Snapshots    []Snapshot
	Grants       []Grant
}

// Serve is the table [serve]: the mTLS server. All files are absolute paths to PEM.
type Serve struct {
	// Listen are the addresses host:port, at least one. Defaults to DefaultListen. Port 0 lets the system choose.
	Listen []string
	// PublicURL is https://HOST[:PORT] without a slash at the end, as clients reach the server. Optional: client kits
	// and the Snapshots field of a re-signed Release need it.
	PublicURL string
	// Cert is the server's certificate followed by its intermediates, Key its private key. Both required.
	Cert, Key string
	// ClientCA are the certificates that client certificates must chain to. Required.
	ClientCA []string
	// CRL are the revocation lists of those CAs. Optional. The built-in CA writes to the first.
	CRL []string
	// CRLGrace is how long after its next update a list still counts; then every client of its CA is refused. 0: not at
	// all. Defaults to DefaultCRLGrace.
	CRLGrace time.Duration
	// CRLRequired refuses the clients of a CA of which there is no list. Otherwise they are not checked for revocation.
	CRLRequired bool
	// CNAllowed takes the common name for the identity where a certificate has no DNS name and no identity URI.
	CNAllowed bool
	// ClientAuth is Explain or Strict. Defaults to Explain.
	ClientAuth string
	// ServerCA is what a client must trust to recognise this server; it goes into client kits, which cannot
	// be made without it. Optional.
	ServerCA string
	// ProxyMode answers requests that a client sends as to a proxy, for the addresses of configured archives only.
	// Defaults to false.
	ProxyMode bool
	// MaxConnections is the most connections at a time; when all are taken, the longest idle makes room. Defaults to DefaultMaxConnections.
	MaxConnections int
}

// Status is the table [status]: the status page and the metrics for this machine alone. Identities with the grant status
// reach the same over mTLS, at /-/status.
type Status struct {
	// Listen is host:port on a loopback address. Empty: off, which is the default.
	Listen string
}

// Bundles is the table [bundles]: who vouches for what is carried between sites.
type Bundles struct {
	// SignWith signs what is exported: absolute paths of private keys and "key:NAME". Optional; an export needs it.
	SignWith []string
	// SignedBy are keyrings as in [Archive.SignedBy]: whose bundles are taken. Optional; an import needs it.
	SignedBy []string
}

// Cache is the table [cache]: what the store may hold.
type Cache struct {
	// MaxSize is the limit in bytes of all files together; 0: as much as the disk takes. Defaults to 0.
	MaxSize int64
}

// Clients is the table [clients]: the built-in CA. All three keys are required, and all are absolute paths.
type Clients struct {
	// CACert and CAKey are the CA's certificate and private key, PEM.
	CACert, CAKey string
	// Dir holds one directory for each issued client certificate.
	Dir string
}

// Archive is one [[archive]]: an upstream, in the words of sources.list(5).
type Archive struct {
	// Name is unique among the archives.
	Name string
	// URIs are mirrors of one another in order of preference, http or https, without a slash at the end. Empty (but
	// present in the file): the archive is fed by imports alone.
	URIs []string
	// Suites are directories below dists/, or paths that end in "/": flat repositories. An archive has one kind only.
	// The base directory itself is always spelled "./".
	Suites []string
	// Components is empty if and only if the suites are flat.
	Components []string
	// Architectures are Debian architectures; "source" stands for source packages.
	Architectures []string
	// Languages of the translations to mirror. Empty: none. Defaults to DefaultLanguage.
	Languages []string
	// SignedBy are absolute paths of keyrings, at least one, and fingerprints in upper case that choose keys from them:
	// a key with its subkeys, or with "!" at the end exactly that key.
	SignedBy []string
	// Refresh is how often the Release is asked for, at least MinRefresh. Defaults to DefaultRefresh; 0 without URIs.
	Refresh time.Duration
	// Download is OnDemand or All. Defaults to OnDemand.
	Download string
	// Installer adds the images of the Debian installer. Defaults to false.
	Installer bool
	// MaxAge is how long ago a Release may be dated, at least MinMaxAge. 0: whatever its Valid-Until says.
	MaxAge time.Duration

	// AllowPrivate allows connections to addresses that are not on the public net. Defaults to false.
	AllowPrivate bool
	// Proxy is http, https or socks5://HOST[:PORT], or DirectProxy. Empty: what the environment says.
	Proxy string
	// Auth is the absolute path of names and passwords in apt's auth.conf format. Optional.
	Auth string
	// ClientCert and ClientKey are shown to mirrors that ask for them, absolute paths to PEM. Both or none.
	ClientCert, ClientKey string
	// CA has the certificates that mirrors must chain to, an absolute path to PEM. Empty: the system's.
	CA string
	// Bandwidth is the most that comes, in bytes a second. 0: as much as comes.
	Bandwidth int64
	// Connections is the most requests at a time. 0: the default of 8.
	Connections int
	// Aliases are further addresses, spelled as in URIs, for which proxy mode answers with this archive. Nothing is ever
	// fetched from them. Optional.
	Aliases []string
}

// Load reads the file at path. Errors are those of opening it, wrapped, and *Error.
func Load(path string) (*Config, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse reads text as the content of the file at path, which need not exist: it is the base of relative paths and stands
// in messages. The error is *Error unless path is relative and there is no working directory.
func Parse(path string, text []byte) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("locating configuration: %w", err)
	}
	d := &decoder{file: path, dir: filepath.Dir(absolute)}
	c := d.document(text)
	if err := d.err(); err != nil {
		return nil, err
	}
	c.Path = absolute
	return c, nil
}
