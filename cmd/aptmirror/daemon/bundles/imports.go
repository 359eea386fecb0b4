package bundles

import (
	"context"

	"aptmirror/cache/bundle"
	"aptmirror/proxy/admin"
)

// List tells what was imported.
func (c *Carrier) List(context.Context) (*admin.ImportList, error) {
	imports, err := bundle.Imports(c.Cache.Catalog)
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

// LastImport is nil where nothing was imported.
func (c *Carrier) LastImport() (*admin.Imported, error) {
	imports, err := bundle.Imports(c.Cache.Catalog)
	if err != nil || len(imports) == 0 {
		return nil, err
	}
	last := importedOf(imports[0])
	return &last, nil
}
