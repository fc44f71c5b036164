package loop

import (
	"fmt"
	"math"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
)

// Adopt makes a Conn of what c, a [net.Conn], an [*os.File] of a pipe or terminal, or the like, has open. The Conn gets a descriptor of its own
// (dup(2)); c stays the caller's, who may close it at once. As long as both are open they share the stream: its bytes go to whoever
// reads first. What Adopt refuses, and what becomes of the open file, is as with [Loop.Stream]; an os.File in blocking mode should not be
// used any more.
func (l *Loop) Adopt(c syscall.Conn) (*Conn, error) {
	l.checkThread("Adopt")
	if l.shut {
		return nil, ErrClosed
	}
	fd, err := duplicate(c)
	if err != nil {
		return nil, fmt.Errorf("loop: Adopt: %w", err)
	}
	conn, err := l.own(fd)
	if err != nil {
		sys.Close(fd)
		return nil, fmt.Errorf("loop: Adopt: %w", err)
	}
	return conn, nil
}

// AdoptListener makes a Listener of what ln, a [net.Listener] or an [*os.File], has open: a stream socket that listens, or else the error is EINVAL. The
// Listener gets a descriptor of its own (dup(2)); ln stays the caller's, who may close it at once. As long as both are open, a connection goes to
// whoever accepts first. Closing the Listener does not remove the file of a Unix socket, unless [Listener.SetUnlinkOnClose] says so.
func (l *Loop) AdoptListener(ln syscall.Conn) (*Listener, error) {
	l.checkThread("AdoptListener")
	if l.shut {
		return nil, ErrClosed
	}
	fd, err := duplicate(ln)
	if err != nil {
		return nil, fmt.Errorf("loop: AdoptListener: %w", err)
	}
	s, err := l.inspect(fd)
	if err == nil && !s.Listening {
		err = &sys.Refusal{Reason: "not a listening socket", Errno: syscall.EINVAL}
	}
	if err == nil {
		err = sys.Prepare(fd)
	}
	if err != nil {
		sys.Close(fd)
		return nil, fmt.Errorf("loop: AdoptListener: %w", err)
	}
	adopted := &Listener{network: s.Network}
	adopted.fd = int32(fd)
	adopted.begin(l)
	return adopted, nil
}

// duplicate returns a descriptor of what c has open.
func duplicate(c syscall.Conn) (fd int, err error) {
	if c == nil {
		return -1, syscall.EINVAL
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(n uintptr) {
		if fd = -1; n > math.MaxInt32 {
			err = syscall.EBADF
			return
		}
		fd, err = sys.Dup(int(n))
	})
	if failed != nil {
		return -1, failed
	}
	return fd, err
}
