package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTyped(t *testing.T) {
	lines := bufio.NewReader(strings.NewReader(" /media/usb \nmore"))
	if got, err := typed(t.Context(), lines); got != "/media/usb" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := typed(t.Context(), lines); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// Ctrl-C at the question for the next medium ends the command.
func TestTypedNothing(t *testing.T) {
	silent, person := io.Pipe()
	defer person.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := typed(ctx, bufio.NewReader(silent)); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}
