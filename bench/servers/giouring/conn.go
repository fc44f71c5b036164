package main

import (
	"bytes"
	"slices"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"
)

// Nothing is received from a connection while it has highWater chunks to send, until it has lowWater.
const (
	highWater = 8
	lowWater  = 2
)

// fileIndexAlloc is IORING_FILE_INDEX_ALLOC: the kernel finds a free slot.
const fileIndexAlloc = -1

// A conn is one connection.
type conn struct {
	queue     []chunk // to be sent; the first is in flight, as two sends at once could overtake each other
	receiving bool    // a receive is in flight
	stopping  bool    // it is being canceled
	starved   bool    // it waits for a buffer, in server.starved
	ended     bool    // it receives no more
}

// A chunk is what one receive brought and has not been sent yet.
type chunk struct {
	data   []byte
	buffer int // that data is in, or copied
}

const copied = -1

// stuck reports whether the peer reads too slowly. What waits for it is copied: otherwise such peers could take all buffers.
func (c *conn) stuck() bool { return len(c.queue) > 0 && c.queue[0].buffer == copied }

func (s *server) received(slot uint32, res int32, flags uint32, more bool) {
	c := &s.conns[slot]
	c.receiving = more
	if flags&giouring.CQEFBuffer != 0 {
		s.echo(c, slot, int(flags>>giouring.CQEBufferShift), int(max(res, 0)))
	}
	switch {
	case more:
		if len(c.queue) >= highWater && !c.stopping {
			s.stop(slot)
		}
		return
	case res == -int32(unix.ENOBUFS):
		c.starved = true
		s.starved = append(s.starved, slot)
	case res <= 0 && res != -int32(unix.ECANCELED): // EOF, or the peer is gone
		c.ended = true
	}
	s.proceed(slot)
}

func (s *server) echo(c *conn, slot uint32, id, size int) {
	data := s.buffers.take(id, size)
	switch {
	case size == 0 || c.ended:
		s.buffers.put(id)
		return
	case c.stuck():
		c.queue = append(c.queue, chunk{bytes.Clone(data), copied})
		s.buffers.put(id)
	default:
		c.queue = append(c.queue, chunk{data, id})
	}
	if len(c.queue) == 1 {
		s.send(slot)
	}
}

func (s *server) sent(slot uint32, res int32) {
	c := &s.conns[slot]
	switch {
	case res == -int32(unix.EAGAIN):
		s.copyQueue(c)
	case res < 0: // the peer is gone
		s.drop(c, slot)
	case int(res) < len(c.queue[0].data):
		c.queue[0].data = c.queue[0].data[res:]
		s.copyQueue(c)
	default:
		s.release(c.queue[:1])
		c.queue = slices.Delete(c.queue, 0, 1)
	}
	if len(c.queue) > 0 {
		s.send(slot)
	}
	s.proceed(slot)
}

func (s *server) copyQueue(c *conn) {
	for i, chunk := range c.queue {
		if chunk.buffer != copied {
			c.queue[i].data, c.queue[i].buffer = bytes.Clone(chunk.data), copied
			s.buffers.put(chunk.buffer)
		}
	}
}

// drop gives up what waits to be sent, and the receive.
func (s *server) drop(c *conn, slot uint32) {
	s.release(c.queue)
	c.queue, c.ended = nil, true
	if c.receiving && !c.stopping {
		s.stop(slot)
	}
}

func (s *server) release(chunks []chunk) {
	for _, chunk := range chunks {
		if chunk.buffer != copied {
			s.buffers.put(chunk.buffer)
		}
	}
}

// proceed receives again if the connection may, or closes it if nothing is left to do.
func (s *server) proceed(slot uint32) {
	c := &s.conns[slot]
	switch {
	case c.receiving, c.starved:
	case !c.ended && len(c.queue) <= lowWater:
		s.receive(slot)
	case c.ended && len(c.queue) == 0:
		s.close(slot)
	}
}

func (s *server) accept() {
	s.full = false
	*s.entry() = giouring.SubmissionQueueEntry{
		OpCode:     giouring.OpAccept,
		IoPrio:     giouring.AcceptMultishot,
		Fd:         s.ln,
		SpliceFdIn: fileIndexAlloc,
		UserData:   opAccept,
	}
}

func (s *server) receive(slot uint32) {
	s.conns[slot].receiving = true
	*s.entry() = giouring.SubmissionQueueEntry{
		OpCode:   giouring.OpRecv,
		Flags:    giouring.SqeFixedFile | giouring.SqeBufferSelect,
		IoPrio:   giouring.RecvMultishot,
		Fd:       int32(slot),
		BufIG:    bufferGroup,
		UserData: opReceive | uint64(slot),
	}
}

// send sends the first chunk. Only one that is in none of the buffers may wait for the peer.
func (s *server) send(slot uint32) {
	first := s.conns[slot].queue[0]
	wait := uint32(unix.MSG_DONTWAIT)
	if first.buffer == copied {
		wait = unix.MSG_WAITALL // and then for all of it
	}
	*s.entry() = giouring.SubmissionQueueEntry{
		OpCode:      giouring.OpSend,
		Flags:       giouring.SqeFixedFile,
		Fd:          int32(slot),
		Addr:        uint64(uintptr(unsafe.Pointer(&first.data[0]))),
		Len:         uint32(len(first.data)),
		OpcodeFlags: unix.MSG_NOSIGNAL | wait,
		UserData:    opSend | uint64(slot),
	}
}

// stop cancels the receive. What has been received already still arrives.
func (s *server) stop(slot uint32) {
	s.conns[slot].stopping = true
	*s.entry() = giouring.SubmissionQueueEntry{
		OpCode:   giouring.OpAsyncCancel,
		Fd:       -1,
		Addr:     opReceive | uint64(slot),
		UserData: opCancel | uint64(slot),
	}
}

func (s *server) close(slot uint32) {
	*s.entry() = giouring.SubmissionQueueEntry{
		OpCode:     giouring.OpClose,
		SpliceFdIn: int32(slot + 1),
		UserData:   opClose | uint64(slot),
	}
}
