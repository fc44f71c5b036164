package loop

import (
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// connect is a Dial to an IP address. connect(2): IORING_OP_CONNECT.
func (d *Dialer) connect(l *Loop, network, address string, fn ConnFunc) Op {
	o := l.start(kindConnect, nil, fn)
	x := l.slots.more(o)
	x.name, x.syscall = network, "socket"
	o.sqe.FD = -1
	if l.shut {
		return l.settle(o, resClosed)
	}
	if sys.IsUnix(network) {
		return d.connectUnix(l, o, address)
	}
	addr, err := sys.ResolveTCP(network, address)
	if err == nil && !addr.IsValid() {
		err = &net.AddrError{Err: "missing host", Addr: address}
	}
	if err != nil {
		x.err = err
		return l.settle(o, -int32(syscall.EINVAL))
	}
	o.sqe.Addr, o.sqe.Len = unsafe.Pointer(&x.addr), addr.Encode(&x.addr) // from here on errors name it
	fd, err := sys.StreamSocket(addr)
	if err != nil {
		return l.settle(o, sys.Result(err))
	}
	o.sqe.FD = int32(fd)
	if x.syscall, err = d.setUp(fd, network, address, addr.IP.Is4()); err != nil {
		if x.syscall == "" {
			x.err = err
		}
		return l.settle(o, sys.Result(err))
	}
	x.syscall = "connect"
	o.sqe.Opcode = ring.OpConnect
	l.submit(o)
	return l.op(o)
}

// setUp prepares a socket to connect with; call names the system call that failed, if it was one.
func (d *Dialer) setUp(fd int, network, address string, is4 bool) (call string, err error) {
	if !d.Delay {
		if err := sys.SetNoDelay(fd, true); err != nil {
			return "setsockopt", err
		}
	}
	if err := sys.SetKeepAlive(fd, defaultKeepAlive(d.KeepAlive)); err != nil {
		return "setsockopt", err
	}
	if err := control(d.Control, network, address, fd); err != nil {
		return "", err
	}
	if d.LocalAddr != (netip.AddrPort{}) {
		local := d.LocalAddr.Addr().Unmap()
		if local.IsValid() && local.Is4() != is4 {
			return "", &net.AddrError{Err: "not of the family of LocalAddr", Addr: address}
		}
		return "bind", sys.BindLocal(fd, local, d.LocalAddr.Port(), is4)
	}
	return "", nil
}

// control calls the program's function, if it has one, with a new socket.
func control(fn func(network, address string, c syscall.RawConn) error, network, address string, fd int) error {
	if fn == nil {
		return nil
	}
	h := handle{fd: int32(fd)}
	err := fn(network, address, &rawConn{&h})
	h.closing = true // a RawConn that was kept is of no use
	return err
}

// peer is the address that o, a Dial, is to connect to, as far as it is known.
func (o *op) peer() net.Addr {
	if o.sqe.Len == 0 {
		return nil
	}
	addr := sys.DecodeAddr(&o.extra.addr)
	if a, ok := addr.(*net.UnixAddr); ok {
		a.Net = o.extra.name
	}
	return addr
}

// connected ends a Dial.
func (l *Loop) connected(o *op, res int32) {
	fn, x, fd := callback[ConnFunc](o), o.extra, o.sqe.FD
	if res >= 0 && !l.shut {
		c := l.newConn(x.name, fd)
		l.retire(o)
		fn(c, nil)
		return
	}
	if res == -int32(syscall.EAGAIN) && o.cause == causeNone && sys.IsUnix(x.name) {
		l.connectLater(o)
		return
	}
	err := ErrClosed
	if res < 0 {
		err = o.fault(res)
	}
	_, wrapped := x.err.(*net.OpError)
	switch {
	case wrapped:
		err = x.err
	case x.err != nil:
		err = &net.OpError{Op: "dial", Net: x.name, Addr: o.peer(), Err: x.err}
	case !bare(err):
		err = &net.OpError{Op: "dial", Net: x.name, Addr: o.peer(), Err: os.NewSyscallError(x.syscall, err)}
	}
	if fd >= 0 {
		l.release(fd)
	}
	l.retire(o)
	fn(nil, err)
}
