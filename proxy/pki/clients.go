package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	certName = "client.crt"
	keyName  = "client.key"
	// retired has a leading dot, which no client name can have.
	retired = ".retired"
	// DefaultCRLLife is how long a list holds when Clients.CRLLife is zero. It is renewed long
	// before by Refresh; the slack is for a daemon that stands still.
	DefaultCRLLife = 30 * 24 * time.Hour
)

// Clients is the directory of issued client certificates and the CRL that goes with it.
// Changes are serialised between processes by a lock on Dir. The fields must not change
// after first use.
type Clients struct {
	Dir       string // clients/; see the package comment for what is in it
	CRLFile   string // made by Init
	Authority *Authority
	CRLLife   time.Duration // 0 = DefaultCRLLife
}

// Client is one issued certificate.
type Client struct {
	Name      string // of its directory
	Cert      *x509.Certificate
	Chain     []*x509.Certificate // what its holder sends: Cert, then intermediates
	HasKey    bool                // the key is on record, too: it was made here
	Retired   bool                // a newer certificate took its place
	RevokedAt time.Time           // zero = not revoked
}

// Init makes the directory and an empty CRL. A CRL that exists is left alone, and none is
// made where clients are on record: an empty one would give every revoked client its
// access back.
func (c *Clients) Init(now time.Time) error {
	if err := os.MkdirAll(filepath.Join(c.Dir, retired), 0o700); err != nil {
		return fmt.Errorf("creating client directory: %w", err)
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(c.CRLFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	known, err := listDir(c.Dir)
	if err != nil {
		return fmt.Errorf("creating CRL: %w", err)
	}
	if len(known) > 0 {
		return errLostCRL
	}
	return c.writeCRL(nil, big.NewInt(1), now)
}

var errLostCRL = errors.New("the list of revoked certificates is gone, put it back from a backup: without it revoked clients have access again")

// Add issues a certificate for the client called name and records it. Where name already
// has one that is neither expired nor revoked, the error is fs.ErrExist; see Renew.
// l.Names may be left out: then name is the DNS name, unless l.URIs has another identity.
func (c *Clients) Add(name string, l Leaf, now time.Time) (*Issued, error) {
	return c.add(name, l, nil, now, false)
}

// AddRequest is Add for a key that stays with the client, see Authority.SignRequest.
func (c *Clients) AddRequest(name string, csr []byte, l Leaf, now time.Time) (*Issued, error) {
	if len(csr) == 0 {
		return nil, errors.New("adding client: empty certificate request")
	}
	return c.add(name, l, csr, now, false)
}

// Renew issues another certificate for name, with a new key, or answers csr where that is
// not nil. The old one stays good until it expires or is revoked, and moves to the
// retired ones.
func (c *Clients) Renew(name string, l Leaf, csr []byte, now time.Time) (*Issued, error) {
	return c.add(name, l, csr, now, true)
}

func (c *Clients) add(name string, l Leaf, csr []byte, now time.Time, replace bool) (*Issued, error) {
	name = strings.ToLower(name)
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("adding client: %w", err)
	}
	switch {
	case len(l.Names)+len(l.URIs) == 0:
		l.Names = []string{name}
	case len(l.Names) > 0 && !slices.Equal(lower(l.Names), []string{name}):
		return nil, fmt.Errorf("adding client %s: its certificate cannot be for %s", name, strings.Join(l.Names, ", "))
	}
	unlock, err := c.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	old, err := c.current(name, now, replace)
	if err != nil {
		return nil, fmt.Errorf("adding client: %w", err)
	}
	issued, err := c.issue(l, csr, now)
	if err != nil {
		return nil, fmt.Errorf("adding client %s: %w", name, err)
	}
	if err := c.record(name, issued, old); err != nil {
		return nil, fmt.Errorf("recording client %s: %w", name, err)
	}
	return issued, nil
}

// current returns the certificate that has to make way, nil for none.
func (c *Clients) current(name string, now time.Time, replace bool) (*x509.Certificate, error) {
	certs, err := LoadCertificates(filepath.Join(c.Dir, name, certName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	list, err := c.loadCRL()
	if err != nil {
		return nil, err
	}
	if _, revoked := list.Lookup(certs[0].SerialNumber); !revoked && !replace && now.Before(certs[0].NotAfter) {
		return nil, fmt.Errorf("%s has a certificate until %s, renew or revoke that one: %w",
			name, certs[0].NotAfter.Format(time.DateOnly), fs.ErrExist)
	}
	return certs[0], nil
}

func (c *Clients) issue(l Leaf, csr []byte, now time.Time) (*Issued, error) {
	if csr != nil {
		return c.Authority.SignRequest(csr, l, now)
	}
	return c.Authority.IssueClient(l, now)
}

// record puts both files in place in one step, by renaming the directory that holds them.
// A crash between the two renames leaves the name free and the old record retired.
func (c *Clients) record(name string, i *Issued, old *x509.Certificate) error {
	temp, err := c.newRecord()
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := i.Save(filepath.Join(temp, certName), filepath.Join(temp, keyName)); err != nil {
		return err
	}
	place := filepath.Join(c.Dir, name)
	if old != nil {
		if err := c.retire(place, name, old); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, place); err != nil {
		return err
	}
	return syncDir(c.Dir)
}

// newRecord makes an empty directory, and removes those that a crash left behind: the
// lock is held, so they are nobody's.
func (c *Clients) newRecord() (string, error) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".new-") {
			if err := os.RemoveAll(filepath.Join(c.Dir, e.Name())); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp(c.Dir, ".new-*")
}

func (c *Clients) retire(place, name string, old *x509.Certificate) error {
	dir := filepath.Join(c.Dir, retired, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.Rename(place, filepath.Join(dir, old.SerialNumber.Text(16))); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(dir)))
}

// Of returns the certificates of one client, the current one first. There is none that is
// current where all are retired.
func (c *Clients) Of(name string) ([]Client, error) {
	all, err := c.List()
	return slices.DeleteFunc(all, func(k Client) bool { return k.Name != name }), err
}

// Files returns where the certificate and the key of a client are. The key is missing
// when the client made its own.
func (c *Clients) Files(name string) (certFile, keyFile string, err error) {
	name = strings.ToLower(name)
	if err := CheckName(name); err != nil {
		return "", "", fmt.Errorf("finding client: %w", err)
	}
	certFile, keyFile = filepath.Join(c.Dir, name, certName), filepath.Join(c.Dir, name, keyName)
	if _, err := os.Stat(certFile); errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("finding client %s: no certificate was issued to it, or it was revoked; aptmirror client add %[1]s issues one (%w)", name, fs.ErrNotExist)
	} else if err != nil {
		return "", "", fmt.Errorf("finding client %s: %w", name, err)
	}
	return certFile, keyFile, nil
}

