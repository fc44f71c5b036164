package loop

import (
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
)

// IOFunc is the callback of an operation on a lent buffer. b is that buffer again, cut to what moved, its capacity
// the length that was lent; it belongs to the program from here on.
type IOFunc func(b []byte, err error)

// VecFunc is the callback of an operation on several lent buffers; n bytes moved.
type VecFunc func(n int, err error)

// ConnFunc is the callback of Accept and Dial.
type ConnFunc func(c *Conn, err error)

// A Conn is a stream: a connection, made by [Listener.Accept] or [Loop.Dial], or whatever else can be polled, such as a pipe or a
// terminal, made by [Loop.Stream] or [Loop.Pipe]. By itself it keeps nothing alive; it must be closed. All methods belong to the loop's goroutine.
type Conn struct {
	handle
	network string
	via     *route
	recv    *op // the receive in flight

	sends       opList // started and not ended, in order
	tx          *op    // the entry that carries the first sends, while it is in flight
	covered     int    // how many sends tx carries
	queued      int    // bytes of sends that have not moved yet
	broken      bool   // a send ended in the middle: what follows would be garbage to the peer
	writeClosed bool   // CloseWrite was called
	writeOnly   bool   // the descriptor is, and is no socket
}

func (l *Loop) newConn(network string, fd int32) *Conn {
	c := &Conn{network: network, via: routeOf(network)}
	c.open(l, c, fd)
	return c
}

// Recv receives at least one byte into b, or ends with [io.EOF] after the peer's last. One receive may be in flight on
// a Conn; a second ends with [ErrBusy]. recv(2): IORING_OP_RECV. On what is no socket, read(2): IORING_OP_READ.
func (c *Conn) Recv(b []byte, fn IOFunc) Op { return c.startRecv(kindRecv, b, fn) }

// RecvFull receives len(b) bytes. As with [io.ReadFull] it ends with [io.EOF] if there was none and with
// [io.ErrUnexpectedEOF] if there were some.
func (c *Conn) RecvFull(b []byte, fn IOFunc) Op { return c.startRecv(kindRecvFull, b, fn) }

func (c *Conn) startRecv(k kind, b []byte, fn IOFunc) Op {
	needCallback(kindNames[k], fn == nil)
	l := c.l
	if c.closing {
		o := l.refused(k, &c.handle, fn)
		o.lend(b)
		return l.op(o)
	}
	o := l.start(k, &c.handle, fn)
	o.lend(b)
	switch {
	case c.recv != nil:
		return l.settle(o, resBusy)
	case len(b) == 0:
		return l.settle(o, 0)
	}
	poisonLent(b)
	c.recv = o
	o.sqe.Opcode = c.via.recv
	o.sqe.Flags = c.via.recvFlags
	o.sqe.Off = c.via.off
	o.sqe.FD = c.fd
	l.submit(o)
	return l.op(o)
}

// received ends a Recv or RecvFull, or goes on with it.
func (c *Conn) received(o *op, res int32) {
	l := c.l
	if res < 0 && c.recv == o && l.retry(o, res) {
		return
	}
	n, err := max(int(res), 0), error(nil)
	switch {
	case res < 0:
		err = c.wrap("read", c.via.recvCall, o.fault(res))
	case o.done+int(o.sqe.Len) == 0: // nothing was asked for
	case res == 0 && o.done == 0:
		err = io.EOF
	case res == 0:
		err = io.ErrUnexpectedEOF
	case o.kind == kindRecvFull && n < int(o.sqe.Len):
		o.advance(n)
		if l.again(o) {
			return
		}
		n, err = 0, o.stopped()
	}
	if c.recv == o {
		c.recv = nil
	}
	b, fn := o.lent(n), callback[IOFunc](o)
	l.retire(o)
	fn(b, err)
}

// Close ends the connection: no new operation is accepted, those in flight end with [ErrClosed], queued sends are dropped, then
// the descriptor is closed, then fn runs, last and from the close phase. fn may be nil. To let queued sends go out first, call
// [Conn.CloseWrite] and Close in its callback; if the peer may have sent what was not received, receive until io.EOF before that (rule 7 of the package). A further Close ends with ErrClosed.
func (c *Conn) Close(fn DoneFunc) { c.close(fn, c.cancelAll) }

