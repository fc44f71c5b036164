package loop

import (
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// listenUnix is Listen on the name of a Unix socket.
func (lc ListenConfig) listenUnix(l *Loop, network, address string) (*Listener, error) {
	addr := sys.UnixAddr{Name: address, Network: network}
	fail := func(call string, err error) error {
		return &net.OpError{Op: "listen", Net: network, Addr: addr.Net(), Err: os.NewSyscallError(call, err)}
	}
	if err := addr.Check(); err != nil {
		return nil, fail("bind", err)
	}
	fd, err := sys.UnixSocket(network)
	if err != nil {
		return nil, fail("socket", err)
	}
	ln := &Listener{network: network}
	ln.l, ln.fd = l, int32(fd)
	if lc.Control != nil {
		err = lc.Control(network, address, &rawConn{&ln.handle})
	}
	if err == nil {
		var call string
		if call, err = sys.BindListenUnix(fd, addr, lc.Backlog); err != nil {
			err = fail(call, err)
		}
	}
	if err != nil {
		sys.Close(fd)
		return nil, err
	}
	if addr.IsPath() {
		ln.unlink = address
	}
	ln.begin(l)
	return ln, nil
}

// SetUnlinkOnClose sets whether Close removes the file that a listener on network "unix" or "unixpacket" has made. By default Close does,
// unless the listener was adopted. Another socket that took the name meanwhile loses it too.
func (ln *Listener) SetUnlinkOnClose(on bool) {
	ln.l.checkThread("Listener")
	ln.unlink = ""
	if a, ok := ln.Addr().(*net.UnixAddr); ok && on && (sys.UnixAddr{Name: a.Name}).IsPath() {
		ln.unlink = a.Name
	}
}

// removeName begins to remove the listener's file. The close of the descriptor waits for it.
func (ln *Listener) removeName() {
	l := ln.l
	o := l.internal(kindRelease, &ln.handle)
	x := l.slots.more(o)
	x.path, o.sqe.Addr, _ = cPath(x.path, ln.unlink)
	o.sqe.Opcode = ring.OpUnlinkat
	o.sqe.FD = sys.CurrentDir
	l.submit(o)
}

// connectUnix is connect to the name of a Unix socket.
func (d *Dialer) connectUnix(l *Loop, o *op, address string) Op {
	x := o.extra
	addr := sys.UnixAddr{Name: address, Network: x.name}
	err := addr.Check()
	if err == nil && address == "" {
		err = syscall.EINVAL
	}
	if err != nil {
		x.err = &net.OpError{Op: "dial", Net: x.name, Addr: addr.Net(), Err: os.NewSyscallError("connect", err)}
		return l.settle(o, sys.Result(err))
	}
	o.sqe.Addr, o.sqe.Len = unsafe.Pointer(&x.addr), addr.Encode(&x.addr)
	fd, err := sys.UnixSocket(x.name)
	if err != nil {
		return l.settle(o, sys.Result(err))
	}
	o.sqe.FD = int32(fd)
	if err := control(d.Control, x.name, address, fd); err != nil {
		x.err = err
		return l.settle(o, -int32(syscall.EINVAL))
	}
	x.syscall = "connect"
	o.sqe.Opcode = ring.OpConnect
	l.submit(o)
	return l.op(o)
}

// connectLater tries a connect again that found the listener's queue full. A blocking connect would wait there, as
// io_uring's does on one of the kernel's threads; a non-blocking one gets EAGAIN, and no event tells when there is room.
func (l *Loop) connectLater(o *op) {
	o.done++ // the tries so far; a connect moves no bytes
	id := o.sqe.UserData
	t := l.newTimeout(func() {
		if o := l.slots.find(id); o != nil && o.state == stateHeld {
			l.submit(o)
		}
	})
	t.Reset(time.Millisecond << min(o.done, 5))
}
