//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import "github.com/proactor-go/proactor/ring"

// A side is one direction of a descriptor. Its entries are served in the order they were pushed.
type side struct {
	waiting list
	// blocked says that the last attempt found nothing to do and that no event came since: what
	// waits has no reason to try again.
	blocked bool
	// drained says that, moreover, the next entry too can wait without an attempt, which would only
	// get EAGAIN.
	drained bool
}

func (w *side) unblock() { w.blocked, w.drained = false, false }

// Indices of descriptor.sides.
const (
	in = iota
	out
)

// A descriptor is what the queue knows about one descriptor number.
type descriptor struct {
	sides [2]side
	polls list // OpPollAdd

	// gen changes when the number dies. Events carry the gen they were registered with, so that a
	// stale one never reaches a new owner of the number.
	gen uint32

	armed    uint32 // the events that the poller would report
	last     uint32 // the last event
	known    bool   // the poller has a registration for it
	sticky   bool   // the registration persists and reports edges
	again    bool   // in Queue.again
	file     bool   // plain, and a regular file or a block device
	plain    bool   // the file has no RWF_NOWAIT
	probed   bool   // nonblock, direct and special are known
	nonblock bool   // O_NONBLOCK
	direct   bool   // O_DIRECT: even a read with RWF_NOWAIT waits for the device
	special  bool   // neither a regular file nor a block device
}

// calm reports that the stream had neither its end, an error nor urgent data when it was last
// polled. Any of them lets a receive end short though there is more to come.
func (d *descriptor) calm() bool { return d.last&(pollRDHUP|pollHUP|pollERR|pollPRI) == 0 }

// want returns the events that the waiting entries need.
func (d *descriptor) want() uint32 {
	var events uint32
	if !d.sides[in].waiting.empty() {
		events |= pollIN | pollRDHUP | pollPRI
	}
	if !d.sides[out].waiting.empty() {
		events |= pollOUT
	}
	for s := d.polls.head; s != nil; s = s.Link.Next {
		events |= s.OpFlags | pollRDHUP
	}
	return events
}

const chunkSize = 256

// A table holds the descriptors by number, in chunks that never move.
type table struct {
	chunks []*[chunkSize]descriptor
}

// get returns the state of fd, nil if it never had any.
func (t *table) get(fd int32) *descriptor {
	if fd < 0 || int(fd)/chunkSize >= len(t.chunks) {
		return nil
	}
	chunk := t.chunks[fd/chunkSize]
	if chunk == nil {
		return nil
	}
	return &chunk[fd%chunkSize]
}

// open returns the state of fd and makes room for it, nil if there is no such descriptor: an
// absurd number must not cost its size in memory.
func (t *table) open(fd int32) *descriptor {
	if d := t.get(fd); d != nil {
		return d
	}
	if fd < 0 || statusFlags(fd) < 0 {
		return nil
	}
	i := int(fd) / chunkSize
	if i >= len(t.chunks) {
		t.chunks = append(t.chunks, make([]*[chunkSize]descriptor, i+1-len(t.chunks))...)
	}
	t.chunks[i] = new([chunkSize]descriptor)
	return &t.chunks[i][fd%chunkSize]
}

// sideOf returns the direction that the operation waits for.
func sideOf(op ring.Opcode) int {
	switch op {
	case ring.OpSend, ring.OpSendmsg, ring.OpWrite, ring.OpWritev, ring.OpConnect:
		return out
	default:
		return in
	}
}
