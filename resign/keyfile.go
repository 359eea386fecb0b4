package resign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

const (
	// maxKeyBytes is the longest key file that is read; a longer one is refused.
	maxKeyBytes = 1 << 20
	// maxPassphraseBytes is the longest passphrase; a longer one is some other file.
	maxPassphraseBytes = 4096
)

// KeySource says where a site key is. Either Private is given, or Public and Command.
type KeySource struct {
	// Private is the path of the private key, which nobody but its owner may read.
	Private string
	// Passphrase is where the passphrase of Private is: "file:PATH", a file that nobody but its owner may read, or
	// "credential:NAME", one that systemd passes on (LoadCredential= in systemd.exec(5)). Empty without passphrase.
	Passphrase string
	// Credentials is the directory of systemd's credentials, $CREDENTIALS_DIRECTORY; empty where there is none.
	Credentials string

	// Public is the path of the public half of a key whose private part is elsewhere.
	Public string
	// Command signs with that part: see LoadCommandKey.
	Command []string
}

// Load reads the key.
func (s KeySource) Load() (*Key, error) {
	if s.Command != nil {
		return LoadCommandKey(s.Public, s.Command)
	}
	if s.Passphrase == "" {
		return LoadKey(s.Private)
	}
	passphrase, err := s.readPassphrase()
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase of site key %s: %w", s.Private, err)
	}
	defer clear(passphrase)
	return LoadProtectedKey(s.Private, passphrase)
}

// LoadPublic is Load for who only asks about the key or passes its public half on: no passphrase is needed, and the key
// cannot sign.
func (s KeySource) LoadPublic() (*Key, error) {
	if s.Command != nil {
		return s.Load()
	}
	data, err := readPrivate(s.Private, maxKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	defer clear(data)
	key, err := publicHalf(data)
	if err != nil {
		return nil, fmt.Errorf("%s: reading site key: %w", s.Private, err)
	}
	return key, nil
}

func publicHalf(private []byte) (*Key, error) {
	entity, err := parseEntity(private)
	if err != nil {
		return nil, err
	}
	packets, err := publicPackets(entity)
	if err == nil {
		entity, err = parseEntity(packets)
	}
	if err != nil {
		return nil, err
	}
	return newKey(entity)
}

func (s KeySource) readPassphrase() (text []byte, err error) {
	kind, name, _ := strings.Cut(s.Passphrase, ":")
	switch {
	case kind == "file" && name != "":
		return ReadPassphrase(name)
	case kind == "credential" && filepath.IsLocal(name) && !strings.Contains(name, "/"):
		text, err = s.readCredential(name)
		return trimPassphrase(text, err)
	}
	return nil, errors.New("where it is has to be written as credential:NAME or file:PATH") // and may be the passphrase itself
}

// ReadPassphrase reads a file that nobody but its owner can read; a line end after the passphrase is not part of it.
func ReadPassphrase(file string) ([]byte, error) {
	text, err := readPrivate(file, maxPassphraseBytes)
	return trimPassphrase(text, err)
}

func trimPassphrase(text []byte, err error) ([]byte, error) {
	text = bytes.TrimRight(text, "\r\n")
	if err == nil && len(text) == 0 {
		err = errors.New("the passphrase is empty")
	}
	return text, err
}

// readCredential looks at no mode: systemd gives access by ACL, which a mode does not show, in a private directory.
func (s KeySource) readCredential(name string) ([]byte, error) {
	if s.Credentials == "" {
		return nil, fmt.Errorf("there are no credentials: start by systemd, with LoadCredential=%s:PATH in the unit", name)
	}
	f, err := os.Open(filepath.Join(s.Credentials, name))
	if err != nil {
		return nil, fmt.Errorf("%w; is LoadCredential=%s:PATH in the unit?", err, name)
	}
	defer f.Close()
	return readLimited(f, maxPassphraseBytes)
}

// ReadKey reads one private key as gpg --export-secret-keys writes it, armoured or binary, without a passphrase.
func ReadKey(r io.Reader) (*Key, error) {
	data, err := readLimited(r, maxKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	defer clear(data)
	key, err := parsePrivate(data, nil)
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	return key, nil
}

// LoadKey reads a private key file. One that its group or others can read is refused: such a key counts as leaked.
func LoadKey(path string) (*Key, error) { return LoadProtectedKey(path, nil) }

// LoadProtectedKey is LoadKey for a key with a passphrase, or without one where that is empty.
func LoadProtectedKey(path string, passphrase []byte) (*Key, error) {
	data, err := readPrivate(path, maxKeyBytes)
	if err != nil {
		return nil, fmt.Errorf("reading site key: %w", err)
	}
	defer clear(data)
	key, err := parsePrivate(data, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: reading site key: %w", path, err)
	}
	return key, nil
}

// readPrivate reads a file that nobody but its owner can get at.
func readPrivate(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, &fs.PathError{Op: "open", Path: path,
			Err: fmt.Errorf("others can get at this private file (mode %04o); run chmod 600", mode)}
	}
	return readLimited(f, most)
}

func readLimited(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	return data, err
}

func parsePrivate(data, passphrase []byte) (*Key, error) {
	entity, err := parseEntity(data)
	if err != nil {
		return nil, err
	}
	if err := unlock(entity, passphrase); err != nil {
		return nil, err
	}
	return newKey(entity)
}

func parseEntity(data []byte) (*openpgp.Entity, error) {
	var body io.Reader = bytes.NewReader(data)
	if len(data) > 0 && data[0]&0x80 == 0 {
		block, err := armor.Decode(body)
		if err != nil {
			return nil, errors.New("neither binary nor armoured OpenPGP")
		}
		body = block.Body
	}
	list, err := openpgp.ReadKeyRing(body)
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("holds %d keys instead of one", len(list))
	}
	return list[0], nil
}

