package admin

// VerifyRequest says how thoroughly to look and what to do.
type VerifyRequest struct {
	// Quick looks whether everything is there, without reading packages.
	Quick bool `json:"quick,omitempty"`
	// Repair drops damaged files and fetches again what is needed.
	Repair bool `json:"repair,omitempty"`
}

// VerifyResult is what reading the store back found, after any repair.
type VerifyResult struct {
	Generations int       `json:"generations"`
	Paths       int       `json:"paths"`
	Blobs       int       `json:"blobs"`
	Bytes       int64     `json:"bytes"`
	Problems    []Problem `json:"problems"`
	// Unchecked is what is left of archives and repositories that are no longer configured.
	Unchecked []Problem `json:"unchecked,omitempty"`
	// Dropped counts damaged files that were removed, and Restored those of
	// them that were fetched again at once.
	Dropped  int `json:"dropped,omitempty"`
	Restored int `json:"restored,omitempty"`
}

// Problem is one thing in the store that is not as it should be.
type Problem struct {
	Where string `json:"where"`
	What  string `json:"what"`
}

// GCRequest asks to remove what is no longer needed.
type GCRequest struct {
	// DryRun only tells what would be removed.
	DryRun bool `json:"dry_run,omitempty"`
	// Unconfigured also removes what the configuration no longer has, however
	// short ago it had it.
	Unconfigured bool `json:"unconfigured,omitempty"`
}

// GCResult is what was removed, or would be.
type GCResult struct {
	DryRun      bool         `json:"dry_run"`
	Generations []Generation `json:"generations"`
	Files       int          `json:"files"`
	Bytes       int64        `json:"bytes"`
}

// Generation names one state of a suite.
type Generation struct {
	Archive string `json:"archive"`
	Suite   string `json:"suite"`
	Number  uint64 `json:"number"`
}
