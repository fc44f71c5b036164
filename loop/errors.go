package loop

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/proactor-go/proactor/ring"
)

// The errors that an operation ends with on the program's own account. What the system reports arrives as
// [*net.OpError], [*fs.PathError] or [*os.LinkError] around its errno.
var (
	// ErrClosed ends the operations of a handle or loop that was closed. It matches [net.ErrClosed] and [fs.ErrClosed].
	ErrClosed error = &sentinel{"loop: use of closed handle or loop", []error{net.ErrClosed, fs.ErrClosed}}
	// ErrCanceled ends an operation after its Cancel. It matches [context.Canceled].
	ErrCanceled error = &sentinel{"loop: operation canceled", []error{context.Canceled}}
	// ErrBusy refuses a second receive on a Conn or PacketConn, or a second Accept on a Listener.
	ErrBusy error = &sentinel{"loop: another operation of this kind is in flight", nil}
	// ErrUnsupported is what New returns where neither io_uring nor poll(2) exists. It matches [errors.ErrUnsupported].
	ErrUnsupported = ring.ErrUnsupported
	// ErrRunning refuses Run within Run, and Run or Close on another goroutine than the loop's.
	ErrRunning error = &sentinel{"loop: the loop belongs to another goroutine, or runs already", nil}
)

type sentinel struct {
	text string
	like []error
}

func (e *sentinel) Error() string { return e.text }

func (e *sentinel) Is(target error) bool {
	for _, like := range e.like {
		if target == like {
			return true
		}
	}
	return false
}

const ecanceled = int32(syscall.ECANCELED)

// Results of the loop itself share the space of CQE.Res with errnos, which end at -4095.
const (
	resClosed int32 = -5000 - iota
	resBusy
	resAppendMode
	resRefused // extra.err says why
)

var errAppendMode = errors.New("loop: WriteAt on a file opened with O_APPEND")

// cause tells why the loop itself asked for an operation's cancelation.
type cause uint8

const (
	causeNone cause = iota
	causeCancel
	causeTimeout
	causeClose
)

// canceled reports whether res is how an operation ends that was asked to stop: a worker of io-wq interrupted in a
// system call reports EINTR, and EAGAIN says that nothing moved and nobody waits any more.
func canceled(res int32) bool {
	switch syscall.Errno(-res) {
	case syscall.ECANCELED, syscall.EINTR, syscall.EAGAIN:
		return true
	}
	return false
}

// fault turns a negative result of o into its error, before it is wrapped.
func (o *op) fault(res int32) error {
	switch {
	case res == resClosed:
		return ErrClosed
	case res == resBusy:
		return ErrBusy
	case res == resAppendMode:
		return errAppendMode
	case res == resRefused:
		return o.extra.err
	case res == -ecanceled, o.cause != causeNone && canceled(res):
		switch o.cause {
		case causeTimeout:
			return os.ErrDeadlineExceeded
		case causeClose:
			return ErrClosed
		}
		return ErrCanceled
	}
	return syscall.Errno(-res)
}

// stopped returns the error of an operation that was asked to stop between two of its entries.
func (o *op) stopped() error { return o.fault(-ecanceled) }

// bare reports whether err goes to the user as it is.
func bare(err error) bool {
	_, errno := err.(syscall.Errno)
	return !errno || err == io.EOF
}
