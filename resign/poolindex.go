package resign

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"aptmirror/cache/catalog"
	"aptmirror/policy"
	"aptmirror/upstream/deb822"
)

// maxStanza bounds in bytes what is read of one package of a pool.
const maxStanza = deb822.DefaultStanzaBytes

// poolKinds are the files of a pool that have a stanza.
var poolKinds = map[catalog.PoolKind]policy.Kind{catalog.PoolDeb: policy.Deb, catalog.PoolUdeb: policy.Udeb, catalog.PoolSource: policy.Source}

// readPool adds the packages of a pool.
func (r *reader) readPool(ctx context.Context, in *input) error {
	origins := map[string]uint32{}
	for _, f := range in.Files {
		kind, ok := poolKinds[f.Kind]
		arch := f.Architecture
		if kind == policy.Source {
			arch = "source"
		}
		if !ok || !r.has(arch, f.Component) {
			continue
		}
		if _, known := origins[f.Component]; !known {
			origins[f.Component] = r.newOrigin(in, f.Component)
		}
		if err := r.addPoolFile(ctx, f, origins[f.Component], kind); err != nil {
			return fmt.Errorf("reading %s of pool %s: %w", f.Path, in.Pool, err)
		}
	}
	return nil
}

func (r *reader) addPoolFile(ctx context.Context, f catalog.PoolFile, o uint32, kind policy.Kind) error {
	control, err := r.b.Blobs.ReadAll(ctx, f.Stanza, maxStanza)
	if err != nil {
		return err
	}
	stanza, err := deb822.ParseOne(indexStanza(control, f), deb822.Limits{})
	if err != nil {
		return err
	}
	return r.add(ctx, stanza, o, kind, nil)
}

// indexStanza adds to the stanza of a pool's file what an index says beside it.
func indexStanza(control []byte, f catalog.PoolFile) []byte {
	b := bytes.NewBuffer(bytes.TrimRight(bytes.Clone(control), "\n"))
	b.WriteByte('\n')
	if f.Kind == catalog.PoolSource {
		fmt.Fprintf(b, "Directory: %s\n", path.Dir(f.Path))
	} else {
		fmt.Fprintf(b, "Filename: %s\nSize: %d\nSHA256: %s\n", f.Path, f.Size, f.Digest)
	}
	return b.Bytes()
}
