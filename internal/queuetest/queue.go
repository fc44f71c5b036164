//go:build unix

package queuetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

var queueScenarios = []scenario{
	{name: "nop", run: func(h *harness) { h.gives(0, on(ring.OpNop, -1)) }},
	{name: "user data comes back whole", run: userData},
	{name: "unsupported opcodes", run: unsupportedOpcodes},
	{name: "supported opcodes", run: supportedOpcodes},
	{name: "reap keeps to its budget", run: reapBudget},
	{name: "flood before reaping", run: nopFlood},
	{name: "enter returns at once when completions are ready", run: enterWhenReady},
	{name: "many entries in one batch", run: bigBatch},
	{name: "pushed before bind", unbound: true, run: pushedBeforeBind},
	{name: "closed without bind", unbound: true, run: closedWithoutBind},
	{name: "many descriptors", run: manyDescriptors},
	{name: "garbage collection", run: garbageCollection},
}

func userData(h *harness) {
	for _, ud := range []uint64{1, 0xffffffff, 1 << 63, 0x0123456789abcdef, ^uint64(1)} {
		s := on(ring.OpNop, -1)
		s.UserData = ud
		h.gives(0, s)
	}
}

// unsupportedOpcodes are those outside of the vocabulary, even where the kernel knows them.
func unsupportedOpcodes(h *harness) {
	for _, op := range []ring.Opcode{4, 11, 15, 30, 62, 63, 64, 200, 255} {
		h.False(h.q.Features().Supports(op), "opcode %d", op)
		h.fails(unix.EOPNOTSUPP, on(op, -1))
	}
}

// supportedOpcodes shows that what Features says of an opcode is what happens to its entries: a
// supported one gets as far as the descriptor, or the path, and finds it wrong.
func supportedOpcodes(h *harness) {
	const missing = "/nonexistent/nowhere"
	entries := map[ring.Opcode]*ring.SQE{
		ring.OpNop:       nil,
		ring.OpCancel:    nil,
		ring.OpOpenat:    openat(missing, unix.O_RDONLY, 0),
		ring.OpStatx:     statx(unix.AT_FDCWD, missing, 0, new(ring.Statx)),
		ring.OpUnlinkat:  unlink(missing, 0),
		ring.OpMkdirat:   mkdir(missing, 0o755),
		ring.OpSymlinkat: symlink("target", missing),
		ring.OpRenameat:  between(ring.OpRenameat, missing, missing, 0),
		ring.OpLinkat:    between(ring.OpLinkat, missing, missing, 0),
	}
	for _, op := range ring.Opcodes() {
		s, listed := entries[op]
		want := unix.ENOENT
		if !listed {
			s, want = on(op, badFD), unix.EBADF
			switch op {
			case ring.OpSendmsg, ring.OpRecvmsg:
				s = sendmsg(badFD, message(nil, []byte("x")), 0)
				s.Opcode = op
			case ring.OpConnect:
				s = connect(badFD, h.encode(&unix.SockaddrInet4{Port: 1}))
			case ring.OpReadv, ring.OpWritev:
				s = vector(op, badFD, [][]byte{make([]byte, 1)}, 0)
			case ring.OpFallocate:
				s.Len = 1
			case ring.OpPollAdd:
				s = poll(badFD, unix.POLLIN)
			case ring.OpRead, ring.OpWrite, ring.OpSend, ring.OpRecv:
				s = buffer(op, badFD, make([]byte, 1), 0, 0)
			}
		}
		switch {
		case !h.q.Features().Supports(op):
			if s == nil {
				s = on(op, -1)
			}
			h.fails(unix.EOPNOTSUPP, s)
		case s != nil:
			got := h.result(s)
			h.Equal(-int(want), got, "%v: want %v, got %v", op, want, unix.Errno(-got))
		}
	}
	h.True(h.q.Features().Supports(ring.OpNop))
	h.True(h.q.Features().Supports(ring.OpCancel))
}

func reapBudget(h *harness) {
	h.Zero(h.q.Reap(nil))
	const entries = 100
	left := map[uint64]bool{}
	sqes := make([]ring.SQE, entries)
	for i := range sqes {
		sqes[i] = ring.SQE{Opcode: ring.OpNop, FD: -1, UserData: uint64(i)}
		for !h.q.Push(&sqes[i]) {
			h.NoError(h.q.Enter(0))
		}
		left[uint64(i)] = true
	}
	dst := make([]ring.CQE, 3)
	for end := time.Now().Add(patience); len(left) > 0; {
		h.Less(time.Now(), end, "%d lost", len(left))
		h.NoError(h.q.Enter(0))
		n := h.q.Reap(dst[:2])
		h.LessOrEqual(n, 2)
		h.Zero(dst[2], "written behind the budget")
		for _, c := range dst[:n] {
			h.True(left[c.UserData], "%d came twice", c.UserData)
			delete(left, c.UserData)
		}
	}
	h.Zero(h.q.Reap(dst))
}

