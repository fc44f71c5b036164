// Package hello is the one exchange of the HTTP servers here: any request without a body is answered with "Hello, World!". It splits a
// stream into requests and knows no more of HTTP than that and Connection: close.
package hello

import "bytes"

// MaxRequest is how long a request may be before its connection is closed.
const MaxRequest = 8 << 10

// MaxBatch is how many responses Responses returns at most.
const MaxBatch = 64

const response = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"

var responses = bytes.Repeat([]byte(response), MaxBatch)

// Responses returns n responses in a row. Nobody may write to them.
func Responses(n int) []byte { return responses[:n*len(response)] }

var (
	newline    = []byte("\r\n")
	emptyLine  = []byte("\r\n\r\n")
	connection = []byte("connection")
	closing    = []byte("close")
)

// Next returns how long the first request in data is, or 0 if its end is not there yet, and whether the connection ends with it.
func Next(data []byte) (size int, last bool) {
	end := bytes.Index(data, emptyLine)
	if end < 0 {
		return 0, false
	}
	return end + len(emptyLine), closes(data[:end])
}

// Take counts the requests at the start of data, up to MaxBatch or the last one of the connection, and returns what follows them.
func Take(data []byte) (n int, rest []byte, last bool) {
	for n < MaxBatch && !last {
		size, ends := Next(data)
		if size == 0 {
			break
		}
		n, data, last = n+1, data[size:], ends
	}
	return n, data, last
}

// closes looks for Connection: close among the lines of a request.
func closes(head []byte) bool {
	_, lines, more := bytes.Cut(head, newline)
	for more {
		var line []byte
		line, lines, more = bytes.Cut(lines, newline)
		if len(line) < len(connection) || line[0]|0x20 != 'c' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, connection) {
			return bytes.EqualFold(bytes.TrimSpace(value), closing)
		}
	}
	return false
}
