package admin

// LogRequest asks for a level of logging until the daemon ends; without one it
// only asks which one is in force.
type LogRequest struct {
	Level string `json:"level,omitempty"` // debug, info, warn or error
}

// LogLevel is what is in force afterwards, and what was before.
type LogLevel struct {
	Level string `json:"level"`
	Was   string `json:"was"`
}
