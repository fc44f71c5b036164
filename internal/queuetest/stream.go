//go:build unix

package queuetest

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var streamScenarios = []scenario{
	{name: "receive pending then data", run: onStreams(recvPending)},
	{name: "receive at once", run: onStreams(recvReady)},
	{name: "end of file after data", run: onStreams(recvEOF)},
	{name: "both directions at once", run: onStreams(bothDirections)},
	{name: "two receives", run: onStreams(twoReceives)},
	{name: "peek and dontwait", run: onStreams(recvFlags)},
	{name: "receive all", run: onStreams(recvAll)},
	{name: "send all", run: onStreams(sendAll)},
	{name: "short send", run: onStreams(shortSend)},
	{name: "stream hint", run: onStreams(streamHint)},
	{name: "poll first", run: onStreams(pollFirst)},
	{name: "shutdown", run: onStreams(shuttingDown)},
	{name: "broken", run: onStreams(streamBroken)},
	{name: "reset", run: connectionReset},
	{name: "errors", run: streamErrors},
	{name: "echo with package net", run: echoWithNet},
	{name: "ping-pong", run: onStreams(pingPong)},
}

// onStreams runs a scenario over a Unix and over a TCP connection.
func onStreams(run func(h *harness, a, b int)) func(h *harness) {
	return func(h *harness) {
		a, b := h.pair(unix.SOCK_STREAM)
		run(h, a, b)
		a, b = h.tcp()
		run(h, a, b)
	}
}

func recvPending(h *harness, a, b int) {
	buf := make([]byte, 10)
	for range 3 {
		ud := h.push(recv(a, buf, 0))
		h.pending(ud)
		h.gives(5, send(b, []byte("hello"), 0))
		h.Equal(int32(5), h.wait(ud).Res)
		h.Equal("hello", string(buf[:5]))
	}
}

func recvReady(h *harness, a, b int) {
	h.write(b, []byte("hello"))
	buf := make([]byte, 3)
	h.gives(3, recv(a, buf, 0))
	h.Equal("hel", string(buf))
	h.gives(2, recv(a, buf, 0))
	h.Equal("lol", string(buf))
	h.gives(0, send(a, nil, 0))
}

func recvEOF(h *harness, a, b int) {
	buf := make([]byte, 10)
	h.write(b, []byte("end"))
	h.close(b)
	h.gives(3, recv(a, buf, 0))
	h.gives(0, recv(a, buf, 0))
	h.gives(0, recv(a, buf, 0))
}

func bothDirections(h *harness, a, b int) {
	in, out := make([]byte, 1<<20), pattern(1<<20, 1)
	got := h.push(recv(a, in, unix.MSG_WAITALL))
	sent := h.push(send(a, out, unix.MSG_WAITALL))
	back := make([]byte, len(out))
	h.readFull(b, back)
	h.True(string(out) == string(back))
	h.Equal(int32(len(out)), h.wait(sent).Res)
	h.write(b, out)
	h.Equal(int32(len(out)), h.wait(got).Res)
	h.True(string(out) == string(in))
}

// twoReceives on one stream both end, each with its own byte. In which order is not promised.
func twoReceives(h *harness, a, b int) {
	x, y := make([]byte, 1), make([]byte, 1)
	first, second := h.push(recv(a, x, 0)), h.push(recv(a, y, 0))
	h.pending(first)
	h.pending(second)
	h.write(b, []byte("12"))
	h.Equal(int32(1), h.wait(first).Res)
	h.Equal(int32(1), h.wait(second).Res)
	h.ElementsMatch([]byte("12"), []byte{x[0], y[0]})
}

func recvFlags(h *harness, a, b int) {
	buf := make([]byte, 4)
	h.fails(unix.EAGAIN, recv(a, buf, unix.MSG_DONTWAIT))
	h.write(b, []byte("data"))
	h.gives(2, recv(a, buf[:2], unix.MSG_PEEK))
	h.gives(4, recv(a, buf, unix.MSG_DONTWAIT))
	h.Equal("data", string(buf))
	ud := h.push(recv(a, buf, unix.MSG_PEEK))
	h.pending(ud)
	h.write(b, []byte("data"))
	h.Equal(int32(4), h.wait(ud).Res)
	h.gives(4, recv(a, buf, 0))
}

