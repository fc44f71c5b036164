package loop

import (
	"net"
	"os"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// Dial connects to a TCP address: network is "tcp", "tcp4" or "tcp6", address an IP address and a port. The defaults are those of package net:
// TCP_NODELAY and keep-alive are on. connect(2): IORING_OP_CONNECT.
func (l *Loop) Dial(network, address string, fn ConnFunc) Op {
	needCallback("Dial", fn == nil)
	o := l.start(kindConnect, nil, fn)
	x := l.slots.more(o)
	x.name, x.syscall = network, "socket"
	o.sqe.FD = -1
	if l.shut {
		return l.settle(o, resClosed)
	}
	addr, err := sys.ResolveTCP(network, address)
	if err == nil && !addr.IsValid() {
		err = &net.AddrError{Err: "missing host", Addr: address}
	}
	if err != nil {
		x.err = err
		return l.settle(o, -int32(syscall.EINVAL))
	}
	fd, err := sys.StreamSocket(addr)
	if err != nil {
		return l.settle(o, sys.Result(err))
	}
	o.sqe.FD = int32(fd)
	x.syscall = "setsockopt"
	if err = sys.SetNoDelay(fd, true); err == nil {
		err = sys.SetKeepAlive(fd, defaultKeepAlive(0))
	}
	if err != nil {
		return l.settle(o, sys.Result(err))
	}
	x.syscall = "connect"
	o.sqe.Opcode = ring.OpConnect
	o.sqe.Addr = unsafe.Pointer(&x.addr)
	o.sqe.Len = addr.Encode(&x.addr)
	l.submit(o)
	return l.op(o)
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
	err := ErrClosed
	if res < 0 {
		err = o.fault(res)
	}
	switch {
	case x.err != nil:
		err = &net.OpError{Op: "dial", Net: x.name, Err: x.err}
	case !bare(err):
		op := &net.OpError{Op: "dial", Net: x.name, Err: os.NewSyscallError(x.syscall, err)}
		if o.sqe.Len > 0 {
			op.Addr = sys.DecodeAddr(&x.addr)
		}
		err = op
	}
	if fd >= 0 {
		l.release(fd)
	}
	l.retire(o)
	fn(nil, err)
}
