package loop_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// phases is the order of a turn.
var phases = []string{"pending", "idle", "prepare", "completion", "post", "check", "immediate", "close", "timer"}

// Everything comes back in each of some turns, and whatever coincides does so in the order of the phases.
func TestP01OrderInOneTurn(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		seen := map[string]int{}
		turn, last := l.Metrics().Turns, 0
		trace := func(phase string) (goOn bool) {
			rank := slices.Index(phases, phase)
			if now := l.Metrics().Turns; now != turn {
				turn, last = now, 0
			}
			require.GreaterOrEqual(t, rank, last, "%s after %s", phase, phases[last])
			last = rank
			seen[phase]++
			return seen[phase] < 20
		}
		var pending, completion, post, immediate, closing func()
		pending = func() {
			l.NewOp(nil, func(error) {
				if trace("pending") {
					pending()
				}
			}).Finish(nil)
		}
		completion = func() {
			l.Submit(ring.SQE{Opcode: ring.OpNop}, func(ring.CQE) {
				if trace("completion") {
					completion()
				}
			})
		}
		post = func() {
			require.NoError(t, l.Post(func() {
				if trace("post") {
					post()
				}
			}))
		}
		immediate = func() {
			l.Immediate(func() {
				if trace("immediate") {
					immediate()
				}
			})
		}
		closing = func() {
			listenOn(t, l, "127.0.0.1:0").Close(func(error) {
				if trace("close") {
					closing()
				}
			})
		}
		hook := func(phase string, on func(*loop.Loop, func()) *loop.Hook) {
			var h *loop.Hook
			h = on(l, func() {
				if !trace(phase) {
					h.Stop()
				}
			})
		}
		var timer *loop.Timer
		timer = l.NewTimer(func() {
			if turn == l.Metrics().Turns && trace("timer") {
				timer.Reset(0)
			}
		})
		l.Immediate(func() { timer.Reset(0) }) // the timer phase that begins a run belongs to no turn
		pending()
		completion()
		post()
		immediate()
		closing()
		hook("idle", (*loop.Loop).OnIdle)
		hook("prepare", (*loop.Loop).OnPrepare)
		hook("check", (*loop.Loop).OnCheck)
		require.NoError(t, l.Run())
		for _, phase := range phases {
			require.Equal(t, 20, seen[phase], phase)
		}
	})
}

// Of what needs no kernel the order is exact.
func TestP01ExactOrder(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var trace []string
		add := func(what string) func() { return func() { trace = append(trace, what) } }
		l.Immediate(add("immediate"))
		require.NoError(t, l.Post(add("post")))
		threeHooks((*loop.Loop).OnCheck)(t, l, add("check"))
		threeHooks((*loop.Loop).OnPrepare)(t, l, add("prepare"))
		threeHooks((*loop.Loop).OnIdle)(t, l, add("idle"))
		l.NewOp(nil, func(error) {
			add("pending")()
			l.After(0, add("timer"))
		}).Finish(nil)
		l.After(0, add("first timer"))
		l.NextTick(add("tick"))
		require.NoError(t, l.Run())
		require.Equal(t, []string{"tick", "first timer", "pending", "idle", "idle", "idle", "prepare", "prepare", "prepare", "post",
			"check", "check", "check", "immediate", "timer"}, trace)
	})
}

func TestP02CloseFromTimerAndCheck(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var trace []string
		listeners := []*loop.Listener{listenOn(t, l, "127.0.0.1:0"), listenOn(t, l, "127.0.0.1:0"), listenOn(t, l, "127.0.0.1:0")}
		closing := func(ln *loop.Listener) {
			ln.Close(func(err error) {
				require.NoError(t, err)
				trace = append(trace, "close")
			})
		}
		l.After(0, func() {
			trace = append(trace, "timer")
			closing(listeners[0])
		})
		var check *loop.Hook
		check = l.OnCheck(func() {
			check.Stop()
			trace = append(trace, "check")
			closing(listeners[1])
			closing(listeners[2])
		})
		require.NoError(t, l.Run())
		require.Equal(t, []string{"timer", "check", "close", "close", "close"}, trace)
	})
}

func TestP03IdleHookStarvesNobody(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, peer := connectPeer(t, l)
		idles, checks, fired, received := 0, 0, false, false
		idle := l.OnIdle(func() {
			if idles++; fired && received && idles > 1000 { // a loop that waits does not get there
				l.Stop()
			}
		})
		check := l.OnCheck(func() { checks++ })
		l.After(20*time.Millisecond, func() { fired = true })
		conn.Recv(make([]byte, 10), func(_ []byte, err error) {
			require.NoError(t, err)
			received = true
		})
		l.After(time.Millisecond, func() {
			_, err := peer.Write([]byte("x"))
			require.NoError(t, err)
		})
		require.NoError(t, l.Run())
		require.Equal(t, idles, checks, "both once a turn")
		idle.Stop()
		check.Stop()
	})
}