func recvAll(h *harness, a, b int) {
	want := pattern(30, 1)
	buf := make([]byte, 30)
	ud := h.push(recv(a, buf, unix.MSG_WAITALL))
	for i := 0; i < 30; i += 10 {
		h.pending(ud)
		h.write(b, want[i:i+10])
	}
	h.Equal(int32(30), h.wait(ud).Res)
	h.Equal(want, buf)

	// A cancel half-way gives what has come.
	s := recv(a, buf, unix.MSG_WAITALL)
	ud = h.push(s)
	h.write(b, want[:7])
	h.pending(ud)
	h.gives(0, cancel(s))
	h.Equal(int32(7), h.wait(ud).Res)
	h.Equal(want[:7], buf[:7])

	// So does the end of the stream.
	ud = h.push(recv(a, buf, unix.MSG_WAITALL))
	h.write(b, want[:9])
	h.pending(ud)
	h.close(b)
	h.Equal(int32(9), h.wait(ud).Res)
	h.Equal(want[:9], buf[:9])
	h.gives(0, recv(a, buf, unix.MSG_WAITALL))
}

// sendAll sends more than the socket holds, to a reader who takes his time.
func sendAll(h *harness, a, b int) {
	h.narrow(a, b)
	data := pattern(8<<20, 1)
	back := make([]byte, len(data))
	ud := h.push(send(a, data, unix.MSG_WAITALL))
	h.pending(ud)
	h.readFull(b, back)
	h.Equal(int32(len(data)), h.wait(ud).Res)
	h.True(string(data) == string(back))

	// A cancel half-way gives the count that moved: those bytes and no others arrive.
	s := send(a, data, unix.MSG_WAITALL)
	ud = h.push(s)
	h.pending(ud)
	h.gives(0, cancel(s))
	moved := int(h.wait(ud).Res)
	h.Positive(moved)
	h.Less(moved, len(data))
	h.close(a)
	h.readFull(b, back[:moved])
	h.True(string(data[:moved]) == string(back[:moved]))
	h.gives(0, recv(b, back, 0))
}

// narrow fixes the sizes of the buffers between a and b, which TCP would let grow to many megabytes.
func (h *harness) narrow(a, b int) {
	h.NoError(unix.SetsockoptInt(a, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<16))
	h.NoError(unix.SetsockoptInt(b, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<16))
}

// shortSend leaves out MSG_WAITALL: one send may move a part, and never fails with EAGAIN.
func shortSend(h *harness, a, b int) {
	h.narrow(a, b)
	data := pattern(8<<20, 1)
	moved := h.result(send(a, data, 0))
	h.Positive(moved)
	h.Less(moved, len(data))
	ud := h.push(send(a, data[moved:], 0))
	h.turn(0)
	back := make([]byte, moved)
	h.readFull(b, back)
	h.True(string(data[:moved]) == string(back))
	more := int(h.wait(ud).Res)
	h.Positive(more)
	back = make([]byte, more)
	h.readFull(b, back)
	h.True(string(data[moved:moved+more]) == string(back))
}

// streamHint moves bytes with receives that are often exactly full and often short.
func streamHint(h *harness, a, b int) {
	data := pattern(4096, 1)
	buf := make([]byte, 64)
	var got []byte
	sent := 0
	for chunk := 1; len(got) < len(data); chunk = chunk%97 + 7 {
		if n := min(chunk, len(data)-sent); n > 0 {
			h.write(b, data[sent:sent+n])
			sent += n
		}
		s := recv(a, buf, 0)
		s.Flags = ring.Stream
		n := h.result(s)
		h.Positive(n)
		got = append(got, buf[:n]...)
	}
	h.Equal(data, got)
	s := recv(a, buf, 0)
	s.Flags = ring.Stream
	h.write(b, data[:10])
	h.close(b)
	h.gives(10, s)
	s = recv(a, buf, 0)
	s.Flags = ring.Stream
	h.gives(0, s)
}

func pollFirst(h *harness, a, b int) {
	buf := make([]byte, 4)
	s := recv(a, buf, 0)
	s.Flags = ring.PollFirst
	ud := h.push(s)
	h.pending(ud)
	out := send(b, []byte("data"), 0)
	out.Flags = ring.PollFirst
	h.gives(4, out)
	h.Equal(int32(4), h.wait(ud).Res)
	h.write(b, []byte("more"))
	s = recv(a, buf, 0)
	s.Flags = ring.PollFirst
	h.gives(4, s)
	h.Equal("more", string(buf))
}

