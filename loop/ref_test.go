package loop_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// R01: one row for each thing that can be unreferenced. Here the operations hold the loop, not the handles: an idle
// Listener, Conn or File has nothing to unreference.
var unreferenced = map[string]func(t *testing.T, l *loop.Loop, ran func()) (end func()){
	"After": func(_ *testing.T, l *loop.Loop, ran func()) func() {
		timer := l.After(0, ran).Unref()
		return func() { timer.Stop() }
	},
	"Every": func(_ *testing.T, l *loop.Loop, ran func()) func() {
		timer := l.Every(time.Nanosecond, ran).Unref()
		return func() { timer.Stop() }
	},
	"OnIdle":    func(_ *testing.T, l *loop.Loop, ran func()) func() { return l.OnIdle(ran).Unref().Stop },
	"OnPrepare": func(_ *testing.T, l *loop.Loop, ran func()) func() { return l.OnPrepare(ran).Unref().Stop },
	"OnCheck":   func(_ *testing.T, l *loop.Loop, ran func()) func() { return l.OnCheck(ran).Unref().Stop },
	"Immediate": func(_ *testing.T, l *loop.Loop, ran func()) func() {
		immediate := l.Immediate(ran).Unref()
		return func() { immediate.Stop() }
	},
	"Accept": func(t *testing.T, l *loop.Loop, ran func()) func() {
		return canceled(listenOn(t, l, "127.0.0.1:0").Accept(func(*loop.Conn, error) { ran() }))
	},
	"Recv": func(t *testing.T, l *loop.Loop, ran func()) func() {
		conn, _ := connectPeer(t, l)
		return canceled(conn.Recv(make([]byte, 1), func([]byte, error) { ran() }))
	},
	"RecvMultishot": func(t *testing.T, l *loop.Loop, ran func()) func() {
		conn, _ := connectPeer(t, l)
		return canceled(conn.RecvMultishot(func(loop.Buffer, error) { ran() }))
	},
	"Send": func(t *testing.T, l *loop.Loop, ran func()) func() {
		conn, _ := connectPeer(t, l) // nobody reads at the other end
		return canceled(conn.Send(make([]byte, 64<<20), func([]byte, error) { ran() }))
	},
	"Watch": func(t *testing.T, l *loop.Loop, ran func()) func() {
		return canceled(l.Watch(silentPipe(t), loop.Readable, func(loop.Events, error) { ran() }))
	},
	"Submit": func(t *testing.T, l *loop.Loop, ran func()) func() {
		const pollIn = 1
		return canceled(l.Submit(ring.SQE{Opcode: ring.OpPollAdd, FD: int32(silentPipe(t)), OpFlags: pollIn}, func(ring.CQE) { ran() }))
	},
	"ReadAt": func(t *testing.T, l *loop.Loop, ran func()) func() {
		return canceled(openFile(t, l).ReadAt(make([]byte, 1), 0, func([]byte, error) { ran() }))
	},
	"NewOp": func(_ *testing.T, l *loop.Loop, ran func()) func() {
		work := l.NewOp(nil, func(error) { ran() })
		work.Op().Unref()
		return func() { work.Finish(nil) }
	},
}

// canceled unreferences op, twice, which counts as once.
func canceled(op loop.Op) func() { return op.Unref().Unref().Cancel }

func TestR01UnreferencedHoldsNothing(t *testing.T) {
	for name, start := range unreferenced {
		t.Run(name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				ran := false
				end := start(t, l, func() { ran = true })
				require.False(t, l.Alive())
				require.Empty(t, l.ActiveResources())
				require.NoError(t, l.Run())
				require.False(t, ran)
				end()
				for l.LiveOps() > 0 {
					require.NoError(t, l.Poll())
				}
				require.Zero(t, l.Refs(), "what is unreferenced takes no reference when it ends")
			})
		})
	}
}

// Ref and Unref change a state: how often they are called does not matter, nor whether the thing is active then.
func TestR01RefUndoesUnref(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		timer, hook := l.NewTimer(func() {}), l.OnCheck(func() {})
		hook.Stop()
		for name, x := range map[string]struct{ ref, unref, start, stop func() }{
			"Timer": {func() { timer.Ref() }, func() { timer.Unref() }, func() { timer.Reset(time.Hour) }, func() { timer.Stop() }},
			"Hook":  {func() { hook.Ref() }, func() { hook.Unref() }, hook.Start, hook.Stop},
		} {
			require.False(t, l.Alive())
			x.unref()
			x.unref()
			x.start()
			x.start()
			require.False(t, l.Alive(), name)
			x.ref()
			x.ref()
			require.True(t, l.Alive(), name)
			x.unref()
			require.False(t, l.Alive(), name)
			x.ref()
			x.stop()
			x.stop()
			require.False(t, l.Alive(), name)
			x.start()
			require.True(t, l.Alive(), name)
			x.stop()
			require.Zero(t, l.Refs(), name)
		}
	})
}

func TestR01LoopRef(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.Ref()
		l.Ref()
		l.Unref()
		require.True(t, l.Alive())
		ran := false
		l.After(time.Millisecond, func() {
			ran = true
			l.Unref()
		}).Unref()
		require.NoError(t, l.Run())
		require.True(t, ran, "an unreferenced timer runs as long as something else is alive")
		require.PanicsWithValue(t, "loop: Unref without Ref", l.Unref)
	})
}

func TestR02UnreferencedListener(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ln := listenOn(t, l, "127.0.0.1:0")
		received := ""
		ln.Accept(func(c *loop.Conn, err error) {
			if err != nil {
				require.ErrorIs(t, err, loop.ErrClosed)
				return
			}
			c.Recv(make([]byte, 10), func(b []byte, err error) {
				require.NoError(t, err)
				received = string(b)
				c.Close(nil)
			})
		}).Unref()
		sent := false
		l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
			require.NoError(t, err)
			c.Send([]byte("hello"), func(_ []byte, err error) {
				require.NoError(t, err)
				sent = true
				c.Close(nil)
			})
		})
		require.NoError(t, l.Run())
		require.True(t, sent)
		for received == "" { // the client may have finished before the server has begun
			require.NoError(t, l.Poll())
		}
		require.NoError(t, l.Run())
		require.False(t, l.Alive(), "the listener is still open")
		require.NotNil(t, ln.Addr())
	})
}

func TestR04OperationHoldsTheLoopThoughItsHandleDoesNot(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, peer := connectPeer(t, l)
		require.False(t, l.Alive(), "an idle connection holds nothing")
		// One referenced operation beside an unreferenced one of the same connection.
		conn.Send([]byte("x"), nil).Unref()
		received := false
		conn.Recv(make([]byte, 10), func(_ []byte, err error) {
			require.NoError(t, err)
			received = true
		})
		l.After(time.Millisecond, func() {
			_, err := peer.Write([]byte("y"))
			require.NoError(t, err)
		}).Unref()
		require.NoError(t, l.Run())
		require.True(t, received)
	})
}

func TestR06ZeroTimerUnreferencedBeforeRun(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		l.After(0, func() { t.Error("nothing holds the loop, so it does not begin a phase") }).Unref()
		require.NoError(t, l.Run())
	})
}