func TestP04CloseCallbackOnAFreshStack(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		nested, ended := false, 0
		conn, _ := connectPeer(t, l)
		file := openFile(t, l)
		ln := listenOn(t, l, "127.0.0.1:0")
		for _, closing := range []func(loop.DoneFunc){conn.Close, file.Close, ln.Close} {
			for _, want := range []error{nil, loop.ErrClosed} {
				nested = true
				closing(func(err error) {
					require.False(t, nested)
					require.ErrorIs(t, err, want)
					ended++
				})
				nested = false
			}
		}
		require.NoError(t, l.Run())
		require.Equal(t, 6, ended)
	})
}

func TestP06TicksFollowEachCallback(t *testing.T) {
	for _, kind := range callbackKinds {
		if kind.name == "tick" {
			continue // ticks are one queue: TestP06TicksAreFirstInFirstOut
		}
		t.Run(kind.name, func(t *testing.T) {
			forEachQueue(t, func(t *testing.T, l *loop.Loop) {
				var trace []string
				n := 0
				kind.start(t, l, func() {
					n++
					i := n
					add := func(what string) { trace = append(trace, fmt.Sprint(what, i)) }
					add("callback")
					l.NextTick(func() {
						add("tick")
						l.NextTick(func() { add("tick of a tick") })
					})
					l.NextTick(func() { add("second tick") })
				})
				require.NoError(t, l.Run())
				var want []string
				for i := 1; i <= 3; i++ {
					want = append(want, fmt.Sprint("callback", i), fmt.Sprint("tick", i), fmt.Sprint("second tick", i), fmt.Sprint("tick of a tick", i))
				}
				require.Equal(t, want, trace)
			})
		})
	}
}

func TestP06TicksAreFirstInFirstOut(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		var trace []string
		for _, name := range []string{"a", "b"} {
			l.NextTick(func() {
				trace = append(trace, name)
				l.NextTick(func() { trace = append(trace, name+name) })
			})
		}
		require.NoError(t, l.Poll(), "ticks from outside a callback run first")
		require.Equal(t, []string{"a", "b", "aa", "bb"}, trace)
	})
}

func TestP08EndlessImmediate(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ran, turns := 0, l.Metrics().Turns
		var again func()
		goOn := true
		again = func() {
			ran++
			if goOn {
				l.Immediate(again)
			}
		}
		l.Immediate(again)
		requireProgress(t, l, func() { goOn = false })
		require.LessOrEqual(t, uint64(ran), l.Metrics().Turns-turns, "one of a chain in each turn")
	})
}

// A long chain of ticks is over before any other callback; an endless one would starve everything, which NextTick tells.
func TestP08LongChainOfTicks(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		ticks := 0
		var tick func()
		tick = func() {
			if ticks++; ticks < 100_000 {
				l.NextTick(tick)
			}
		}
		l.After(0, func() { l.NextTick(tick) })
		l.After(0, func() { require.Equal(t, 100_000, ticks) })
		require.NoError(t, l.Run())
	})
}

func TestP08FloodOfPosts(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		goOn := true
		var again func()
		again = func() {
			if goOn {
				require.NoError(t, l.Post(again))
			}
		}
		for range 100 {
			again()
		}
		requireProgress(t, l, func() { goOn = false })
	})
}

func TestP08FloodOfCompletions(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		goOn := true
		var again func()
		again = func() {
			if goOn {
				l.Submit(ring.SQE{Opcode: ring.OpNop}, func(c ring.CQE) {
					require.Zero(t, c.Res)
					again()
				})
			}
		}
		for range 2500 { // more than one turn dispatches
			again()
		}
		requireProgress(t, l, func() { goOn = false })
	})
}

// requireProgress has a socket and a repeating timer do some rounds on a loop that somebody keeps busy, and then calls enough. A
// loop that starves one of them hangs.
func requireProgress(t *testing.T, l *loop.Loop, enough func()) {
	t.Helper()
	ln := listenOn(t, l, "127.0.0.1:0")
	ln.Accept(func(c *loop.Conn, err error) {
		if err == nil {
			serveEcho(c)
		}
	})
	fired, echoed := 0, 0
	var every *loop.Timer
	var client *loop.Conn
	progress := func() {
		if fired >= 5 && echoed >= 5 && every.Stop() {
			ln.Close(nil)
			client.Close(nil)
			enough()
		}
	}
	every = l.Every(time.Millisecond, func() {
		fired++
		progress()
	})
	buf := make([]byte, 1)
	var received loop.IOFunc
	received = func(b []byte, err error) {
		if err != nil {
			require.ErrorIs(t, err, loop.ErrClosed)
			return
		}
		echoed++
		client.Send(b, nil)
		client.Recv(buf, received)
		progress()
	}
	l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
		require.NoError(t, err)
		client = c
		c.Send([]byte("x"), nil)
		c.Recv(buf, received)
	})
	require.NoError(t, l.Run())
	require.GreaterOrEqual(t, min(fired, echoed), 5)
}