func (c *Conn) cancelAll() {
	l := c.l
	if c.recv != nil {
		l.cancel(c.recv, causeClose)
	}
	c.dropSends()
}

// Queued returns how many bytes of started sends have not moved yet: what a producer watches for backpressure. Who sends
// provided buffers watches their number too: each may hold a few bytes only.
func (c *Conn) Queued() int { return c.queued }

// LocalAddr returns the local address, or nil on a closed connection. getsockname(2), at each call.
func (c *Conn) LocalAddr() net.Addr { return c.addr(sys.LocalAddr) }

// RemoteAddr returns the peer's address, or nil if there is none any more: not after a reset, nor in the error that tells of it. Who writes a log
// asks when the connection is accepted. getpeername(2), at each call.
func (c *Conn) RemoteAddr() net.Addr { return c.addr(sys.PeerAddr) }

func (c *Conn) addr(get func(int) (net.Addr, error)) net.Addr {
	if c.closing { // the number may be another's already
		return nil
	}
	a, err := get(int(c.fd))
	if err != nil {
		return nil
	}
	return a
}

// SetNoDelay turns TCP_NODELAY on or off. It is on by default.
func (c *Conn) SetNoDelay(on bool) error {
	return c.option(func(fd int) error { return sys.SetNoDelay(fd, on) })
}

// SetKeepAlive sets when an idle connection is probed; period <= 0 turns probing off. The default is that of package net.
func (c *Conn) SetKeepAlive(period time.Duration) error {
	return c.option(func(fd int) error { return sys.SetKeepAlive(fd, period) })
}

// SetLinger sets SO_LINGER: below 0 the default (Close sends what is left in the background), 0 discards it and resets
// the connection, above 0 it is the number of seconds that the close may take, and the whole loop with it: close(2) then
// blocks, also within io_uring.
func (c *Conn) SetLinger(sec int) error {
	return c.option(func(fd int) error { return sys.SetLinger(fd, sec) })
}

// SetReadBuffer sets the size of the kernel's receive buffer in bytes.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.option(func(fd int) error { return sys.SetReadBuffer(fd, bytes) })
}

// SetWriteBuffer sets the size of the kernel's send buffer in bytes.
func (c *Conn) SetWriteBuffer(bytes int) error {
	return c.option(func(fd int) error { return sys.SetWriteBuffer(fd, bytes) })
}

func (c *Conn) option(set func(fd int) error) error {
	c.l.checkThread("Conn")
	if c.closing {
		return ErrClosed
	}
	return c.wrap("set", "setsockopt", set(int(c.fd)))
}

// SyscallConn gives access to the descriptor, for socket options. Its Read and Write return [ErrUnsupported].
func (c *Conn) SyscallConn() (syscall.RawConn, error) {
	if c.closing {
		return nil, ErrClosed
	}
	return &rawConn{&c.handle}, nil
}

// Detach takes the connection out of the loop and returns a descriptor that belongs to the caller: non-blocking, close-on-exec, a new number. The
// Conn is closed. While an operation is in flight it returns [ErrBusy] and changes nothing.
func (c *Conn) Detach() (fd int, err error) {
	c.l.checkThread("Detach")
	switch {
	case c.closing:
		return -1, ErrClosed
	case c.ops > 0:
		return -1, ErrBusy
	}
	fd, err = sys.Dup(int(c.fd))
	if err != nil {
		return -1, c.wrap("detach", "fcntl", err)
	}
	c.Close(nil)
	return fd, nil
}

// wrap makes an errno of the system a *net.OpError as package net does, and leaves other errors alone.
func (c *Conn) wrap(action, call string, err error) error {
	if err == nil || bare(err) {
		return err
	}
	return &net.OpError{Op: action, Net: c.network, Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(call, err)}
}

// rawConn is the syscall.RawConn of a handle.
type rawConn struct{ h *handle }

func (r *rawConn) Control(f func(fd uintptr)) error {
	if r.h.closing || r.h.fd < 0 {
		return ErrClosed
	}
	f(uintptr(r.h.fd))
	return nil
}

func (r *rawConn) Read(func(fd uintptr) bool) error  { return ErrUnsupported }
func (r *rawConn) Write(func(fd uintptr) bool) error { return ErrUnsupported }

// target is o's entry as OpCancel names it.
func target(o *op) unsafe.Pointer { return unsafe.Pointer(&o.sqe) }
