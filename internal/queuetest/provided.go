//go:build unix

package queuetest

import (
	"math/rand/v2"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var providedScenarios = []scenario{
	{name: "one-shot", run: withBuffers(selectOnce)},
	{name: "multishot", run: withBuffers(selectMultishot)},
	{name: "exhaustion and recycling", run: withBuffers(exhaustion)},
	{name: "one-shot exhaustion", run: withBuffers(exhaustionOnce)},
	{name: "data before the end", run: withBuffers(dataBeforeEOF)},
	{name: "group shared by two sockets", run: withBuffers(sharedGroup)},
	{name: "several groups", run: withBuffers(severalGroups)},
	{name: "cancel", run: withBuffers(selectCancel)},
	{name: "errors", run: withBuffers(selectErrors)},
	{name: "datagrams", run: withBuffers(selectDatagrams)},
	{name: "reads of a pipe", run: withBuffers(selectReads)},
	{name: "messages", run: withBuffers(selectMessages)},
	{name: "messages without room", run: withBuffers(selectMessagesWithoutRoom)},
	{name: "bulk", run: withBuffers(selectBulk)},
	{name: "largest group", run: withBuffers(largestGroup)},
	{name: "bad groups", run: badGroups},
}

// withBuffers runs a scenario that provides buffers. A queue that cannot must say so.
func withBuffers(run func(h *harness)) func(h *harness) {
	return func(h *harness) {
		if h.has(ring.BufferRings) {
			run(h)
			return
		}
		h.ErrorIs(h.q.Provide(0, pages(4096), 1024), unix.EOPNOTSUPP)
	}
}

func selectOnce(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	g := h.provide(0, 4, 1024)
	for i := range 20 {
		ud := h.push(selecting(a, 0))
		h.pending(ud)
		want := pattern(10+i, byte(i))
		h.write(b, want)
		data, id := g.take(h.wait(ud))
		h.Equal(want, data)
		g.recycle(id)
	}
	// A buffer that is not full is given out as a whole, and no more than one is.
	h.write(b, pattern(3000, 1))
	for _, n := range []int{1024, 1024, 952} {
		data, _ := g.take(h.wait(h.push(selecting(a, 0))))
		h.Len(data, n)
	}
}

func selectMultishot(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	g := h.provide(7, 8, 512)
	s := g.stream(a)
	h.pending(s.ud)
	for i := range 50 {
		want := pattern(100, byte(i))
		h.write(b, want)
		data, id := s.next()
		h.Equal(want, data)
		g.recycle(id)
	}
	h.pending(s.ud)
	s.stop()
	h.write(b, []byte("later"))
	h.Zero(h.turn(0))
	h.gives(5, recv(a, make([]byte, 10), 0))
}

// exhaustion sends more than the group holds. What found no buffer stays in the socket and comes after buffers
// were given back.
func exhaustion(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	const count, size = 4, 64
	g := h.provide(1, count, size)
	want := pattern(3*count*size, 1)
	h.write(b, want)
	var got []byte
	for len(got) < len(want) {
		ud := h.push(multishot(selecting(a, 1)))
		var ids []uint16
		for {
			c := h.next(ud)
			if c.Res < 0 {
				h.failed(unix.ENOBUFS, c)
				h.bare(c)
				h.Len(g.held, count, "buffers left")
				break
			}
			data, id := g.take(c)
			got = append(got, data...)
			ids = append(ids, id)
			if !c.More() {
				break
			}
			if len(got) == len(want) {
				h.end(ud)
				break
			}
		}
		h.done(ud)
		for _, id := range ids {
			g.recycle(id)
		}
	}
	h.Equal(want, got)

	// Without a buffer, too, there is no spin and no loss: it ends when data comes, at the latest.
	h.write(b, make([]byte, count*size))
	for range count {
		g.take(h.wait(h.push(selecting(a, 1))))
	}
	h.write(b, []byte("x"))
	h.fails(unix.ENOBUFS, multishot(selecting(a, 1)))
	h.fails(unix.ENOBUFS, selecting(a, 1))
	g.recycle(2)
	data, id := g.take(h.wait(h.push(selecting(a, 1))))
	h.Equal("x", string(data))
	h.Equal(uint16(2), id)
}

func exhaustionOnce(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	g := h.provide(0, 1, 16)
	h.write(b, []byte("first"))
	_, id := g.take(h.wait(h.push(selecting(a, 0))))
	h.write(b, []byte("second"))
	h.fails(unix.ENOBUFS, selecting(a, 0))
	h.fails(unix.ENOBUFS, selecting(a, 0))
	g.recycle(id)
	data, _ := g.take(h.wait(h.push(selecting(a, 0))))
	h.Equal("second", string(data))
	h.write(b, []byte("x"))
	h.fails(unix.ENOBUFS, selecting(a, 99)) // a group that nobody provided
	h.gives(1, recv(a, make([]byte, 10), 0))
}

func dataBeforeEOF(h *harness) {
	for i := range 50 {
		a, b := h.pair(unix.SOCK_STREAM)
		if i%2 == 1 {
			a, b = h.tcp()
		}
		g := h.provide(uint16(i), 8, 256)
		ud := h.push(multishot(selecting(a, g.id)))
		if i%4 < 2 {
			h.pending(ud)
		}
		want := pattern(1000, byte(i))
		h.write(b, want)
		h.close(b)
		var got []byte
		for {
			c := h.next(ud)
			if c.Res == 0 {
				h.False(c.More())
				h.bare(c)
				break
			}
			data, id := g.take(c)
			got = append(got, data...)
			g.recycle(id)
			if !c.More() {
				h.done(ud)
				ud = h.push(multishot(selecting(a, g.id)))
			}
		}
		h.done(ud)
		h.Equal(want, got)
		h.close(a)
	}
}

func sharedGroup(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	c, d := h.tcp()
	g := h.provide(0, 4, 128)
	first, second := g.stream(a), g.stream(c)
	for i := range 30 {
		x, y := pattern(20, byte(i)), pattern(30, byte(i))
		h.write(b, x)
		h.write(d, y)
		data, id := first.next()
		h.Equal(x, data)
		other, id2 := second.next()
		h.Equal(y, other)
		g.recycle(id2)
		g.recycle(id)
	}
	first.stop()
	second.stop()
}

func severalGroups(h *harness) {
	var groups []*group
	for i, id := range []uint16{3, 0, 500} {
		groups = append(groups, h.provide(id, 2<<i, 100<<i))
	}
	for i, g := range groups {
		a, b := h.pair(unix.SOCK_STREAM)
		h.write(b, pattern(1000, byte(i)))
		for want := pattern(1000, byte(i)); len(want) > 0; {
			n := min(len(want), g.size)
			data, id := g.take(h.wait(h.push(selecting(a, g.id))))
			h.Equal(want[:n], data)
			want = want[n:]
			g.recycle(id)
		}
	}
}

// selectCancel shows that a canceled receive keeps no buffer: all of them are there afterwards.
func selectCancel(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	const count = 2
	g := h.provide(0, count, 64)
	for range 10 {
		for _, s := range []*ring.SQE{selecting(a, 0), multishot(selecting(a, 0))} {
			ud := h.push(s)
			h.pending(ud)
			h.gives(0, cancel(s))
			c := h.wait(ud)
			h.failed(unix.ECANCELED, c)
			h.bare(c)
		}
	}
	for range count {
		h.write(b, []byte("x"))
		g.take(h.wait(h.push(selecting(a, 0))))
	}
}

func selectErrors(h *harness) {
	g := h.provide(0, 2, 64)
	r, _ := h.pipe()
	h.fails(unix.EBADF, selecting(badFD, 0))
	h.fails(unix.ENOTSOCK, selecting(r, 0))
	h.fails(unix.ENOTCONN, selecting(h.socket(unix.AF_INET, unix.SOCK_STREAM), 0))
	a, b := h.tcp()
	ud := h.push(multishot(selecting(a, 0)))
	h.pending(ud)
	h.NoError(unix.SetsockoptLinger(b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	h.close(b)
	c := h.wait(ud)
	h.failed(unix.ECONNRESET, c)
	h.bare(c)

	// None of the failed ones has kept a buffer.
	a, b = h.pair(unix.SOCK_STREAM)
	for range 2 {
		h.write(b, []byte("x"))
		g.take(h.wait(h.push(selecting(a, 0))))
	}
}

// selectDatagrams: every datagram has a buffer of its own, and what does not fit is cut off.
func selectDatagrams(h *harness) {
	a, b := h.pair(unix.SOCK_DGRAM)
	g := h.provide(0, 4, 100)
	s := g.stream(a)
	for i := 1; i < 150; i += 9 {
		want := pattern(i, byte(i))
		h.write(b, want)
		data, id := s.next()
		h.Equal(want[:min(i, 100)], data)
		g.recycle(id)
	}
	s.stop()
}

// selectMessages receives datagrams of all lengths with their senders, the header in front.
func selectMessages(h *harness) {
	if !h.has(ring.MultishotRecvmsg) {
		return
	}
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	const size, name, control = 200, 32, 24
	const head, room = 16 + name + control, size - 16 - name - control
	g := h.provide(0, 4, size)
	s := &stream{g: g, fd: a, m: &ring.Msghdr{Namelen: name}}
	s.m.SetControllen(control)
	s.arm()
	h.pending(s.ud)
	for i := 0; i < 2*room; i += 9 {
		want := pattern(i, byte(i))
		h.sendTo(b, a, want)
		data, id := s.next()
		out := (*ring.RecvmsgOut)(unsafe.Pointer(&data[0]))
		from := h.address(b)
		h.Equal(uint32(len(from)), out.Namelen)
		h.Equal(from, data[16:16+out.Namelen])
		h.Zero(out.Controllen)
		h.Equal(uint32(min(i, room)), out.Payloadlen)
		h.Equal(i > room, out.Flags&unix.MSG_TRUNC != 0)
		h.Equal(string(want[:min(i, room)]), string(data[head:]))
		g.recycle(id)
	}
	for i := range byte(9) { // more than there are buffers
		h.sendTo(b, a, []byte{i})
	}
	for i := range byte(9) {
		c := h.next(s.ud)
		for c.Res == -int32(unix.ENOBUFS) {
			h.bare(c)
			h.done(s.ud)
			s.arm()
			c = h.next(s.ud)
		}
		data, id := g.take(c)
		h.Equal([]byte{i}, data[head:])
		g.recycle(id)
		if !c.More() {
			h.done(s.ud)
			s.arm()
		}
	}
	s.stop()
}

// selectMessagesWithoutRoom: a buffer that has no room for the header and what was asked for.
func selectMessagesWithoutRoom(h *harness) {
	if !h.has(ring.MultishotRecvmsg) {
		return
	}
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	g := h.provide(0, 2, 40)
	s := &stream{g: g, fd: a, m: &ring.Msghdr{Namelen: 32}}
	h.sendTo(b, a, []byte("x"))
	s.arm()
	h.failed(unix.EFAULT, h.wait(s.ud))
}

// selectBulk moves bytes through few buffers, which come back out of order and late.
func selectBulk(h *harness) {
	a, b := h.tcp()
	const count, size = 8, 1000
	g := h.provide(0, count, size)
	want := pattern(2<<20, 1)
	sent := h.push(send(b, want, unix.MSG_WAITALL))
	var got []byte
	var held []uint16
	ud := uint64(0)
	for len(got) < len(want) {
		if ud == 0 {
			rand.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
			keep := rand.IntN(count / 2)
			for len(held) > keep {
				g.recycle(held[len(held)-1])
				held = held[:len(held)-1]
			}
			ud = h.push(multishot(selecting(a, 0)))
		}
		c := h.next(ud)
		if c.Res < 0 {
			h.failed(unix.ENOBUFS, c)
		} else {
			data, id := g.take(c)
			got = append(got, data...)
			held = append(held, id)
			if len(held) > 2 && rand.IntN(3) == 0 {
				g.recycle(held[0])
				held = held[1:]
			}
		}
		if !c.More() {
			h.done(ud)
			ud = 0
		}
	}
	h.True(string(want) == string(got))
	h.Equal(int32(len(want)), h.wait(sent).Res)
	if ud != 0 {
		h.end(ud)
	}
}

// largestGroup uses all 32768 buffers of a group, and some again, in the order in which they were given.
func largestGroup(h *harness) {
	const count, again, size = 32768, 500, 8
	a, b := h.pair(unix.SOCK_STREAM)
	g := h.provide(0, count, size)
	want := pattern((count+again)*size, 1)
	sent := h.push(send(b, want, unix.MSG_WAITALL))
	s := g.stream(a)
	for i := range count + again {
		if i == count {
			for id := range uint16(again) {
				h.q.Recycle(0, id)
			}
			s.arm()
		}
		c := h.next(s.ud)
		id, ok := c.Buffer()
		if !ok || c.Res != size || int(id) != i%count ||
			string(g.mem[int(id)*size:][:size]) != string(want[i*size:][:size]) {
			h.FailNow("wrong completion", "number %d: %+v", i, c)
		}
		if i == count-1 && c.More() { // no buffer is left
			h.failed(unix.ENOBUFS, h.wait(s.ud))
		} else if !c.More() && i != count-1 {
			s.arm()
		}
	}
	h.Equal(int32(len(want)), h.wait(sent).Res)
	h.end(s.ud)
}

func badGroups(h *harness) {
	mem := pages(4096 * 4)
	for _, c := range []struct{ length, size int }{
		{4096, 0}, {4096, -1}, {0, 1024}, {1024 * 3, 1024}, {1000, 1024},
	} {
		h.Error(h.q.Provide(1, mem[:c.length], c.size), "%v", c)
	}
	h.Error(h.q.Provide(1, pages(65536), 1))
}

// selectReads: a pipe has no receive, but a read that selects its buffer when data is there.
func selectReads(h *harness) {
	r, w := h.pipe()
	h.NoError(unix.SetNonblock(r, true))
	g := h.provide(0, 2, 1024)
	selectRead := func(fd int) *ring.SQE {
		s := read(fd, nil, current)
		s.Flags, s.Group, s.Len = ring.BufferSelect, 0, 1024
		return s
	}
	for i := range 10 {
		ud := h.push(selectRead(r))
		h.pending(ud)
		want := pattern(10+i, byte(i))
		h.write(w, want)
		data, id := g.take(h.wait(ud))
		h.Equal(want, data)
		g.recycle(id)
	}
	h.write(w, pattern(2000, 1))
	_, first := g.take(h.wait(h.push(selectRead(r))))
	data, second := g.take(h.wait(h.push(selectRead(r))))
	h.Len(data, 976)
	h.write(w, []byte("x"))
	h.fails(unix.ENOBUFS, selectRead(r))
	g.recycle(first)
	g.recycle(second)
	data, id := g.take(h.wait(h.push(selectRead(r))))
	h.Equal("x", string(data))
	g.recycle(id)

	s := selectRead(r)
	ud := h.push(s)
	h.pending(ud)
	h.gives(0, cancel(s))
	h.Equal(-int32(unix.ECANCELED), h.wait(ud).Res)
	h.close(w)
	h.Zero(h.wait(h.push(selectRead(r))).Res) // the kernel's end of file comes with a buffer, ours without
	h.fails(unix.EBADF, selectRead(-1))
}
