// Package bundle writes snapshots into files that can be carried to where no
// network goes, reads them there, and writes snapshots out as plain apt
// repositories.
//
// A bundle holds the files of some suites as blobs and a list of them that the
// exporting site signed; FORMAT.md describes it. The reader takes nothing that is
// not exactly as the list says, byte for byte, padding included: whatever else was
// done to a bundle on its way, it is refused. No name that stands in a bundle ever
// becomes the name of a file.
//
// What this package does not do: it never judges what an archive signed. That the
// suites of a bundle are what upstream signed, and newer than what was accepted
// before, is package upstream's business, which whoever imports asks (Importer.Judge)
// before anything that came is named by a generation. It moves no pointer, asks no
// network, and reads no clock but Importer.Now.
package bundle
