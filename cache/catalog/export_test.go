package catalog

// SetReached has a function called at the named points of a publication.
func SetReached(f func(point string)) { testingOnlyReached = f }
