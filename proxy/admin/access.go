package admin

import "time"

// Access is what decides who gets in, as a serving daemon has it in force.
type Access struct {
	// Read is when the files were read that are in force.
	Read time.Time `json:"read"`
	// Problem says why the files as they are now are not in force, since
	// ProblemSince; what was read before stays. Empty: they are.
	Problem      string    `json:"problem,omitempty"`
	ProblemSince time.Time `json:"problem_since,omitzero"`
	// Restart names the keys of the configuration that have changed but are
	// only looked at when the daemon starts.
	Restart []string `json:"restart,omitempty"`
	// Kept is what the configuration no longer has and the store still does.
	Kept []Kept `json:"kept,omitempty"`
	// Warnings are about what will be wrong soon.
	Warnings    []string         `json:"warnings,omitempty"`
	Certificate Certificate      `json:"certificate"`
	ServerCA    []Certificate    `json:"server_ca,omitempty"` // as kits have it
	Authorities []Certificate    `json:"authorities"`         // of clients
	CRLs        []RevocationList `json:"crls"`
	Grants      int              `json:"grants"`
	// ClientsEnding are clients on record whose certificates end soon, the soonest
	// first; not all where there are many.
	ClientsEnding []Certificate `json:"clients_ending,omitempty"`
}

// Kept is a suite that is not configured any more: of a repository what it served,
// of an archive what was mirrored.
type Kept struct {
	Repository string    `json:"repository,omitempty"`
	Archive    string    `json:"archive,omitempty"`
	Suite      string    `json:"suite"`
	Until      time.Time `json:"until"` // when it is removed, unless it comes back
}

// Certificate is one of those in force.
type Certificate struct {
	Name     string    `json:"name"` // common name, or first DNS name
	NotAfter time.Time `json:"not_after"`
}

// RevocationList is one of those in force.
type RevocationList struct {
	Issuer     string    `json:"issuer"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Revoked    int       `json:"revoked"`
}
