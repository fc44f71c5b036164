package loop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// FDsFunc is the callback of RecvFDs. fds are the descriptors that came with the bytes, close-on-exec; the program owns them from here
// on, and must close them, whatever err is.
type FDsFunc func(b []byte, fds []int, err error)

var (
	errNotUnix = errors.New("loop: descriptors travel on Unix sockets only")
	errNoData  = errors.New("loop: SendFDs: descriptors travel with the first byte of the data, and there is none")
	errManyFDs = fmt.Errorf("loop: SendFDs: more than %d descriptors", sys.MaxRights)
	errLostFDs = &sentinel{"loop: RecvFDs: descriptors were lost, the process has no room for more", []error{syscall.EMFILE}}
)

// SendFDs is Send with descriptors, at most 253, that arrive with the first byte of b: the receiver gets descriptors of its own for the same
// open files. b must not be empty. fds stay the caller's, and open, until the callback. It keeps its place among the sends of the Conn, which must be
// of network "unix" or "unixpacket". sendmsg(2) with SCM_RIGHTS: IORING_OP_SENDMSG.
func (c *Conn) SendFDs(b []byte, fds []int, fn IOFunc) Op {
	var err error
	switch {
	case !c.via.passes:
		err = errNotUnix
	case len(b) == 0 && len(fds) > 0:
		err = errNoData
	case len(fds) > sys.MaxRights:
		err = errManyFDs
	}
	l := c.l
	if err != nil && !c.closing {
		o := l.start(kindSend, &c.handle, fn)
		o.lend(b)
		l.slots.more(o).err = err
		return l.settle(o, resRefused)
	}
	o := c.startSend(fn, len(b))
	o.lend(b)
	if len(fds) > 0 {
		l.slots.more(o).fds = slices.Clone(fds)
	}
	return l.op(o)
}

// carries reports whether o's descriptors are still to go.
func (o *op) carries() bool { return o.extra != nil && o.extra.fds != nil && o.done == 0 }

// RecvFDs is Recv for a Unix socket on which descriptors may come with the bytes. Those come with what the peer sent first with them, and
// what it sent before and after them comes separately. If some were lost because the process has no room for more descriptors, the error
// matches EMFILE, and what did arrive is there. A Recv of the same bytes loses the descriptors; the system closes them.
// recvmsg(2) with MSG_CMSG_CLOEXEC: IORING_OP_RECVMSG.
func (c *Conn) RecvFDs(b []byte, fn FDsFunc) Op {
	needCallback("RecvFDs", fn == nil)
	l := c.l
	if c.closing {
		o := l.refused(kindRecvFDs, &c.handle, fn)
		l.slots.more(o).bufs = [][]byte{b}
		return l.op(o)
	}
	o := l.start(kindRecvFDs, &c.handle, fn)
	x := l.slots.more(o)
	x.bufs = [][]byte{b}
	switch {
	case c.recv != nil:
		return l.settle(o, resBusy)
	case !c.via.passes:
		x.err = errNotUnix
		return l.settle(o, resRefused)
	case len(b) == 0:
		return l.settle(o, 0)
	}
	poisonLent(b)
	c.recv = o
	x.iov = append(x.iov[:0], ring.Iovec{Base: unsafe.SliceData(b)})
	x.iov[0].SetLen(len(b))
	x.msg = ring.Msghdr{Iov: &x.iov[0]}
	x.msg.SetIovlen(1)
	x.control = sys.ExpectRights(&x.msg, x.control)
	o.sqe.Opcode = ring.OpRecvmsg
	o.sqe.FD = c.fd
	o.sqe.OpFlags = sys.RecvRights
	o.sqe.Addr = unsafe.Pointer(&x.msg)
	l.submit(o)
	return l.op(o)
}

// receivedFDs ends a RecvFDs. What was received is delivered, also if the operation was asked to stop.
func (c *Conn) receivedFDs(o *op, res int32) {
	l, x := c.l, o.extra
	if res < 0 && c.recv == o && l.retry(o, res) {
		return
	}
	b := x.bufs[0]
	var fds []int
	var lost bool
	if c.recv == o {
		c.recv = nil
		if res >= 0 {
			fds, lost = sys.TakeRights(&x.msg)
		}
	}
	var err error
	switch {
	case res < 0:
		err = c.wrap("read", "recvmsg", o.fault(res))
	case lost:
		err = errLostFDs
	case res == 0 && len(b) > 0 && len(fds) == 0:
		err = io.EOF
	}
	fn := callback[FDsFunc](o)
	l.retire(o)
	fn(b[:max(res, 0)], fds, err)
}

// PeerCred tells who is at the other end of a Unix socket: the process that connected it, listened or made the pair. On systems other
// than Linux the error is EOPNOTSUPP. SO_PEERCRED.
func (c *Conn) PeerCred() (pid, uid, gid int, err error) {
	c.l.checkThread("Conn")
	if c.closing {
		return 0, 0, 0, ErrClosed
	}
	if !c.via.passes {
		return 0, 0, 0, errNotUnix
	}
	pid, uid, gid, err = sys.PeerCred(int(c.fd))
	return pid, uid, gid, os.NewSyscallError("getsockopt", err)
}
