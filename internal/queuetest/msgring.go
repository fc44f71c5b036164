//go:build unix

package queuetest

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var msgRingScenarios = []scenario{
	{name: "same thread", run: messageSameThread},
	{name: "to a queue that waits", run: messageToWaiting},
	{name: "errors", run: messageErrors},
}

// descriptor is what a queue has that can be the target of [ring.OpMsgRing].
type descriptor interface{ FD() int }

func message64(to Queue, ud uint64, res uint32) *ring.SQE {
	s := on(ring.OpMsgRing, to.(descriptor).FD())
	s.Off = int64(ud)
	s.Arg = res
	return s
}

// messages reports whether the queue carries messages; one that does not refuses them.
func (h *harness) messages() bool {
	if !h.q.Features().Supports(ring.OpMsgRing) {
		h.fails(unix.EOPNOTSUPP, on(ring.OpMsgRing, 0))
		return false
	}
	h.Implements((*descriptor)(nil), h.q)
	return true
}

func messageSameThread(h *harness) {
	if !h.messages() {
		return
	}
	other := h.second()
	defer other.finish()
	for i := range uint64(100) {
		h.last++
		ud := h.last | 1<<40
		other.live[ud] = on(ring.OpMsgRing, 0) // a completion without an entry
		h.gives(0, message64(other.q, ud, uint32(i)))
		c := other.wait(ud)
		h.Equal(int32(i), c.Res)
	}
	// Messages wait for their reader, however many they are.
	for i := range uint64(100) {
		other.live[1000+i] = on(ring.OpMsgRing, 0)
		h.gives(0, message64(other.q, 1000+i, uint32(i)))
	}
	for i := range uint64(100) {
		h.Equal(int32(i), other.wait(1000+i).Res)
	}
}

func messageToWaiting(h *harness) {
	if !h.messages() {
		return
	}
	const count = 100
	fd, bound := make(chan int, 1), make(chan error, 1)
	finished := make(chan error, 1)
	other := h.open(h.t)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		fd <- other.(descriptor).FD()
		err := other.Bind()
		bound <- err
		var buf [4]ring.CQE
		for next := uint64(0); err == nil && next < count; {
			if err = other.Enter(-1); err != nil {
				break
			}
			for n := other.Reap(buf[:]); n > 0; n = other.Reap(buf[:]) {
				for _, c := range buf[:n] {
					if c.UserData != 100+next || c.Res != int32(next) {
						err = fmt.Errorf("message %d is %+v", next, c)
					}
					next++
				}
			}
		}
		if closing := other.Close(); err == nil {
			err = closing
		}
		finished <- err
	}()
	target := <-fd
	h.NoError(<-bound)
	for i := range uint64(count) {
		s := on(ring.OpMsgRing, target)
		s.Off = int64(100 + i)
		s.Arg = uint32(i)
		h.gives(0, s)
	}
	h.NoError(<-finished)
}

func messageErrors(h *harness) {
	if !h.messages() {
		return
	}
	h.fails(unix.EBADF, on(ring.OpMsgRing, badFD))
	r, _ := h.pipe()
	h.Negative(h.result(on(ring.OpMsgRing, r)))
}
