package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"aptmirror/proxy/admin"
)

const (
	// lowSpace is the free space in bytes below which the store stops to take files in soon.
	lowSpace = 2 << 30
	// noSpace is that below which it takes none, and may not open.
	noSpace = 768 << 20
	// lowFiles is how few new files the file system may have room for.
	lowFiles = 1000
)

// disk looks at the file system of the store.
func (d *Doctor) disk(context.Context) []Finding {
	f := &findings{check: "disk"}
	dir, err := existing(d.Config.State)
	if err != nil {
		f.bad(d.Config.State, err.Error(), "")
		return f.list
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		f.bad(dir, "reading free space: "+err.Error(), "")
		return f.list
	}
	free, total := int64(st.Bavail)*st.Bsize, int64(st.Blocks)*st.Bsize
	d.aboutSpace(f, free, total)
	if st.Files > 0 && st.Ffree < lowFiles {
		f.bad(dir, fmt.Sprintf("the file system has room for %d more files only", st.Ffree), "df -i "+dir)
	}
	if st.Flags&readOnly != 0 {
		f.bad(dir, "the file system is mounted read-only", "mount -o remount,rw "+mountOf(dir))
	}
	return f.list
}

// readOnly is ST_RDONLY of statfs(2).
const readOnly = 1

func (d *Doctor) aboutSpace(f *findings, free, total int64) {
	text := fmt.Sprintf("%s of %s are free", admin.Size(free), admin.Size(total))
	mend := "make room or enlarge the file system; cache.max_size bounds what the store takes"
	switch limit := d.Config.Cache.MaxSize; {
	case free < noSpace:
		f.bad(d.Config.State, fmt.Sprintf("%s, less than %s: the store takes no more files", text, admin.Size(noSpace)), mend)
	case free < lowSpace:
		f.warn(d.Config.State, text, mend)
	case limit > total:
		f.warn(d.Config.State, fmt.Sprintf("cache.max_size is %s, but the file system has only %s", admin.Size(limit), admin.Size(total)), "lower cache.max_size to what the file system takes")
	default:
		f.ok(d.Config.State, text)
	}
}

// existing is the nearest directory above that exists.
func existing(dir string) (string, error) {
	for {
		_, err := os.Stat(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return dir, err
		}
		dir = filepath.Dir(dir)
	}
}

// mountOf is where the file system of a directory begins.
func mountOf(dir string) string {
	device := deviceOf(dir)
	for dir != "/" && deviceOf(filepath.Dir(dir)) == device {
		dir = filepath.Dir(dir)
	}
	return dir
}

func deviceOf(dir string) uint64 {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return 0
	}
	return st.Dev
}