// Rule 1, for every method that starts something: nothing calls back within a call, however early the result is known.
func TestP09NothingCallsBackWithinACall(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, peer := connectPeer(t, l)
		require.NoError(t, peer.CloseWrite())
		busy, _ := connectPeer(t, l)
		closedConn, _ := connectPeer(t, l)
		ln, closedListener := listenOn(t, l, "127.0.0.1:0"), listenOn(t, l, "127.0.0.1:0")
		file, closedFile := openFile(t, l), openFile(t, l)
		closedConn.Close(nil)
		closedListener.Close(nil)
		closedFile.Close(nil)
		dir := t.TempDir()
		const nul = "a\x00b"

		var j journal
		nested := false
		call := func(name string, start func(s *started)) {
			t.Helper()
			s := j.start(name)
			nested = true
			start(s)
			nested = false
			require.Zero(t, s.ended, name)
		}
		noError := func(fn func(error)) func() { return func() { require.False(t, nested); fn(nil) } }

		call("Submit", func(s *started) { l.Submit(ring.SQE{Opcode: ring.OpNop}, s.cqe()) })
		call("Submit of an unknown opcode", func(s *started) { l.Submit(ring.SQE{Opcode: 63}, s.cqe()) })
		call("Submit on no descriptor", func(s *started) { l.Submit(ring.SQE{Opcode: ring.OpFsync, FD: -1}, s.cqe()) })
		call("Watch on no descriptor", func(s *started) { l.Watch(-1, loop.Readable, finally[loop.Events](s)) })
		call("NewOp", func(s *started) { l.NewOp(nil, s.done()).Finish(nil) })
		call("NewOp canceled", func(s *started) {
			var p *loop.Pending
			p = l.NewOp(func() { p.Finish(loop.ErrCanceled) }, s.done())
			p.Op().Cancel()
		})
		call("Watch canceled", func(s *started) { l.Watch(silentPipe(t), loop.Readable, finally[loop.Events](s)).Cancel() })
		call("Dial to no address", func(s *started) { l.Dial("tcp", "nonsense", finally[*loop.Conn](s)) })
		call("Dial on no network", func(s *started) { l.Dial("ipx", "127.0.0.1:1", finally[*loop.Conn](s)) })
		call("Dial refused", func(s *started) { l.Dial("tcp", "127.0.0.1:1", finally[*loop.Conn](s)) })
		call("LookupHost of an address", func(s *started) { l.LookupHost("127.0.0.1", func(_ []netip.Addr, err error) { s.end(err) }) })
		call("LookupHost", func(s *started) { l.LookupHost("localhost", func(_ []netip.Addr, err error) { s.end(err) }) })
		nobody := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}})
		call("look-up of no name", func(s *started) { nobody.LookupHost("", finally[[]netip.Addr](s)) })
		call("look-up of an address", func(s *started) { nobody.LookupHost("::1", func(_ []netip.Addr, err error) { s.end(err) }) })
		call("look-up without a server", func(s *started) { nobody.LookupTXT("host.test", finally[[]string](s)) })
		call("look-up canceled", func(s *started) { nobody.LookupTXT("host.test", finally[[]string](s)).Cancel() })
		call("Dial by name", func(s *started) { l.Dial("tcp", "localhost:1", finally[*loop.Conn](s)) })
		call("Dial by name canceled", func(s *started) { l.Dial("tcp", "localhost:1", finally[*loop.Conn](s)).Cancel() })
		call("Dial to no name", func(s *started) { loop.Dialer{Resolver: nobody}.Dial(l, "tcp", "a b:1", finally[*loop.Conn](s)) })
		call("Accept", func(s *started) { ln.Accept(finally[*loop.Conn](s)) })
		call("busy Accept", func(s *started) { ln.Accept(finally[*loop.Conn](s)) })
		call("closed Accept", func(s *started) { closedListener.Accept(finally[*loop.Conn](s)) })
		call("second Close of a listener", func(s *started) { closedListener.Close(s.done()) })

		call("Recv at the end", func(s *started) { conn.Recv(make([]byte, 1), s.io()) })
		call("Recv of nothing", func(s *started) { busy.Recv(nil, s.io()) })
		call("Recv", func(s *started) { busy.Recv(make([]byte, 1), s.io()) })
		call("busy Recv", func(s *started) { busy.Recv(make([]byte, 1), s.io()) })
		call("busy RecvFull", func(s *started) { busy.RecvFull(make([]byte, 1), s.io()) })
		call("busy RecvMultishot", func(s *started) { busy.RecvMultishot(finally[loop.Buffer](s)) })
		call("closed Recv", func(s *started) { closedConn.Recv(make([]byte, 1), s.io()) })
		call("closed RecvMultishot", func(s *started) { closedConn.RecvMultishot(finally[loop.Buffer](s)) })
		call("Send of nothing", func(s *started) { conn.Send(nil, s.io()) })
		call("SendVec of nothing", func(s *started) { conn.SendVec(nil, s.vec()) })
		call("SendBuffer of nothing", func(s *started) { conn.SendBuffer(loop.Buffer{}, s.done()) })
		call("Send", func(s *started) { conn.Send([]byte("x"), s.io()) })
		call("Send canceled", func(s *started) { conn.Send([]byte("x"), s.io()).Cancel() })
		call("CloseWrite", func(s *started) { conn.CloseWrite(s.done()) })
		call("second CloseWrite", func(s *started) { conn.CloseWrite(s.done()) })
		call("Send after CloseWrite", func(s *started) { conn.Send([]byte("x"), s.io()) })
		call("closed Send", func(s *started) { closedConn.Send([]byte("x"), s.io()) })
		call("closed CloseWrite", func(s *started) { closedConn.CloseWrite(s.done()) })
		call("second Close", func(s *started) { closedConn.Close(s.done()) })

		call("Open", func(s *started) {
			l.Open(os.DevNull, os.O_RDONLY, 0, func(f *loop.File, err error) {
				s.end(err)
				f.Close(nil)
			})
		})
		call("Open of nothing", func(s *started) { l.Open(filepath.Join(dir, "none"), os.O_RDONLY, 0, finally[*loop.File](s)) })
		call("Open of NUL", func(s *started) { l.Open(nul, os.O_RDONLY, 0, finally[*loop.File](s)) })
		call("Stat", func(s *started) { l.Stat(dir, s.stat()) })
		call("Stat of NUL", func(s *started) { l.Stat(nul, s.stat()) })
		call("Lstat of NUL", func(s *started) { l.Lstat(nul, s.stat()) })
		call("Rename to NUL", func(s *started) { l.Rename(dir, nul, s.done()) })
		call("Link to NUL", func(s *started) { l.Link(dir, nul, s.done()) })
		call("Symlink to NUL", func(s *started) { l.Symlink(dir, nul, s.done()) })
		call("Remove of NUL", func(s *started) { l.Remove(nul, s.done()) })
		call("Mkdir of NUL", func(s *started) { l.Mkdir(nul, 0, s.done()) })
		page := make([]byte, 4096)
		call("ReadAt", func(s *started) { file.ReadAt(page, 0, s.io()) })
		call("ReadAt of nothing", func(s *started) { file.ReadAt(nil, 0, s.io()) })
		call("ReadAt below zero", func(s *started) { file.ReadAt(page, -5, s.io()) })
		call("WriteAt of nothing", func(s *started) { file.WriteAt(nil, 0, s.io()) })
		call("ReadVecAt of nothing", func(s *started) { file.ReadVecAt(nil, 0, s.vec()) })
		call("WriteVecAt below zero", func(s *started) { file.WriteVecAt(nil, -5, s.vec()) })
		call("Read", func(s *started) { file.Read(make([]byte, 1), s.io()) })
		call("Write", func(s *started) { file.Write([]byte("x"), s.io()) })
		call("Append", func(s *started) { file.Append([]byte("x"), s.io()) })
		call("Sync", func(s *started) { file.Sync(s.done()) })
		call("Datasync canceled", func(s *started) { file.Datasync(s.done()).Cancel() })
		call("File.Stat", func(s *started) { file.Stat(s.stat()) })
		call("Truncate below zero", func(s *started) { file.Truncate(-1, s.done()) })
		call("Allocate of nothing", func(s *started) { file.Allocate(0, 0, s.done()) })
		call("closed ReadAt", func(s *started) { closedFile.ReadAt(page, 0, s.io()) })
		call("closed Sync", func(s *started) { closedFile.Sync(s.done()) })
		call("closed Stat", func(s *started) { closedFile.Stat(s.stat()) })
		call("second Close of a file", func(s *started) { closedFile.Close(s.done()) })

		call("After", func(s *started) { l.After(-1, noError(s.end)) })
		call("Immediate", func(s *started) { l.Immediate(noError(s.end)) })
		call("NextTick", func(s *started) { l.NextTick(noError(s.end)) })
		call("Post", func(s *started) { require.NoError(t, l.Post(noError(s.end))) })

		l.After(10*time.Millisecond, func() {
			call("Close of a listener", func(s *started) { ln.Close(s.done()) })
			call("Close", func(s *started) { busy.Close(s.done()) })
		})
		require.NoError(t, l.Run())
		j.requireOnce(t)
	})
}
