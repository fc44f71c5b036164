//go:build unix

package queuetest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

var messageScenarios = []scenario{
	{name: "vectored on a stream", run: onStreams(messageStream)},
	{name: "datagrams with addresses", run: datagramAddresses},
	{name: "empty datagram", run: emptyDatagram},
	{name: "truncated", run: truncatedDatagram},
	{name: "too big", run: datagramTooBig},
	{name: "refused", run: datagramRefused},
	{name: "descriptor in a control message", run: passDescriptor},
}

func messageStream(h *harness, a, b int) {
	x, y := make([]byte, 3), make([]byte, 10)
	ud := h.push(recvmsg(a, message(nil, x, y), 0))
	h.pending(ud)
	h.gives(8, sendmsg(b, message(nil, []byte("one"), nil, []byte("three")), 0))
	h.Equal(int32(8), h.wait(ud).Res)
	h.Equal("one", string(x))
	h.Equal("three", string(y[:5]))

	// MSG_WAITALL goes on in the middle of the vector, in both directions.
	data := pattern(2<<20, 1)
	back := make([]byte, len(data))
	got := h.push(recvmsg(a, message(nil, back[:100], back[100:1<<20], back[1<<20:]), unix.MSG_WAITALL))
	sent := h.push(sendmsg(b, message(nil, data[:1<<20], data[1<<20:]), unix.MSG_WAITALL))
	h.Equal(int32(len(data)), h.wait(sent).Res)
	h.Equal(int32(len(data)), h.wait(got).Res)
	h.True(string(data) == string(back))
	h.close(b)
	h.gives(0, recvmsg(a, message(nil, x), 0))
}

func datagramAddresses(h *harness) {
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	buf, from := make([]byte, 100), make([]byte, unix.SizeofSockaddrAny)
	for range 3 {
		m := message(from, buf)
		ud := h.push(recvmsg(a, m, 0))
		h.pending(ud)
		h.gives(5, sendmsg(b, message(h.address(a), []byte("he"), []byte("llo")), 0))
		h.Equal(int32(5), h.wait(ud).Res)
		h.Equal("hello", string(buf[:5]))
		h.Equal(h.address(b), from[:m.Namelen])
		h.Zero(m.Flags)
	}
}

func emptyDatagram(h *harness) {
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	from := make([]byte, unix.SizeofSockaddrAny)
	m := message(from, make([]byte, 10))
	ud := h.push(recvmsg(a, m, 0))
	h.pending(ud)
	h.gives(0, sendmsg(b, message(h.address(a), nil), 0))
	h.Zero(h.wait(ud).Res)
	h.Equal(h.address(b), from[:m.Namelen])
}

func truncatedDatagram(h *harness) {
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	for range 2 {
		m := message(nil, make([]byte, 4))
		ud := h.push(recvmsg(a, m, 0))
		h.gives(10, sendmsg(b, message(h.address(a), pattern(10, 1)), 0))
		h.Equal(int32(4), h.wait(ud).Res)
		h.NotZero(m.Flags & unix.MSG_TRUNC)
	}
	h.sendTo(b, a, []byte("next"))
	h.gives(4, recv(a, make([]byte, 10), 0))
}

// sendTo sends a datagram by a system call.
func (h *harness) sendTo(from, to int, b []byte) {
	sa, err := unix.Getsockname(to)
	h.NoError(err)
	h.NoError(unix.Sendto(from, b, 0, sa))
}

func datagramTooBig(h *harness) {
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	h.fails(unix.EMSGSIZE, sendmsg(b, message(h.address(a), make([]byte, 70_000)), 0))
	h.gives(1, sendmsg(b, message(h.address(a), []byte("x")), 0))
	h.gives(1, recv(a, make([]byte, 10), 0))
}

// datagramRefused surfaces the answer to a datagram that nobody expects, once.
func datagramRefused(h *harness) {
	a, b := h.bound(unix.SOCK_DGRAM), h.bound(unix.SOCK_DGRAM)
	h.gives(0, connect(a, h.address(b)))
	h.close(b)
	ud := h.push(recv(a, make([]byte, 10), 0))
	h.pending(ud)
	h.gives(1, send(a, []byte("x"), 0))
	h.failed(unix.ECONNREFUSED, h.wait(ud))
	s := recv(a, make([]byte, 10), 0)
	ud = h.push(s)
	h.pending(ud)
	h.gives(0, cancel(s))
	h.failed(unix.ECANCELED, h.wait(ud))
}

func passDescriptor(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	r, w := h.pipe()
	rights := unix.UnixRights(w)
	out := message(nil, []byte("x"))
	out.Control = &rights[0]
	out.SetControllen(len(rights))
	control := make([]byte, 64)
	in := message(nil, make([]byte, 1))
	in.Control = &control[0]
	in.SetControllen(len(control))

	ud := h.push(recvmsg(a, in, 0))
	h.pending(ud)
	h.gives(1, sendmsg(b, out, 0))
	h.Equal(int32(1), h.wait(ud).Res)
	msgs, err := unix.ParseSocketControlMessage(unsafe.Slice(in.Control, in.Controllen))
	h.NoError(err)
	h.Len(msgs, 1)
	fds, err := unix.ParseUnixRights(&msgs[0])
	h.NoError(err)
	h.Len(fds, 1)
	h.own(fds[0])
	h.write(fds[0], []byte("through"))
	h.readFull(r, make([]byte, len("through")))
}
