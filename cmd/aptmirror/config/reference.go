package config

// Table is what there is to say about a table of the file.
type Table struct {
	// Header is as it stands in the file, empty for the top level.
	Header, About string
	Keys          []Setting
}

// Setting is a key: what it means with its unit and its default, and an example of its value in TOML.
type Setting struct{ Name, About, Example string }

// Document tells about every table and key, in the order in which Format writes them.
func Document() (tables []Table) {
	add := func(s section) {
		t := Table{About: s.about}
		if s.name != "" {
			t.Header = s.header()
		}
		for _, k := range s.keys {
			t.Keys = append(t.Keys, Setting{k.name, k.about, k.example})
		}
		tables = append(tables, t)
	}
	add(topLevel)
	for _, s := range sections {
		if s.name != repositorySection.name {
			add(s)
			continue
		}
		add(verbatimSection)
		add(builtSection)
		add(suiteSection)
	}
	return tables
}
