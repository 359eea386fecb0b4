package admin

import "time"

// AcceptRequest names a suite of which a Release is held.
type AcceptRequest struct {
	Archive string `json:"archive"`
	Suite   string `json:"suite"`
}

// AcceptResult is what was accepted and the outcome of the refresh after it.
type AcceptResult struct {
	Accepted Held        `json:"accepted"`
	Suite    SuiteResult `json:"suite"`
}

// Held is a Release with a good signature that waits for somebody's consent.
type Held struct {
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason"`
	What    string    `json:"what"`
	URI     string    `json:"uri"`
	Date    time.Time `json:"date"`
	Release string    `json:"release"` // SHA-256 of its text
}

// Mirror is an address of an archive that failed lately.
type Mirror struct {
	Archive string `json:"archive"`
	URI     string `json:"uri"`
	// LastUntil is when the mirror will be asked before others again.
	LastUntil time.Time `json:"last_until"`
	Why       string    `json:"why"`
}
