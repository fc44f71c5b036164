//go:build unix

package queuetest

import (
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var cancelScenarios = []scenario{
	{name: "pending", run: cancelPending},
	{name: "twice", run: cancelTwice},
	{name: "unknown", run: cancelUnknown},
	{name: "finished, with the entry in use again", run: cancelReused},
	{name: "in the batch of the entry", run: cancelSameBatch},
	{name: "one of many", run: cancelOneOfMany},
	{name: "file operations", onFiles: true, run: cancelFiles},
	{name: "race with data", run: cancelRace},
	{name: "race with a multishot", run: cancelMultishotRace},
	{name: "by descriptor", run: cancelByFD},
	{name: "any", run: cancelAny},
}

func cancelPending(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	ln, _ := h.listen(10)
	r, w := h.pipe()
	full, _ := h.pair(unix.SOCK_STREAM)
	for {
		if _, err := unix.Write(full, make([]byte, 4096)); err != nil {
			break
		}
	}
	buf := make([]byte, 10)
	for _, s := range []*ring.SQE{
		recv(a, buf, 0),
		recv(a, buf, unix.MSG_WAITALL),
		recv(a, buf, unix.MSG_PEEK),
		recvmsg(a, message(nil, buf), 0),
		read(a, buf, current),
		read(r, buf, current),
		vector(ring.OpReadv, r, [][]byte{buf}, current),
		accept(ln),
		multishot(accept(ln)),
		poll(a, unix.POLLIN),
		poll(r, unix.POLLIN),
		multishot(poll(a, unix.POLLIN)),
		send(full, buf, 0),
		send(full, buf, unix.MSG_WAITALL),
		sendmsg(full, message(nil, buf), 0),
		write(full, buf, current),
		poll(full, unix.POLLOUT),
	} {
		ud := h.push(s)
		h.pending(ud)
		h.gives(0, cancel(s))
		h.failed(unix.ECANCELED, h.wait(ud))
		h.fails(unix.ENOENT, cancel(s))
	}

	// None of them has left anything behind that takes what is for others.
	h.write(b, []byte("x"))
	h.gives(1, recv(a, buf, 0))
	h.write(w, []byte("x"))
	h.gives(1, read(r, buf, current))
	h.dial(ln)
	h.own(h.result(accept(ln)))
}

func cancelTwice(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	for range 10 {
		s := recv(a, make([]byte, 1), 0)
		ud := h.push(s)
		first, second := h.push(cancel(s)), h.push(cancel(s))
		h.Zero(h.wait(first).Res)
		// The second one may still see the entry on its way out.
		h.Contains([]int32{0, -int32(unix.ENOENT), -int32(unix.EALREADY)}, h.wait(second).Res)
		h.failed(unix.ECANCELED, h.wait(ud))
		h.fails(unix.ENOENT, cancel(s))
	}
	h.write(b, []byte("x"))
	h.gives(1, recv(a, make([]byte, 1), 0))
}

func cancelUnknown(h *harness) {
	never := on(ring.OpNop, -1)
	never.UserData = 12345
	h.fails(unix.ENOENT, cancel(never))
	done := on(ring.OpNop, -1)
	h.gives(0, done)
	h.fails(unix.ENOENT, cancel(done))
}

// cancelReused cancels an entry that is over while its memory holds another one, in flight: that one
// must not be hit, because it has another number.
func cancelReused(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	s := recv(a, make([]byte, 1), 0)
	for range 20 {
		s.UserData = 0
		old := h.push(s)
		h.write(b, []byte("x"))
		h.Equal(int32(1), h.wait(old).Res)
		s.UserData = 0
		ud := h.push(s)
		late := cancel(s)
		late.Off = int64(old)
		h.fails(unix.ENOENT, late)
		h.pending(ud)
		h.gives(0, cancel(s))
		h.failed(unix.ECANCELED, h.wait(ud))
	}
}

func cancelSameBatch(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	s := recv(a, make([]byte, 1), 0)
	ud := h.push(s)
	c := h.push(cancel(s))
	h.Zero(h.wait(c).Res)
	h.failed(unix.ECANCELED, h.wait(ud))

	// With data at hand either may win, but both agree.
	h.write(b, []byte("x"))
	s = recv(a, make([]byte, 1), 0)
	ud = h.push(s)
	c = h.push(cancel(s))
	if got := h.wait(ud); got.Res == 1 {
		h.failed(unix.ENOENT, h.wait(c))
	} else {
		h.failed(unix.ECANCELED, got)
		h.Zero(h.wait(c).Res)
		h.gives(1, recv(a, make([]byte, 1), 0))
	}
}

func cancelOneOfMany(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	const count = 20
	entries := make([]*ring.SQE, count)
	for i := range entries {
		entries[i] = poll(a, unix.POLLIN)
		h.push(entries[i])
	}
	h.pending(entries[0].UserData)
	for i := 1; i < count; i += 2 {
		h.gives(0, cancel(entries[i]))
		h.failed(unix.ECANCELED, h.wait(entries[i].UserData))
	}
	h.pending(entries[0].UserData)
	h.write(b, []byte("x"))
	for i := 0; i < count; i += 2 {
		h.Equal(int32(unix.POLLIN), h.wait(entries[i].UserData).Res)
	}
}

// cancelFiles cancels what may wait for a worker, run on one, or be over: each entry ends once, canceled or done.
func cancelFiles(h *harness) {
	content := string(pattern(1<<16, 1))
	fd := h.file(content)
	const count = 100
	var entries []*ring.SQE
	var cancels []uint64
	for i := range count {
		s := onFile(read(fd, make([]byte, 4096), int64(i)))
		if i%5 == 0 {
			s = fsync(fd, 0)
		}
		entries = append(entries, s)
		h.push(s)
	}
	for _, s := range entries {
		cancels = append(cancels, h.push(cancel(s)))
	}
	for i, s := range entries {
		switch res := h.wait(s.UserData).Res; {
		case res == -int32(unix.ECANCELED):
		case s.Opcode == ring.OpFsync:
			h.Zero(res)
		default:
			h.Equal(int32(4096), res)
			h.Equal(content[i:][:4096], string(bytesOf(s)))
		}
	}
	for _, ud := range cancels {
		h.Contains([]int32{0, -int32(unix.ENOENT), -int32(unix.EALREADY)}, h.wait(ud).Res)
	}
}

// cancelRace has a cancel and a byte reach a receive at the same time. The byte comes with this receive or with the next
// one: it is never lost and never there twice.
func cancelRace(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	const rounds = 2000
	var begun, writing atomic.Int64
	result := make(chan error, 1)
	go func() {
		for round := int64(1); round <= rounds; round++ {
			for begun.Load() < round {
				runtime.Gosched()
			}
			writing.Store(round)
			spin()
			if _, err := unix.Write(b, []byte{byte(round)}); err != nil {
				writing.Store(rounds)
				result <- err
				return
			}
		}
		result <- nil
	}()
	won := 0
	for round := int64(1); round <= rounds; round++ {
		buf := make([]byte, 2)
		s := recv(a, buf, 0)
		ud := h.push(s)
		h.turn(0)
		begun.Store(round)
		for writing.Load() < round {
			runtime.Gosched()
		}
		spin()
		if round%2 == 0 { // a queue that is not entered in between may well let the cancel win every time
			h.turn(0)
		}
		c := h.push(cancel(s))
		if res := h.wait(ud).Res; res == 1 {
			won++
		} else {
			h.Equal(-int32(unix.ECANCELED), res)
			h.Zero(buf[0], "data of a canceled receive")
			h.gives(1, recv(a, buf, 0))
		}
		h.Contains([]int32{0, -int32(unix.ENOENT), -int32(unix.EALREADY)}, h.wait(c).Res)
		h.Equal(byte(round), buf[0])
	}
	h.NoError(<-result)
	h.fails(unix.EAGAIN, recv(a, make([]byte, 1), unix.MSG_DONTWAIT))
	h.t.Logf("the data won %d of %d rounds", won, rounds)
}

// spin passes up to some ten microseconds.
func spin() {
	for end := time.Now().Add(rand.N(20 * time.Microsecond)); time.Now().Before(end); {
	}
}

// cancelMultishotRace lets a multishot be canceled while datagrams arrive: all of them are there in the end.
func cancelMultishotRace(h *harness) {
	if !h.has(ring.BufferRings) {
		h.ErrorIs(h.q.Provide(0, pages(4096), 4096), unix.EOPNOTSUPP)
		return
	}
	a, b := h.pair(unix.SOCK_DGRAM)
	g := h.provide(0, 64, 64)
	const count = 1000
	errs := make(chan error, 1)
	go func() {
		for i := range count {
			for {
				_, err := unix.Write(b, []byte{byte(i), byte(i >> 8)})
				if err == nil {
					break
				}
				if err != unix.EAGAIN {
					errs <- err
					return
				}
				runtime.Gosched()
			}
		}
		errs <- nil
	}()
	for next := 0; next < count; {
		s := multishot(selecting(a, 0))
		ud := h.push(s)
		h.turn(0)
		c := h.push(cancel(s))
		for h.live[ud] != nil || len(h.got[ud]) > 0 {
			c := h.next(ud)
			if c.Res < 0 {
				h.Contains([]unix.Errno{unix.ECANCELED, unix.ENOBUFS}, unix.Errno(-c.Res))
				continue
			}
			data, id := g.take(c)
			h.Equal([]byte{byte(next), byte(next >> 8)}, data)
			next++
			g.recycle(id)
		}
		h.Contains([]int32{0, -int32(unix.ENOENT), -int32(unix.EALREADY)}, h.wait(c).Res)
	}
	h.NoError(<-errs)
}

func cancelByFD(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	if !h.has(ring.CancelByFD) {
		h.fails(unix.EINVAL, cancelBy(ring.CancelFD, a))
		return
	}
	buf := make([]byte, 1)
	h.fails(unix.ENOENT, cancelBy(ring.CancelFD, a))
	h.gives(0, cancelBy(ring.CancelFD|ring.CancelAll, a))
	h.fails(unix.EBADF, cancelBy(ring.CancelFD, badFD))

	one := h.push(recv(a, buf, 0))
	other := h.push(recv(b, buf, 0))
	h.gives(0, cancelBy(ring.CancelFD, a))
	h.failed(unix.ECANCELED, h.wait(one))
	h.pending(other)

	var uds []uint64
	for _, s := range []*ring.SQE{recv(a, buf, 0), poll(a, unix.POLLIN), multishot(poll(a, unix.POLLIN))} {
		uds = append(uds, h.push(s))
		h.pending(uds[len(uds)-1])
	}
	h.gives(len(uds), cancelBy(ring.CancelFD|ring.CancelAll, a))
	for _, ud := range uds {
		h.failed(unix.ECANCELED, h.wait(ud))
	}
	h.pending(other)
	h.gives(0, cancelBy(ring.CancelFD, b))
	h.failed(unix.ECANCELED, h.wait(other))
}

// cancelAny cancels all that is in flight, and nothing that the queue needs for itself: it can still be woken.
func cancelAny(h *harness) {
	if !h.has(ring.CancelByFD) {
		h.fails(unix.EINVAL, cancelBy(ring.CancelAny, -1))
		return
	}
	a, _ := h.pair(unix.SOCK_STREAM)
	ln, _ := h.listen(10)
	r, _ := h.pipe()
	for range 3 {
		var uds []uint64
		for _, s := range []*ring.SQE{recv(a, make([]byte, 1), 0), accept(ln), read(r, make([]byte, 1), current), poll(a, unix.POLLIN)} {
			uds = append(uds, h.push(s))
			h.pending(uds[len(uds)-1])
		}
		h.gives(len(uds), cancelBy(ring.CancelAny|ring.CancelAll, -1))
		for _, ud := range uds {
			h.failed(unix.ECANCELED, h.wait(ud))
		}
		h.gives(0, cancelBy(ring.CancelAny|ring.CancelAll, -1))
		h.NoError(h.q.Wake())
		h.NoError(h.q.Enter(-1))
		h.Zero(h.reap())
	}
}