// nopFlood pushes ten times what the completion queue of a large ring holds, and reaps nothing until all is in.
// A queue may refuse entries that it has no room to complete; only then some are taken out.
func nopFlood(h *harness) {
	const entries = 10 * 4096
	seen := make([]bool, entries)
	count := 0
	buf := make([]ring.CQE, 100)
	reap := func() {
		n := h.q.Reap(buf)
		for _, c := range buf[:n] {
			h.False(seen[c.UserData], "doubled")
			h.Zero(c.Res)
			seen[c.UserData] = true
		}
		count += n
	}
	sqes := make([]ring.SQE, entries)
	end := time.Now().Add(patience)
	for i := range sqes {
		sqes[i] = ring.SQE{Opcode: ring.OpNop, FD: -1, UserData: uint64(i)}
		for !h.q.Push(&sqes[i]) {
			h.NoError(h.q.Enter(0))
			if h.q.Push(&sqes[i]) {
				break
			}
			h.Less(time.Now(), end, "refuses entry %d", i)
			reap()
		}
	}
	for count < entries {
		h.Less(time.Now(), end, "%d of %d lost", entries-count, entries)
		h.NoError(h.q.Enter(time.Until(end)))
		reap()
	}
	h.NoError(h.q.Enter(0))
	h.Zero(h.q.Reap(buf))
	runtime.KeepAlive(sqes)
}

func enterWhenReady(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	buf := make([]byte, 1)
	nop := h.push(on(ring.OpNop, -1))
	h.NoError(h.q.Enter(-1))
	got := h.push(recv(a, buf, 0))
	h.NoError(h.q.Enter(-1)) // the first completion has not been reaped
	h.wait(nop)
	h.pending(got)
	h.write(b, []byte("x"))
	h.Equal(int32(1), h.wait(got).Res)
}

func bigBatch(h *harness) {
	fd := h.file("")
	const blocks, size = 300, 64
	data := pattern(blocks*size, 1)
	uds := make([]uint64, blocks)
	for i := range uds {
		uds[i] = h.push(onFile(write(fd, data[i*size:][:size], int64(i*size))))
	}
	for _, ud := range uds {
		h.Equal(int32(size), h.wait(ud).Res)
	}
	back := make([]byte, len(data))
	for i := range uds {
		uds[i] = h.push(onFile(read(fd, back[i*size:][:size], int64(i*size))))
	}
	for _, ud := range uds {
		h.Equal(int32(size), h.wait(ud).Res)
	}
	h.Equal(data, back)
}

func pushedBeforeBind(h *harness) {
	a, b := h.pair(unix.SOCK_STREAM)
	var pushed []*ring.SQE
	for _, s := range []*ring.SQE{on(ring.OpNop, -1), recv(a, make([]byte, 2), 0), send(b, []byte("hi"), 0)} {
		h.last++
		s.UserData = h.last
		if !h.q.Push(s) {
			break // a queue of one entry cannot be flushed before it is bound
		}
		h.live[s.UserData] = s
		pushed = append(pushed, s)
	}
	h.NotEmpty(pushed)
	h.NoError(h.q.Bind())
	for i, want := range []int32{0, 2, 2}[:len(pushed)] {
		if i == 1 && len(pushed) == 2 {
			h.write(b, []byte("hi"))
		}
		h.Equal(want, h.wait(pushed[i].UserData).Res)
	}
}

func closedWithoutBind(h *harness) {
	a, _ := h.pair(unix.SOCK_STREAM)
	s := recv(a, make([]byte, 1), 0)
	s.UserData = 1
	h.True(h.q.Push(s))
	h.closed = true
	err := make(chan error)
	go func() { err <- h.q.Close() }()
	h.NoError(<-err)
	runtime.KeepAlive(s)
}

func manyDescriptors(h *harness) {
	const pairs = 250
	var here, there, uds [pairs]int
	bufs := make([][]byte, pairs)
	for i := range pairs {
		here[i], there[i] = h.pair(unix.SOCK_STREAM)
		bufs[i] = make([]byte, 8)
		uds[i] = int(h.push(recv(here[i], bufs[i], 0)))
	}
	h.turn(0)
	h.Len(h.live, pairs)
	for _, i := range rand.Perm(pairs) {
		h.write(there[i], fmt.Appendf(nil, "%4d", i))
	}
	for i := range pairs {
		h.Equal(int32(4), h.wait(uint64(uds[i])).Res)
		h.Equal(fmt.Sprintf("%4d", i), string(bufs[i][:4]))
	}
}

// garbageCollection runs operations whose buffers are reachable by nothing but the entry, while the collector works and
// the freed memory is overwritten.
func garbageCollection(h *harness) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var junk [][]byte
		for i := byte(0); ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				runtime.GC()
				junk = append(junk[:len(junk)%100], pattern(4096, i), pattern(512, i), pattern(64, i))
			}
		}
	}()
	defer func() { close(stop); <-stopped }()

	a, b := h.pair(unix.SOCK_STREAM)
	fd := h.file("")
	for i := range 150 {
		seed := byte(i)
		entry := recv(a, make([]byte, 512), unix.MSG_WAITALL)
		got := h.push(entry)
		msg := h.push(sendmsg(b, message(nil, pattern(256, seed), pattern(512, seed)[256:]), 0))
		file := h.push(onFile(vector(ring.OpWritev, fd, [][]byte{pattern(512, seed), pattern(4096, seed)}, 0)))
		h.Equal(int32(512), h.wait(msg).Res)
		h.Equal(int32(512), h.wait(got).Res)
		h.Equal(pattern(512, seed), bytesOf(entry))
		h.Equal(int32(512+4096), h.wait(file).Res)

		content := onFile(read(fd, make([]byte, 4096), 512))
		h.gives(4096, content)
		h.Equal(pattern(4096, seed), bytesOf(content))
		h.gives(0, statx(unix.AT_FDCWD, h.path("."), 0, new(ring.Statx)))
	}
}
