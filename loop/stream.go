package loop

import (
	"fmt"
	"math"
	"os"
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// A route is how the bytes of one kind of stream travel: what the entries of its Conns are made of.
type route struct {
	recv        ring.Opcode
	send        ring.Opcode
	recvFlags   ring.Flags
	sendFlags   ring.Flags
	multishot   ring.Flags // of an entry of RecvMultishot, where the queue selects the buffer
	dontWait    uint32     // the OpFlags of a receive that ends at once
	sendOpFlags uint32
	off         int64
	recvCall    string // the system calls, as errors name them
	sendCall    string
	shuts       bool // knows shutdown(2)
	packets     bool // each send is one packet
	passes      bool // carries descriptors
}

var (
	tcpRoute = route{
		recv: ring.OpRecv, recvFlags: ring.Stream, recvCall: "recv", dontWait: sys.DontWait,
		multishot: ring.Multishot | ring.BufferSelect | ring.Stream,
		send:      ring.OpSend, sendFlags: ring.Stream, sendOpFlags: sys.SendFlags, sendCall: "send", shuts: true,
	}
	// A receive of a Unix socket may end short before what a descriptor was sent with, though more is there.
	unixRoute = route{
		recv: ring.OpRecv, recvCall: "recv", dontWait: sys.DontWait, multishot: ring.Multishot | ring.BufferSelect,
		send: ring.OpSend, sendFlags: ring.Stream, sendOpFlags: sys.SendFlags, sendCall: "send", shuts: true, passes: true,
	}
	packetRoute = route{
		recv: ring.OpRecv, recvCall: "recv", dontWait: sys.DontWait, multishot: ring.Multishot | ring.BufferSelect,
		send: ring.OpSend, sendOpFlags: sys.SendFlags, sendCall: "send", shuts: true, passes: true, packets: true,
	}
	// Of a socket of another family, such as AF_VSOCK, nothing more is known.
	otherRoute = route{
		recv: ring.OpRecv, recvCall: "recv", dontWait: sys.DontWait, multishot: ring.Multishot | ring.BufferSelect,
		send: ring.OpSend, sendFlags: ring.Stream, sendOpFlags: sys.SendFlags, sendCall: "send", shuts: true,
	}
	// What is no socket has no flags: its descriptor is non-blocking.
	fileRoute = route{
		recv: ring.OpRead, recvCall: "read", multishot: ring.BufferSelect,
		send: ring.OpWrite, sendCall: "write", off: atPosition,
	}
)

func routeOf(network string) *route {
	switch network {
	case "unix":
		return &unixRoute
	case "unixpacket":
		return &packetRoute
	case "pipe", "device":
		return &fileRoute
	case "stream":
		return &otherRoute
	}
	return &tcpRoute
}

// Stream makes a Conn of a descriptor: a pipe's end, a FIFO, a terminal, a character device, a connected stream socket, or anything else that
// poll(2) can wait for. The Conn owns it from then on. If Stream returns an error, the descriptor is still the caller's, and unchanged: regular
// files, directories and block devices (EINVAL), datagram and other sockets (EPROTOTYPE), listening (EINVAL) and
// unconnected ones (ENOTCONN), what is no descriptor (EBADF) and what the loop has already (EEXIST).
//
// The descriptor becomes close-on-exec and non-blocking. The latter is a property of the open file, so that who shares it, such as the
// parent that has the same terminal, may notice. A stream that is no socket has no addresses, and its options and those of TCP cannot be set.
// A FIFO that nobody has opened for writing yet reads as EOF. Standard input and output may turn out to be regular files, which Stream refuses.
func (l *Loop) Stream(fd int) (*Conn, error) {
	l.checkThread("Stream")
	if l.shut {
		return nil, ErrClosed
	}
	c, err := l.own(fd)
	if err != nil {
		return nil, fmt.Errorf("loop: Stream: descriptor %d: %w", fd, err)
	}
	return c, nil
}

func (l *Loop) own(fd int) (*Conn, error) {
	s, err := l.inspect(fd)
	if err == nil && s.Listening {
		err = &sys.Refusal{Reason: "a listening socket, adopt it as a Listener", Errno: syscall.EINVAL}
	}
	if err == nil && s.Network != "pipe" && s.Network != "device" {
		err = sys.Connected(fd)
	}
	if err == nil {
		err = sys.Prepare(fd)
	}
	if err != nil {
		return nil, err
	}
	return l.stream(fd, s), nil
}

func (l *Loop) stream(fd int, s sys.Stream) *Conn {
	c := l.newConn(s.Network, int32(fd))
	c.writeOnly = s.WriteOnly && !c.via.shuts
	return c
}

// inspect looks at a descriptor that is about to become a handle.
func (l *Loop) inspect(fd int) (sys.Stream, error) {
	if fd < 0 || fd > math.MaxInt32 {
		return sys.Stream{}, syscall.EBADF
	}
	for h := l.handles.head; h != nil; h = h.next {
		if h.fd == int32(fd) {
			return sys.Stream{}, &sys.Refusal{Reason: "a handle of this loop has it", Errno: syscall.EEXIST}
		}
	}
	return sys.Inspect(fd)
}

// Pipe makes a pipe and returns its read and its write end. pipe2(2).
func (l *Loop) Pipe() (r, w *Conn, err error) {
	l.checkThread("Pipe")
	if l.shut {
		return nil, nil, ErrClosed
	}
	rfd, wfd, err := sys.Pipe()
	if err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return l.stream(rfd, sys.Stream{Network: "pipe"}), l.stream(wfd, sys.Stream{Network: "pipe", WriteOnly: true}), nil
}
