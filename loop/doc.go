// Package loop is a completion loop: a program starts an operation (accept, receive, send, read a file block, sync) and gives a
// callback; one loop, on one OS thread, has the kernel carry it out through io_uring and runs the callback when it is done. Where
// io_uring is missing or blocked, a reactor with a few workers executes the same operations behind the same API.
//
//	l, err := loop.New(loop.Options{})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer l.Close()
//	ln, err := l.Listen("tcp", "127.0.0.1:7000")
//	if err != nil {
//		log.Fatal(err)
//	}
//	ln.Accept(func(c *loop.Conn, err error) {
//		if err != nil {
//			return
//		}
//		c.Recv(make([]byte, 4096), func(b []byte, err error) {
//			if err != nil {
//				c.Close(nil)
//				return
//			}
//			c.Send(b, func([]byte, error) { c.Close(nil) })
//		})
//	})
//	err = l.Run()
//
// A callback may be a closure. One that is made once and stored, such as a method value in the struct that
// represents a connection, makes every operation that uses it free of allocations.
//
// # What there is
//
// A [Loop] opens what carries operations, and each operation is a method: [Loop.Listen] and [Loop.Dial] give stream connections
// ([Listener], [Conn]) over TCP and Unix sockets, [Loop.Pipe], [Loop.Stream] and [Loop.Adopt] make them of pipes, terminals and what others have open;
// [Loop.ListenPacket] gives datagrams ([PacketConn]); [Loop.Open] gives a [File], and everything that has a name is a method of the Loop, from
// [Loop.Stat] to [Loop.CopyFile]; [Loop.NewFileWatcher] tells of changes. [Loop.LookupHost] and [Resolver] resolve names. [Loop.Start] runs
// child processes, [Loop.OnSignal] tells of signals. [Loop.NewTimer], [Loop.Immediate], [Loop.NextTick] and the hooks ([Loop.OnIdle], [Loop.OnPrepare],
// [Loop.OnCheck]) are about time and turns.
//
// Other goroutines reach the loop through [Loop.Post] and [Loop.Await]; what blocks or computes leaves it through [Loop.Work]. What this package does
// not know is done with [Loop.Watch], [Loop.Submit] or [Loop.NewOp], and [Loop.FD] has a foreign event loop wait for this one. [Loop.Metrics],
// [Tracer] and [Options].SlowCallback show the loop turn, [Loop.ActiveResources] what keeps it from ending.
//
// ROUTES.md beside this file lists, for each operation, the system call and who carries it out on which backend.
//
// # The contract
//
// It is the same on every backend; every rule has tests that run on all of them.
//
//  1. Never synchronous. A callback never runs inside the call that started its operation, not even for an error.
//
//  2. Exactly once. Every operation ends with exactly one final callback, also after [Op.Cancel], a Close, or a lost race. A repeating
//     operation ([Listener.Accept], [Conn.RecvMultishot], [Loop.Watch], [Loop.ReadDir]) calls back many times; the call with an error is the last.
//     Timers, hooks, immediates, signals and posts are no operations: once Stop has returned, the function does not run, even if it was due.
//
//  3. Ownership. A buffer that is lent to an operation belongs to the loop from the call until the final callback. One slice may be lent to
//     several sends at once; nobody writes to it meanwhile. A provided buffer is valid during its callback, or until it is released if it
//     was kept. The loop keeps all of it alive for the garbage collector.
//
//  4. One at a time. Until the first [Loop.Run], [Loop.RunOnce] or [Loop.Poll] one goroutine at a time may use the loop; from
//     then until [Loop.Close] only that goroutine, which the loop locks to its thread. Callbacks never overlap. Only [Loop.Post],
//     [Loop.Await], [Loop.Metrics], [Loop.Stop] and [Loop.Close] may be called from elsewhere; to cancel from elsewhere, post the Cancel. Use on the wrong goroutine is
//     always found by Run and Close, and in programs built with -race by whatever starts, ends or references something.
//
//  5. Order. Sends on one [Conn] go out, and call back, in the order they were started; the loop finishes short ones and combines those
//     of one turn. A send that ends early, after some of its bytes moved, reports them with the error, and every later send fails; one
//     of which nothing moved is simply removed. A second receive on a Conn, or a second Accept on a [Listener], ends with [ErrBusy].
//     Operations on a [File] are unordered, but for those at its own position. [File.Sync] covers the writes whose
//     callback ran before it was started.
//
//  6. Cancel is a request. After it comes the one callback: with the natural result if the operation won, else with [ErrCanceled]. What
//     moved is delivered: bytes, descriptors, connections accepted before the final callback. [Op.Timeout] is a cancel with another
//     error. To cancel an operation that has ended does nothing, whatever runs in its place.
//
//  7. Close, of a handle, refuses new operations, cancels those in flight, waits until the queue has let go of the descriptor, closes it,
//     and then calls back, last and from the close phase. Operations that it ended get [ErrClosed]; queued sends are dropped. To let them
//     out, [Conn.CloseWrite] and Close in its callback; if the peer may have sent something that was not received, receive until io.EOF first, for TCP
//     resets a connection that is closed with unread input, and the peer loses what it has not read. A descriptor's number is never reused while anything old could reach it.
//
//  8. Nothing is lost on overflow. Full queues, exhausted buffers, EINTR, EAGAIN and an ended multishot are
//     dealt with inside; with a full descriptor table, waiting connections are closed and accepting goes on; [Loop.Metrics] counts some of them. The loop neither spins nor sleeps with work pending.
//
//  9. The same results everywhere: the same bytes, the same errors, the same guarantees, timers equally fine.
//
//  10. Loop life. Run returns when nothing that counts is alive: operations, active timers and hooks, immediates, accepted posts, closing
//     handles and explicit [Loop.Ref] holds count, unless unreferenced; a [Signal] counts only if referenced. An idle handle holds nothing. Loop.Close
//     cancels everything, dispatches it, and returns within a bounded time. What is started afterwards has no turn left to call back in.
//
//  11. A panic in a callback, or runtime.Goexit, leaves Run. What was not dispatched by then is, by the next Run or by Close, on the same
//     goroutine: after Goexit that means a deferred Close.
//
// # The turn
//
// Due timers run once when Run begins. Each turn then goes through its phases, in the order of libuv and Node.js: pending callbacks
// (operations whose result was known when they were started), idle hooks, prepare hooks, poll (submit, wait, dispatch
// completions, run posts), check hooks and immediates, close callbacks, due timers. The next-tick queue is drained
// after every single callback. [Loop.Now] is cached per turn; a timer's deadline counts from a fresh clock.
//
// # Errors
//
// Once an operation has started it reports only through its callback: [io.EOF], [ErrClosed], [ErrCanceled],
// [os.ErrDeadlineExceeded], [ErrBusy], all bare, or a [*net.OpError], [*fs.PathError], [*os.LinkError] or [*os.SyscallError] around the errno, so that
// errors.Is(err, fs.ErrNotExist) and errors.Is(err, syscall.ECONNRESET) work; names also give a [*net.DNSError], children an exec.Error, functions on
// other goroutines a [*PanicError], and what promises a number of bytes [io.ErrUnexpectedEOF]. Misuse panics, with a message that begins with "loop: ".
//
// # Caveats
//
// A callback that computes or blocks holds up everything: hand such work to [Loop.Work], or to a goroutine that posts the result. A thread that
// is blocked in a system call holds one of the GOMAXPROCS places for a while: the fallback's workers compete with the program for them.
package loop
