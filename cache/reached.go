package cache

import (
	"errors"

	"aptmirror/cache/blob"
)

// testingOnlyReached is called at named points, so that a test can kill the
// process there.
var testingOnlyReached func(point string)

func reached(point string) {
	if testingOnlyReached != nil {
		testingOnlyReached(point)
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, blob.ErrNotFound) {
		return nil
	}
	return err
}
