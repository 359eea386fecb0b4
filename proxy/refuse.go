package proxy

import (
	"fmt"
	"net/http"
	"strings"
)

// maxReason bounds the status line; apt shows it on one line of a terminal.
const maxReason = 200

// refuse answers with the reason in the status line, the only text of a server
// that apt shows, and closes the connection. net/http cannot send such a line,
// so it is written to the connection itself.
func refuse(w *entry, status int, reason string) {
	reason = printable(reason)
	w.status = status
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		http.Error(w.ResponseWriter, reason, status)
		return
	}
	defer conn.Close()
	body := reason + "\n"
	fmt.Fprintf(buffered, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, reason, len(body), body)
	buffered.Flush()
}

// plainError answers a request that is understood but cannot be served.
func plainError(w *entry, status int, text string) { http.Error(w, text, status) }

// printable keeps what a client sent from doing anything but being read.
func printable(s string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return clean[:min(len(clean), maxReason)]
}
