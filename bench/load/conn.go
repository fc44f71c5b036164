package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// A conn is one connection and what has moved on it. The counts are of bytes from its start.
type conn struct {
	fd, id    int
	out, in   cursor
	queued    int64 // due to be sent
	sent      int64
	received  int64
	completed int64 // received as whole messages
	marks     fifo
}

// restart makes k the serial-th connection, on a new socket.
func (k *conn) restart(fd, serial int) {
	*k = conn{fd: fd, id: k.id, out: newCursor(serial), in: newCursor(serial), marks: k.marks}
	k.marks.clear()
}

// queue adds n bytes of messages that are due at a time.
func (k *conn) queue(n, at int64) {
	k.queued += n
	k.marks.push(mark{end: k.queued, at: at})
}

// flush sends what is queued, as far as the socket takes it. Then an event follows when it takes more.
func (k *conn) flush() error {
	for k.sent < k.queued {
		n, err := k.sendPiece()
		if n == 0 || err != nil {
			return err
		}
	}
	return nil
}

// sendPiece sends once. It returns 0 when the socket takes nothing.
func (k *conn) sendPiece() (int, error) {
	n, errno := send(k.fd, k.out.peek(int(min(k.queued-k.sent, maxPiece))))
	switch errno {
	case 0:
		k.out.advance(n)
		k.sent += int64(n)
		return n, nil
	case unix.EAGAIN:
		return 0, nil
	}
	return 0, fmt.Errorf("send: %w", errno)
}

// receive takes what has arrived, as far as b reaches, and compares it. More is false when the socket is empty: a stream's receive that
// returns less than was asked for has emptied it.
func (k *conn) receive(b []byte) (more bool, err error) {
	n, errno := recv(k.fd, b)
	switch {
	case errno == unix.EAGAIN:
		return false, nil
	case errno != 0:
		return false, fmt.Errorf("receive: %w", errno)
	case n == 0:
		return false, fmt.Errorf("receive: %w", io.ErrUnexpectedEOF)
	case k.received+int64(n) > k.sent:
		return false, errors.New("more bytes came back than were sent")
	}
	if want := k.in.peek(n); !bytes.Equal(b[:n], want) {
		return false, k.wrong(b[:n], want)
	}
	k.in.advance(n)
	k.received += int64(n)
	return n == len(b), nil
}

func (k *conn) wrong(got, want []byte) error {
	i := 0
	for got[i] == want[i] {
		i++
	}
	return &wrongByte{conn: k.id, at: k.received + int64(i), got: got[i], want: want[i]}
}

// A wrongByte is the first byte of a connection that is not what was sent.
type wrongByte struct {
	conn      int
	at        int64
	got, want byte
}

func (e *wrongByte) Error() string {
	return fmt.Sprintf("wrong byte: connection %d, offset %d: got %#02x, want %#02x", e.conn, e.at, e.got, e.want)
}
