package loop

import (
	"syscall"

	"github.com/proactor-go/proactor/ring"
)

// DoneFunc is the callback of what gives no more than success.
type DoneFunc func(err error)

// handle is what Listener, Conn and File have in common: a descriptor and the way it is closed. No entry for the
// CLOSE is made before every other operation on the descriptor has ended, so the number is never reused while
// anything old could reach it.
type handle struct {
	l          *Loop
	self       closer // the Listener, Conn, ... that this is part of
	fd         int32  // -1 if it has none
	closing    bool   // Close was called
	gone       bool   // the descriptor is closed
	ops        int    // operations that are not retired
	refused    int    // operations that found the handle closing and whose callback is still to come
	onClosed   DoneFunc
	closeErr   int32
	next, prev *handle
	isDirty    bool
	nextDirty  *handle
}

// closer is what Loop.Close asks of a handle.
type closer interface{ Close(fn DoneFunc) }

// open enters h among the loop's handles.
func (h *handle) open(l *Loop, self closer, fd int32) {
	h.l, h.self, h.fd = l, self, fd
	l.handles.add(h)
}

// mark has submitMarked called before the loop enters the queue.
func (h *handle) mark() {
	if !h.isDirty {
		h.isDirty = true
		h.nextDirty, h.l.dirty = h.l.dirty, h
	}
}

// submitMarked makes entries of what gathered in the turn: one of a Conn's sends, of the datagrams to one address, of a File's syncs.
func (h *handle) submitMarked() {
	h.isDirty = false
	switch s := h.self.(type) {
	case *Conn:
		s.transmit()
	case *PacketConn:
		s.pump()
	case *File:
		s.startFlush()
	}
}

// close begins the close of h, whose own operations the caller has canceled, or settles fn with ErrClosed
// if that was done before.
func (h *handle) close(fn DoneFunc, cancelAll func()) {
	l := h.l
	l.checkThread("Close")
	if h.closing {
		if fn != nil {
			l.refuse(kindPending, h, fn)
		}
		return
	}
	h.closing = true
	h.onClosed = fn
	l.refs++
	cancelAll()
	if h.ops == 0 {
		l.closeDescriptor(h)
	}
}

// closeDescriptor sends the CLOSE through the queue, so that a poller's state dies with the number.
func (l *Loop) closeDescriptor(h *handle) {
	if h.fd < 0 {
		l.descriptorClosed(h, 0)
		return
	}
	o := l.internal(kindClose, nil)
	o.h = h
	o.sqe.Opcode = ring.OpClose
	o.sqe.FD = h.fd
	if _, ok := h.self.(*File); ok {
		o.sqe.Flags = ring.MayBlock
	}
	l.submit(o)
}

// closeDone ends the CLOSE of a handle.
func (l *Loop) closeDone(o *op, res int32) {
	h := o.h
	o.h = nil
	l.retire(o)
	l.descriptorClosed(h, res)
}

// descriptorClosed hands h to the close phase.
func (l *Loop) descriptorClosed(h *handle, res int32) {
	h.gone = true
	h.closeErr = res
	l.handles.remove(h)
	l.closed = append(l.closed, h)
}

// runClosed is the close phase. A handle with a refused operation waits for a turn whose pending phase
// has called that one back: the close callback is the last.
func (l *Loop) runClosed() {
	kept := 0
	for n := len(l.closed); n > 0; n-- {
		h := l.closed[kept]
		if h.refused > 0 {
			kept++
			continue
		}
		l.closed = append(l.closed[:kept], l.closed[kept+1:]...)
		l.refs--
		if fn := h.onClosed; fn != nil {
			h.onClosed = nil
			l.calling("Close")
			fn(h.closeError())
			l.calledBack()
			l.drainTicks()
		}
	}
}

// closeError is what the close callback gets: only files have something to report.
func (h *handle) closeError() error {
	f, ok := h.self.(*File)
	if !ok || h.closeErr >= 0 {
		return nil
	}
	return pathError("close", f.name, syscall.Errno(-h.closeErr))
}

// release closes a descriptor that no handle owns: a connection that came too late.
func (l *Loop) release(fd int32) {
	o := l.internal(kindRelease, nil)
	o.unref = false
	l.refs++
	o.sqe.Opcode = ring.OpClose
	o.sqe.FD = fd
	l.submit(o)
}

// handleList is every open handle, for Loop.Close.
type handleList struct{ head *handle }

func (q *handleList) add(h *handle) {
	h.next = q.head
	if q.head != nil {
		q.head.prev = h
	}
	q.head = h
}

func (q *handleList) remove(h *handle) {
	if h.prev == nil {
		q.head = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	h.next, h.prev = nil, nil
}
