package deb

import (
	"archive/tar"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

const docs = "./usr/share/doc/"

func changelogOf(t testing.TB, data []byte) (string, time.Time, error) {
	t.Helper()
	text, modified, err := ReadChangelog(t.Context(), bytes.NewReader(data), int64(len(data)), "hello")
	return string(text), modified, err
}

func withData(t testing.TB, items ...item) []byte {
	t.Helper()
	return ar(binaryPart, controlOf(t, hello), part{name: "data.tar.gz", data: gz(tarOf(t, items...))})
}

func packed(name, text string) item { return entry(docs+name, string(gz([]byte(text)))) }

func TestReadChangelog(t *testing.T) {
	for name, test := range map[string]struct {
		items []item
		want  string
	}{
		"Debian's own before the author's": {[]item{packed("hello/changelog.gz", "author"), packed("hello/changelog.Debian.gz", "debian")}, "debian"},
		"Debian's own comes first":         {[]item{packed("hello/changelog.Debian.gz", "debian"), packed("hello/changelog.gz", "author")}, "debian"},
		"native":                           {[]item{packed("hello/changelog.gz", "native")}, "native"},
		"not compressed":                   {[]item{entry(docs+"hello/changelog", "plain")}, "plain"},
		"Debian's, not compressed":         {[]item{packed("hello/changelog.gz", "author"), entry(docs+"hello/changelog.Debian", "plain")}, "plain"},
		"without a dot before the path":    {[]item{entry("usr/share/doc/hello/changelog", "plain")}, "plain"},
		"a folder that is a link":          {[]item{special(tar.TypeSymlink, docs+"hello", "other"), packed("other/changelog.Debian.gz", "other's")}, "other's"},
		"its own before another's":         {[]item{packed("other/changelog.Debian.gz", "other's"), packed("hello/changelog.gz", "native")}, "native"},
		"in PAX format":                    {[]item{{tar.Header{Typeflag: tar.TypeReg, Name: docs + "hello/changelog", Format: tar.FormatPAX}, "plain"}}, "plain"},
	} {
		t.Run(name, func(t *testing.T) {
			text, modified, err := changelogOf(t, withData(t, test.items...))
			if err != nil || text != test.want || modified.Unix() != made.Unix() {
				t.Errorf("%q of %v, %v; want %q of %v", text, modified, err, test.want, made)
			}
		})
	}
}

func TestPackagesWithoutAChangelog(t *testing.T) {
	for name, items := range map[string][]item{
		"nothing":             {entry("./etc/hello", "x")},
		"a link":              {special(tar.TypeSymlink, docs+"hello", "/etc"), special(tar.TypeSymlink, docs+"other/changelog.gz", "/etc/shadow")},
		"a hard link":         {special(tar.TypeLink, docs+"hello/changelog.gz", "./etc/shadow")},
		"in a deeper folder":  {entry(docs+"hello/examples/changelog", "x")},
		"in no folder":        {entry(docs+"changelog", "x")},
		"larger than allowed": {entry(docs+"hello/changelog", strings.Repeat("x", maxPackedChangelog+1))},
	} {
		t.Run(name, func(t *testing.T) {
			if text, _, err := changelogOf(t, withData(t, items...)); !errors.Is(err, ErrNoChangelog) {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

func TestHostileChangelogs(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"unpacks to much":      {withData(t, packed("hello/changelog.gz", strings.Repeat("\x00", maxChangelog+1))), "unpacks to more than"},
		"is not compressed":    {withData(t, entry(docs+"hello/changelog.gz", "plain")), "changelog.gz"},
		"ends too early":       {withData(t, entry(docs+"hello/changelog.gz", string(gz([]byte("some text")))[:12])), "changelog.gz"},
		"data.tar is damaged":  {ar(binaryPart, controlOf(t, hello), part{name: "data.tar.gz", data: []byte("no archive")}), "looking for a changelog"},
		"no Debian package":    {[]byte("no archive"), "not a Debian package"},
		"a huge file, claimed": {ar(binaryPart, controlOf(t, hello), part{name: "data.tar", data: bigTar(tar.TypeReg, 1<<40)}), "looking for a changelog"},
	} {
		t.Run(name, func(t *testing.T) {
			if text, _, err := changelogOf(t, test.data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%d bytes, %v; want %q", len(text), err, test.want)
			}
		})
	}
}

func FuzzReadChangelog(f *testing.F) {
	f.Add(withData(f, packed("hello/changelog.gz", "text")))
	f.Add(withData(f, special(tar.TypeSymlink, docs+"hello", "other"), packed("other/changelog.Debian.gz", "text")))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, _, err := changelogOf(t, data)
		if err != nil && text != "" || len(text) > maxChangelog {
			t.Errorf("%d bytes, %v", len(text), err)
		}
	})
}
