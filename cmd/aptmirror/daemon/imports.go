package daemon

import (
	"context"

	"aptmirror/cache/bundle"
	"aptmirror/proxy/admin"
)

// Imports tells what was imported.
func (d *Daemon) Imports(context.Context) (*admin.ImportList, error) {
	imports, err := bundle.Imports(d.cache.Catalog)
	if err != nil {
		return nil, err
	}
	out := &admin.ImportList{Imports: []admin.Imported{}}
	for _, i := range imports {
		out.Imports = append(out.Imports, importedOf(i))
	}
	return out, nil
}

func importedOf(i bundle.Import) admin.Imported {
	return admin.Imported{Bundle: i.Name, ID: i.ID, Created: i.Created, Imported: i.Imported, Signers: i.Signers, Files: i.Files, Bytes: i.Bytes}
}

// lastImport is nil where nothing was imported.
func (d *Daemon) lastImport() (*admin.Imported, error) {
	imports, err := bundle.Imports(d.cache.Catalog)
	if err != nil || len(imports) == 0 {
		return nil, err
	}
	last := importedOf(imports[0])
	return &last, nil
}
