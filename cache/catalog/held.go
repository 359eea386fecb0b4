package catalog

import (
	"time"

	"aptmirror/cache/blob"
)

// Identity is what a Release says of itself that clients pin by. apt takes a
// change of it for an error until somebody accepts it, and so does this program.
type Identity struct {
	Origin   string `json:"origin,omitempty"`
	Label    string `json:"label,omitempty"`
	Codename string `json:"codename,omitempty"`
	// Pin is the default priority that NotAutomatic and ButAutomaticUpgrades
	// give packages (apt_preferences(5)): 500, 100 or 1.
	Pin int `json:"pin"`
}

// Held is a Release with a good signature that was not taken in, because a
// person has to judge it first. Accepting it moves the mark of Check to it.
type Held struct {
	Since    time.Time   `json:"since"`  // when it was first seen
	Reason   string      `json:"reason"` // as in Check
	What     string      `json:"what"`   // for a person
	URI      string      `json:"uri"`    // the mirror that has it
	Date     time.Time   `json:"date"`
	Release  blob.Digest `json:"release"` // of its text
	Identity Identity    `json:"identity"`
}
