package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"slices"
	"syscall"
	"time"
)

// Revoke adds a serial number to the CRL and signs it anew with the next number. Servers
// that read the file refuse the certificate from then on. A serial number that is already
// there is no error and changes nothing.
func (c *Clients) Revoke(serial *big.Int, now time.Time) error {
	if err := checkSerial(serial); err != nil {
		return fmt.Errorf("revoking certificate: %w", err)
	}
	err := c.changeCRL(now, func(list *CRL) bool {
		if _, ok := list.Lookup(serial); ok {
			return false
		}
		list.revoked[serialKey(serial)] = Revoked{Serial: serial, Time: now}
		return true
	})
	if err != nil {
		return fmt.Errorf("revoking certificate %x: %w", serial, err)
	}
	return nil
}

// Refresh signs the CRL anew, unchanged, once half of its life is over. Call it daily: a
// list whose life is over makes servers refuse everyone.
func (c *Clients) Refresh(now time.Time) error {
	err := c.changeCRL(now, func(list *CRL) bool {
		return !now.Before(list.ThisUpdate.Add(list.NextUpdate.Sub(list.ThisUpdate) / 2))
	})
	if err != nil {
		return fmt.Errorf("refreshing CRL: %w", err)
	}
	return nil
}

// changeCRL reads the CRL, lets change alter it and writes it if that returns true.
func (c *Clients) changeCRL(now time.Time, change func(*CRL) bool) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	list, err := c.loadCRL()
	if err != nil || !change(list) {
		return err
	}
	number := big.NewInt(1)
	if list.Number != nil {
		number.Add(number, list.Number)
	}
	entries := slices.SortedFunc(maps.Values(list.revoked), func(a, b Revoked) int { return a.Serial.Cmp(b.Serial) })
	return c.writeCRL(entries, number, now)
}

func (c *Clients) loadCRL() (*CRL, error) {
	lists, err := LoadCRL(c.CRLFile, []*x509.Certificate{c.Authority.cert})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errLostCRL, err)
	}
	if err != nil {
		return nil, err
	}
	if len(lists) != 1 {
		return nil, fmt.Errorf("%s: %d lists, one is expected", c.CRLFile, len(lists))
	}
	return lists[0], nil
}

func (c *Clients) writeCRL(entries []Revoked, number *big.Int, now time.Time) error {
	life := c.CRLLife
	if life == 0 {
		life = DefaultCRLLife
	}
	text, err := c.Authority.CRL(entries, number, now, now.Add(life))
	if err != nil {
		return err
	}
	return WritePublic(c.CRLFile, text)
}

// lock takes Dir for one goroutine of one process: the lock belongs to the opened file. The
// kernel drops it when the process dies.
func (c *Clients) lock() (unlock func(), err error) {
	dir, err := os.Open(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("locking client directory: %w", err)
	}
	for {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
		if err == nil {
			return func() { dir.Close() }, nil
		}
		if err != syscall.EINTR {
			dir.Close()
			return nil, fmt.Errorf("locking %s: %w", c.Dir, err)
		}
	}
}
