package resign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	// commandTime is how long a signing command may take, long enough for a person to touch a token.
	commandTime = time.Minute
	// maxSignatureBytes is the longest output of a signing command; a longer one is no signature.
	maxSignatureBytes = 64 << 10
	// maxComplaintBytes is how much of a command's messages goes into an error.
	maxComplaintBytes = 2048
)

// LoadCommandKey reads the public half of a key for which a command signs: gpg with its agent, a token, another host.
// The command is run without a shell. It gets the text on standard input and writes a detached signature of the text's
// form (type 0x01, gpg --textmode), armoured or binary, to standard output:
//
//	gpg --batch --local-user KEY --textmode --detach-sign
//
// It is run twice for each Release, because the signature within InRelease does not cover the last line's end and the
// one in Release.gpg does. What does not verify under the public half is not used.
func LoadCommandKey(public string, command []string) (*Key, error) {
	key, err := loadCommandKey(public, command)
	if err != nil {
		return nil, fmt.Errorf("reading site key %s: %w", public, err)
	}
	return key, nil
}

func loadCommandKey(public string, command []string) (*Key, error) {
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New("the command is empty")
	}
	f, err := os.Open(public)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readLimited(f, maxKeyBytes)
	if err != nil {
		return nil, err
	}
	entity, err := parseEntity(data)
	if err != nil {
		return nil, err
	}
	if entity.PrivateKey != nil {
		return nil, errors.New("holds a private key; name the public half, or the file as private = without command")
	}
	key, err := newKey(entity)
	if err != nil {
		return nil, err
	}
	key.command = command
	return key, nil
}

// runCommand returns the packets of the command's signature, not yet verified.
func (k *Key) runCommand(ctx context.Context, text []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.command[0], k.command[1:]...)
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(text), time.Second
	out, complaints := &limited{most: maxSignatureBytes}, &limited{most: maxComplaintBytes, cut: true}
	cmd.Stdout, cmd.Stderr = out, complaints
	err := cmd.Run()
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("%s took longer than %s", k.command[0], commandTime)
	case out.over:
		err = fmt.Errorf("%s wrote more than %d bytes, which is no signature", k.command[0], maxSignatureBytes)
	case err != nil:
		err = fmt.Errorf("%s: %w", k.command[0], err)
	default:
		return textSignatures(out.buffer.Bytes())
	}
	if said := strings.TrimSpace(complaints.buffer.String()); said != "" {
		err = fmt.Errorf("%w; it says: %s", err, printable(said))
	}
	return nil, err
}

// printable makes what another program says fit for a log: one line without control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// limited takes so many bytes, and then either errors or cuts.
type limited struct {
	buffer bytes.Buffer // embedded, io.Copy would find its ReadFrom
	most   int
	cut    bool
	over   bool
}

func (l *limited) Write(p []byte) (int, error) {
	room := l.most - l.buffer.Len()
	if len(p) <= room {
		return l.buffer.Write(p)
	}
	l.buffer.Write(p[:room])
	if l.over = true; l.cut {
		return len(p), nil
	}
	return room, errors.New("too much output")
}

// textSignatures takes the armour off and refuses what cannot stand in InRelease, with a better reason than that it
// does not verify.
func textSignatures(sig []byte) ([]byte, error) {
	packets, err := unarmour(sig)
	if err != nil {
		return nil, err
	}
	for r := packet.NewReader(bytes.NewReader(packets)); ; {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return packets, nil
		}
		if err != nil {
			return nil, fmt.Errorf("what the command wrote is no signature: %w", err)
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return nil, errors.New("what the command wrote holds more than signatures")
		}
		if sig.SigType != packet.SigTypeText {
			return nil, errors.New("the command signs bytes, but InRelease needs a signature of text: give gpg the option --textmode")
		}
	}
}

func unarmour(sig []byte) ([]byte, error) {
	if len(sig) == 0 {
		return nil, errors.New("the command wrote no signature")
	}
	if sig[0]&0x80 != 0 {
		return sig, nil
	}
	block, err := armor.Decode(bytes.NewReader(sig))
	if err != nil {
		return nil, errors.New("what the command wrote is neither a binary nor an armoured signature")
	}
	packets, err := readLimited(block.Body, maxSignatureBytes)
	if err != nil {
		return nil, fmt.Errorf("what the command wrote is no signature: %w", err)
	}
	return packets, nil
}
