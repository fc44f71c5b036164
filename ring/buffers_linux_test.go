package ring

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

func selecting(fd int32, group uint16) *SQE {
	return &SQE{Opcode: OpRecv, FD: fd, Flags: BufferSelect | Stream, Group: group}
}

func TestProvide(t *testing.T) {
	f := bound(t, Options{})
	f.need(BufferRings, "5.19")
	for _, c := range []struct{ bytes, size int }{{0, 1}, {100, 0}, {100, -1}, {100, 101}, {300, 100}, {65536, 1}} {
		f.ErrorIs(f.Provide(1, make([]byte, c.bytes), c.size), unix.EINVAL)
	}
	f.NoError(f.Provide(1, make([]byte, 4096), 1024))
	f.ErrorIs(f.Provide(1, make([]byte, 4096), 1024), unix.EEXIST)
	f.NoError(f.Provide(65535, make([]byte, 32768), 1))
	f.Panics(func() { f.Recycle(2, 0) })
	f.Panics(func() { f.Recycle(1, 4) })
}

// provide provides buffers and makes all of them free.
func (f *fixture) provide(group uint16, mem []byte, size int) {
	f.NoError(f.Provide(group, mem, size))
	for id := range len(mem) / size {
		f.Recycle(group, uint16(id))
	}
}

// Buffers come in their order, run out, and come back with the Enter after Recycle.
func TestBuffersRunOut(t *testing.T) {
	for _, when := range []string{"before Bind, on another thread", "after Bind"} {
		t.Run(when, func(t *testing.T) {
			runtime.LockOSThread()
			t.Cleanup(runtime.UnlockOSThread)
			f := unbound(t, Options{})
			f.need(BufferRings, "5.19")
			mem := make([]byte, 4*8)
			if when == "after Bind" {
				f.NoError(f.Bind())
				f.provide(3, mem, 8)
			} else {
				done := make(chan bool)
				go func() {
					defer close(done)
					f.provide(3, mem, 8)
				}()
				<-done
				f.NoError(f.Bind())
			}
			a, b := f.pair()
			f.write(b, "0000000011111111222222223333333344")
			for round := range 3 {
				var ids []uint16
				for i := range 4 {
					f.start(selecting(a, 3))
					c := f.next()
					f.EqualValues(8, c.Res)
					id, ok := c.Buffer()
					f.True(ok)
					f.Equal(uint16(i), id)
					f.Equal(BufferFlags(id), c.Flags&^CQENonEmpty)
					f.Equal("0123"[i], mem[8*id])
					ids = append(ids, id)
				}
				f.Equal(errno(unix.ENOBUFS), f.do(selecting(a, 3)))
				for _, id := range ids {
					f.Recycle(3, id)
				}
				if round == 2 {
					break
				}
				drained := make([]byte, 8)
				f.EqualValues(2, f.do(recv(a, drained)))
				f.write(b, "0000000011111111222222223333333344")
			}
			f.start(selecting(a, 3))
			f.EqualValues(2, f.next().Res)
		})
	}
}

// The tail has 16 bits and goes around; a small group goes around much more often.
func TestBuffersGoAround(t *testing.T) {
	f := bound(t, Options{})
	f.need(BufferRings, "5.19")
	f.provide(0, make([]byte, 2), 1)
	f.provide(1, make([]byte, 32768), 1)
	a, b := f.pair()
	for range 70000 / 1000 {
		f.write(b, string(make([]byte, 1000)))
		for i := range 1000 {
			group := uint16(i % 2)
			f.start(selecting(a, group))
			c := f.next()
			f.EqualValues(1, c.Res)
			id, _ := c.Buffer()
			f.Recycle(group, id)
		}
	}
	f.EqualValues(2+35000, f.groups[0].tail)
}

func TestMultishotReceive(t *testing.T) {
	eachShape(t, func(f *fixture) {
		a, b := f.pair()
		if !f.Features().Has(BufferRings) {
			f.ErrorIs(f.Provide(0, make([]byte, 64), 8), unix.EOPNOTSUPP)
			return
		}
		mem := make([]byte, 64)
		f.provide(0, mem, 8)
		s := selecting(a, 0)
		s.Flags |= Multishot
		f.start(s)
		f.idle()
		for i := range 100 {
			data := "abcdefgh"[:1+i%8]
			f.write(b, data)
			c := f.next()
			f.EqualValues(len(data), c.Res)
			id, ok := c.Buffer()
			f.True(ok)
			f.Equal(data, string(mem[8*int(id):][:c.Res]))
			f.Recycle(0, id)
			if !c.More() {
				f.start(s)
			}
			f.idle() // publishes
		}
		f.NoError(unix.Shutdown(int(b), unix.SHUT_WR))
		c := f.next()
		f.Zero(c.Res)
		f.False(c.More())
	})
}