// unlock decrypts the private parts, and refuses at load time what would otherwise fail at the next publish.
func unlock(e *openpgp.Entity, passphrase []byte) error {
	if e.PrivateKey == nil {
		return errPublic
	}
	if !encrypted(e) {
		return nil
	}
	if len(passphrase) == 0 {
		return errors.New("the key has a passphrase: say where that is with passphrase = in its [[key]] table, or remove it and protect the file alone")
	}
	if err := e.DecryptPrivateKeys(passphrase); err != nil || encrypted(e) {
		return errors.New("the passphrase is not that of the key") // the library's error says no more
	}
	return nil
}

func encrypted(e *openpgp.Entity) bool {
	private := []*packet.PrivateKey{e.PrivateKey}
	for _, sub := range e.Subkeys {
		private = append(private, sub.PrivateKey)
	}
	for _, key := range private {
		if key != nil && key.Encrypted {
			return true
		}
	}
	return false
}

// WritePrivate writes the whole key armoured, as ReadKey and gpg --import take it. The caller sees to the file mode.
func (k *Key) WritePrivate(w io.Writer) error { return k.WriteProtected(w, nil) }

// WriteProtected is WritePrivate with the private parts encrypted, unless the passphrase is empty.
func (k *Key) WriteProtected(w io.Writer, passphrase []byte) error {
	packets, err := k.privatePackets(passphrase)
	if err == nil {
		err = writeArmour(w, openpgp.PrivateKeyType, packets)
	}
	if err != nil {
		return fmt.Errorf("writing site key: %w", err)
	}
	return nil
}

func (k *Key) privatePackets(passphrase []byte) ([]byte, error) {
	if k.Command() {
		return nil, errors.New("its private part is elsewhere")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	packets, err := serializePrivate(k.entity)
	if err != nil || len(passphrase) == 0 {
		return packets, err
	}
	copied, err := parseEntity(packets)
	if err != nil {
		return nil, err
	}
	if err := copied.EncryptPrivateKeys(passphrase, nil); err != nil {
		return nil, err
	}
	return serializePrivate(copied)
}

func serializePrivate(e *openpgp.Entity) ([]byte, error) {
	var packets bytes.Buffer
	err := e.SerializePrivateWithoutSigning(&packets, nil)
	return packets.Bytes(), err
}