// List returns every certificate on record, by name, the current one of a name first.
func (c *Clients) List() ([]Client, error) {
	all, err := c.list()
	if err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	return all, nil
}

func (c *Clients) list() ([]Client, error) {
	list, err := c.loadCRL()
	if err != nil {
		return nil, err
	}
	current, err := listDir(c.Dir)
	if err != nil {
		return nil, err
	}
	old, err := c.listRetired()
	if err != nil {
		return nil, err
	}
	all := append(current, old...)
	for i := range all {
		if r, ok := list.Lookup(all[i].Cert.SerialNumber); ok {
			all[i].RevokedAt = r.Time
		}
	}
	slices.SortStableFunc(all, func(a, b Client) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (c *Clients) listRetired() ([]Client, error) {
	names, err := os.ReadDir(filepath.Join(c.Dir, retired))
	if err != nil {
		return nil, err
	}
	var all []Client
	for _, name := range names {
		old, err := listDir(filepath.Join(c.Dir, retired, name.Name()))
		if err != nil {
			return nil, err
		}
		for i := range old {
			old[i].Name, old[i].Retired = name.Name(), true
		}
		all = append(all, old...)
	}
	return all, nil
}

// listDir reads the records of one directory, each named after its subdirectory.
func listDir(dir string) ([]Client, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []Client
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		certs, err := LoadCertificates(filepath.Join(dir, e.Name(), certName))
		if err != nil {
			return nil, err
		}
		_, err = os.Lstat(filepath.Join(dir, e.Name(), keyName))
		found = append(found, Client{Name: e.Name(), Cert: certs[0], Chain: certs, HasKey: err == nil})
	}
	return found, nil
}
