package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

const (
	// secondSignal is how long after the first signal a second one is no echo of it
	// (a shell and what it starts may both get Ctrl-C), but says "now".
	secondSignal = time.Second
	// lastResort is how long after a signal a command may still run: longer than the
	// daemon waits for anything, and less than TimeoutStopSec of the unit.
	lastResort = 19 * time.Second
)

// slowDisk is how much longer tests wait for the disk when the program ends.
var slowDisk time.Duration

// endAnyway ends a process that was told to end and does not, because it writes
// to a pipe that nobody reads, say. A second signal does so at once: again gives
// signals back what they do by themselves. To the store it is a power cut,
// which takes nothing that was acknowledged.
func endAnyway(ctx context.Context, stderr io.Writer, again func(), exit func(code int)) {
	context.AfterFunc(ctx, func() {
		time.Sleep(secondSignal)
		again()
		time.Sleep(lastResort + slowDisk - secondSignal)
		fmt.Fprintf(stderr, "aptmirror: what was under way does not end, and is given up after %s\n", lastResort+slowDisk)
		exit(exitInterrupted)
	})
}

// untilEnd reads what may never come, such as standard input, until ctx ends.
func untilEnd(ctx context.Context, from io.Reader) io.ReadCloser {
	out, in := io.Pipe()
	go func() {
		_, err := io.Copy(in, from)
		in.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { in.CloseWithError(context.Cause(ctx)) })
	return out
}

// writeUntilEnd lets do write to what may never take it, such as a pipe, until ctx ends.
func writeUntilEnd(ctx context.Context, to io.Writer, do func(io.Writer) error) error {
	out, in := io.Pipe()
	written := make(chan error, 1)
	go func() {
		_, err := io.Copy(to, out)
		out.CloseWithError(err)
		written <- err
	}()
	defer context.AfterFunc(ctx, func() { out.CloseWithError(context.Cause(ctx)) })()
	err := do(in)
	in.CloseWithError(err)
	if err != nil {
		return err
	}
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
