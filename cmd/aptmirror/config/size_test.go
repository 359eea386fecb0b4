package config

import (
	"strings"
	"testing"
)

func TestMaxSize(t *testing.T) {
	for text, want := range map[string]int64{
		`"200GB"`: 200e9, `"1TiB"`: 1 << 40, `"500 MB"`: 500e6, `"1MB"`: 1e6, `"977KiB"`: 977 << 10, `"1500000kB"`: 1_500_000e3,
	} {
		c := mustParse(t, "/etc/aptmirror/aptmirror.toml", "[cache]\nmax_size = "+text)
		if c.Cache.MaxSize != want {
			t.Errorf("%s is %d", text, c.Cache.MaxSize)
		}
		if again := mustParse(t, c.Path, string(Format(c))); again.Cache != c.Cache {
			t.Errorf("%s is written as one of %d", text, again.Cache.MaxSize)
		}
	}
}

func TestBadMaxSize(t *testing.T) {
	for text, want := range map[string]string{
		`"200"`:                     "not a size",
		`""`:                        "not a size",
		`"GB"`:                      "not a size",
		`"-1GB"`:                    "not a size",
		`"1.5GB"`:                   "not a size",
		`"200gb"`:                   "not a size",
		`"999kB"`:                   "too small",
		`"0TB"`:                     "too small",
		`"9223372036854775807TiB"`:  "too large",
		`"99999999999999999999GB"`:  "not a size",
		`200`:                       "must be a string",
		"\"1GB\"\nmin_size = \"1\"": "unknown key",
	} {
		_, err := Parse("/etc/aptmirror/aptmirror.toml", []byte("[cache]\nmax_size = "+text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPoolSizes(t *testing.T) {
	c := mustParse(t, "/etc/aptmirror/aptmirror.toml", "[[pool]]\nname = \"internal\"\nmax_size = \"50GB\"\nmax_size_each = \"50GB\"\n")
	if p := c.Pools[0]; p.MaxSize != 50e9 || p.MaxSizeEach != 50e9 {
		t.Errorf("%+v", p)
	}
	if again := mustParse(t, c.Path, string(Format(c))); again.Pools[0].MaxSize != 50e9 || again.Pools[0].MaxSizeEach != 50e9 {
		t.Errorf("written as %+v", again.Pools[0])
	}
	for text, want := range map[string]string{
		"max_size = \"1\"":  `4:1: pool.max_size: "1" is not a size`,
		"max_size_each = 5": "must be a string",
		"max_size = \"5GB\"\nmax_size_each = \"5000001kB\"": "5:1: pool.max_size_each: is more than max_size",
	} {
		if _, err := Parse("/etc/aptmirror/aptmirror.toml", []byte("[[pool]]\nname = \"internal\"\n\n"+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
