package proxy

import "testing"

func TestPackageOf(t *testing.T) {
	for file, want := range map[string][2]string{
		"pool/main/h/hello/hello_2.10-3+b1_amd64.deb":   {"hello", "2.10-3+b1"},
		"pool/main/g/g++/g++_4%3a12.2.0-3~1_amd64.deb":  {"g++", "4:12.2.0-3~1"},
		"pool/main/d/di/di-utils_1.0_all.udeb":          {"di-utils", "1.0"},
		"pool/main/h/hello/hello_2.10-3.dsc":            {"hello", "2.10-3"},
		"pool/main/h/hello/hello_2.10.orig.tar.gz":      {"hello", "2.10"},
		"pool/main/h/hello/hello_2.10.orig.tar.gz.asc":  {"hello", "2.10"},
		"pool/main/h/hello/hello_2.10.orig-docs.tar.xz": {"hello", "2.10"},
		"pool/main/h/hello/hello_2.10-3.debian.tar.xz":  {"hello", "2.10-3"},
		"pool/main/o/old/old_1.0-1.diff.gz":             {"old", "1.0-1"},
		"pool/main/n/native/native_1.0.tar.xz":          {"native", "1.0"},
		"x_1_y_amd64.deb":                               {"x", "1"},
		"no-version.deb":                                {},
		"_1_all.deb":                                    {},
		"a_.dsc":                                        {},
		"a_1.zip":                                       {},
		"a_1.deb":                                       {},
		"%zz_1_all.deb":                                 {"%zz", "1"},
		"":                                              {},
		"dists/bookworm/main/installer-amd64/images/netboot/vmlinuz": {},
	} {
		if name, version := packageOf(file); name != want[0] || version != want[1] {
			t.Errorf("%s: got %q, %q", file, name, version)
		}
	}
}

func FuzzPackageOf(f *testing.F) {
	f.Add("pool/main/g/g++/g++_4%3a12.2.0-3~1_amd64.deb")
	f.Fuzz(func(t *testing.T, file string) {
		name, version := packageOf(file)
		if (name == "") != (version == "") || len(name)+len(version) > len(file) {
			t.Errorf("%q became %q and %q", file, name, version)
		}
	})
}