func shuttingDown(h *harness, a, b int) {
	buf := make([]byte, 4)
	ud := h.push(recv(b, buf, 0))
	h.pending(ud)
	h.gives(0, shutdown(a, unix.SHUT_WR))
	h.Zero(h.wait(ud).Res)
	h.fails(unix.EPIPE, send(a, buf, 0))
	h.gives(4, send(b, []byte("half"), 0)) // the other half still works
	h.gives(4, recv(a, buf, 0))
	ud = h.push(recv(a, buf, 0))
	h.pending(ud)
	h.gives(0, shutdown(a, unix.SHUT_RD))
	h.Zero(h.wait(ud).Res)
	h.fails(unix.EINVAL, shutdown(b, 7))
}

func streamBroken(h *harness, a, b int) {
	h.close(b)
	// The first send to a TCP peer that is gone only provokes its reset.
	for range 100 {
		if n := h.result(send(a, []byte("x"), 0)); n < 0 {
			h.Contains([]unix.Errno{unix.EPIPE, unix.ECONNRESET}, unix.Errno(-n))
			break
		}
	}
	h.fails(unix.EPIPE, send(a, []byte("x"), 0))
	h.fails(unix.EPIPE, sendmsg(a, message(nil, []byte("x")), 0))
}

func connectionReset(h *harness) {
	a, b := h.tcp()
	ud := h.push(recv(a, make([]byte, 1), 0))
	h.pending(ud)
	h.NoError(unix.SetsockoptLinger(b, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	h.close(b)
	h.failed(unix.ECONNRESET, h.wait(ud))
	h.gives(0, recv(a, make([]byte, 1), 0))
}

func streamErrors(h *harness) {
	b := make([]byte, 1)
	file := h.file("content")
	unconnected := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	m := message(nil, b)
	for want, fd := range map[unix.Errno]int{unix.EBADF: badFD, unix.ENOTSOCK: file} {
		h.fails(want, recv(fd, b, 0))
		h.fails(want, send(fd, b, 0))
		h.fails(want, recvmsg(fd, m, 0))
		h.fails(want, sendmsg(fd, m, 0))
		h.fails(want, shutdown(fd, unix.SHUT_WR))
	}
	h.fails(unix.ENOTCONN, recv(unconnected, b, 0))
	h.fails(unix.EPIPE, send(unconnected, b, 0))
	h.fails(unix.ENOTCONN, shutdown(unconnected, unix.SHUT_RDWR))
}

func pingPong(h *harness, a, b int) {
	buf := make([]byte, 16)
	for i := range 200 {
		there := h.push(recv(b, buf[:8], unix.MSG_WAITALL))
		h.gives(8, send(a, pattern(8, byte(i)), 0))
		h.Equal(int32(8), h.wait(there).Res)
		h.Equal(pattern(8, byte(i)), buf[:8])
		here := h.push(vector(ring.OpReadv, a, [][]byte{buf[:3], buf[3:8]}, current))
		h.gives(8, sendmsg(b, message(nil, buf[:4], buf[4:8]), 0))
		h.Equal(int32(8), h.wait(here).Res)
	}
}

// echoWithNet has goroutines of package net on the other side.
func echoWithNet(h *harness) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	h.NoError(err)
	defer ln.Close()
	errs := make(chan error, 1)
	const rounds = 100
	go func() {
		c, err := ln.Accept()
		if err != nil {
			errs <- err
			return
		}
		defer c.Close()
		buf := make([]byte, 1000)
		for range rounds {
			n, err := c.Read(buf)
			if err == nil {
				_, err = c.Write(buf[:n])
			}
			if err != nil {
				errs <- err
				return
			}
		}
		errs <- nil
	}()
	addr := ln.Addr().(*net.TCPAddr)
	fd := h.socket(unix.AF_INET, unix.SOCK_STREAM)
	h.gives(0, connect(fd, h.encode(&unix.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())})))
	buf := make([]byte, 100)
	for i := range rounds {
		got := h.push(recv(fd, buf, unix.MSG_WAITALL))
		h.gives(len(buf), send(fd, pattern(len(buf), byte(i)), 0))
		h.Equal(int32(len(buf)), h.wait(got).Res)
		h.Equal(pattern(len(buf), byte(i)), buf)
	}
	h.NoError(os.NewSyscallError("peer", <-errs))
	h.gives(0, recv(fd, buf, 0))
}
