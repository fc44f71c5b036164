package loop

import (
	"net"
	"os"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// A Listener accepts stream connections. By itself it keeps nothing alive; its Accept does.
type Listener struct {
	handle
	network string
	accept  *op
	unlink  string // the file to remove in Close
}

// ListenConfig holds what Listen leaves at its defaults.
type ListenConfig struct {
	// Backlog is the length of the queue of connections not yet accepted. 0 means the system's
	// limit (net.core.somaxconn), which also caps larger values.
	Backlog int
	// Control is called with the socket after it was made and before it is bound, as in [net.ListenConfig].
	Control func(network, address string, c syscall.RawConn) error
	// ReusePort lets several sockets listen on the same port; the kernel spreads connections over them (SO_REUSEPORT). This and what follows
	// is of TCP only.
	ReusePort bool
	// KeepAlive is the idle time before accepted connections are probed. 0 means 15 seconds, as in package net; below 0 there are no probes.
	KeepAlive time.Duration
	// Delay leaves Nagle's algorithm on (TCP_NODELAY is set otherwise).
	Delay bool
}

// Listen listens on a TCP address: network is "tcp", "tcp4" or "tcp6", address an IP address and a port, where an empty host means
// all addresses and port 0 a free port. Accepted connections inherit the options of the listening socket, so that accepting one costs no
// further system call.
//
// Or it listens on a Unix socket: network is "unix" (a stream) or "unixpacket" (a stream of packets, SOCK_SEQPACKET), address a path, or
// on Linux "@" and a name in the abstract space, or "" for a name there that the kernel chooses. A path must not exist, else the error is EADDRINUSE,
// also if nobody listens there any more; Close removes it.
func (l *Loop) Listen(network, address string) (*Listener, error) {
	return ListenConfig{}.Listen(l, network, address)
}

// Listen is [Loop.Listen] with this configuration.
func (lc ListenConfig) Listen(l *Loop, network, address string) (*Listener, error) {
	l.checkThread("Listen")
	if l.shut {
		return nil, ErrClosed
	}
	if sys.IsUnix(network) {
		return lc.listenUnix(l, network, address)
	}
	addr, err := sys.ResolveTCP(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	fail := func(call string, err error) error {
		return &net.OpError{Op: "listen", Net: network, Addr: addr.Net(), Err: os.NewSyscallError(call, err)}
	}
	fd, err := sys.StreamSocket(addr)
	if err != nil {
		return nil, fail("socket", err)
	}
	ln := &Listener{network: network}
	ln.l, ln.fd = l, int32(fd)
	call, err := lc.setUp(ln, addr, address)
	if err != nil {
		sys.Close(fd)
		if call == "" {
			return nil, err
		}
		return nil, fail(call, err)
	}
	ln.begin(l)
	return ln, nil
}

// begin makes a listener of a socket that listens.
func (ln *Listener) begin(l *Loop) {
	if l.spare < 0 {
		l.spare = sys.SpareFD()
	}
	ln.open(l, ln, ln.fd)
}

func (lc ListenConfig) setUp(ln *Listener, addr sys.TCPAddr, address string) (call string, err error) {
	fd := int(ln.fd)
	if err := sys.ListenOptions(fd, addr, lc.ReusePort); err != nil {
		return "setsockopt", err
	}
	if !lc.Delay {
		if err := sys.SetNoDelay(fd, true); err != nil {
			return "setsockopt", err
		}
	}
	if err := sys.SetKeepAlive(fd, defaultKeepAlive(lc.KeepAlive)); err != nil {
		return "setsockopt", err
	}
	if lc.Control != nil {
		if err := lc.Control(ln.network, address, &rawConn{&ln.handle}); err != nil {
			return "", err
		}
	}
	return sys.BindListen(fd, addr, lc.Backlog)
}

func defaultKeepAlive(d time.Duration) time.Duration {
	if d == 0 {
		return 15 * time.Second
	}
	return d
}

// Addr returns the address that the listener is bound to, or nil after Close. getsockname(2), at each call.
func (ln *Listener) Addr() net.Addr {
	if ln.closing { // the number may be another's already
		return nil
	}
	a, err := sys.LocalAddr(int(ln.fd))
	if err != nil {
		return nil
	}
	return a
}

// Accept calls fn with every connection, until Cancel, Close or an error that the listener cannot recover from. It is one operation; a second one
// at the same time ends with [ErrBusy]. When descriptors run out, waiting connections are closed (their peers see that) and
// accepting goes on as soon as there are some again. accept4(2): IORING_OP_ACCEPT with IORING_ACCEPT_MULTISHOT.
func (ln *Listener) Accept(fn ConnFunc) Op {
	needCallback("Accept", fn == nil)
	l := ln.l
	if ln.closing {
		return l.refuse(kindAccept, &ln.handle, fn)
	}
	o := l.start(kindAccept, &ln.handle, fn)
	if ln.accept != nil {
		return l.settle(o, resBusy)
	}
	ln.accept = o
	o.sqe.Opcode = ring.OpAccept
	o.sqe.FD = ln.fd
	o.sqe.OpFlags = sys.AcceptFlags
	if l.features.Has(ring.MultishotAccept) {
		o.sqe.Flags = ring.Multishot
	}
	l.submit(o)
	return l.op(o)
}

// accepted hands one connection on and keeps the accept going, whatever ended its entry.
func (ln *Listener) accepted(o *op, cqe ring.CQE) {
	l := ln.l
	if cqe.Res < 0 {
		if cqe.More() {
			return
		}
		if ln.accept == o && o.cause == causeNone && ln.recover(o, cqe.Res) {
			return
		}
		if ln.accept == o {
			ln.accept = nil
		}
		fn, err := callback[ConnFunc](o), ln.wrap("accept", "accept", o.fault(cqe.Res))
		l.retire(o)
		fn(nil, err)
		return
	}
	if !cqe.More() {
		if o.cause == causeNone {
			l.submit(o)
		} else {
			l.settle(o, -ecanceled)
		}
	}
	if ln.closing {
		l.release(cqe.Res)
		return
	}
	o.called()
	callback[ConnFunc](o)(l.newConn(ln.network, cqe.Res), nil)
}

// recover deals with a failed accept and reports whether the operation goes on.
func (ln *Listener) recover(o *op, res int32) bool {
	l := ln.l
	switch syscall.Errno(-res) {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM:
		ln.shed(o)
		return true
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EFAULT, syscall.EACCES,
		syscall.EPERM, syscall.ENOSYS, syscall.EOPNOTSUPP:
		// The last four are a policy's or a missing call's answer, which is the same each time: to go on would spin.
		return false
	case syscall.EAGAIN:
		return l.retry(o, res)
	}
	// The others are of a connection that went away before it was accepted: see accept(2).
	l.submit(o)
	return true
}

// shed closes the waiting connections with the descriptor in reserve and waits for the next one. To accept at once would spin: the kernel
// takes a descriptor before it looks for a connection.
func (ln *Listener) shed(o *op) {
	l := ln.l
	if l.spare >= 0 {
		sys.Close(l.spare)
		l.count.totals[acceptsShed] += uint64(sys.Shed(int(ln.fd)))
	}
	l.spare = sys.SpareFD()
	if l.spare >= 0 {
		l.pollFirst(o, sys.PollIn)
		return
	}
	// Another thread took the reserve. The op stays held until the timer.
	id := o.sqe.UserData
	t := l.newTimeout(func() {
		if o := l.slots.find(id); o != nil && o.state == stateHeld {
			ln.shed(o)
		}
	})
	t.Reset(20 * time.Millisecond)
}

// Close stops listening: Accept ends with [ErrClosed], connections that arrive meanwhile are closed, then the descriptor is
// closed, then fn runs, last and from the close phase. fn may be nil.
func (ln *Listener) Close(fn DoneFunc) {
	ln.close(fn, func() {
		if ln.accept != nil {
			ln.l.cancel(ln.accept, causeClose)
		}
		if ln.unlink != "" {
			ln.removeName()
		}
	})
}

// SyscallConn gives access to the descriptor, for socket options. Its Read and Write return [ErrUnsupported].
func (ln *Listener) SyscallConn() (syscall.RawConn, error) {
	if ln.closing {
		return nil, ErrClosed
	}
	return &rawConn{&ln.handle}, nil
}

func (ln *Listener) wrap(action, call string, err error) error {
	if bare(err) {
		return err
	}
	return &net.OpError{Op: action, Net: ln.network, Addr: ln.Addr(), Err: os.NewSyscallError(call, err)}
}
