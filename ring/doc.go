// Package ring speaks io_uring, and defines the vocabulary of every queue in this project: submission
// entries ([SQE]), completions ([CQE]), operations ([Opcode]) and abilities ([Features]). The names are
// the kernel's.
//
// A [Ring] is a pair of queues shared with the kernel. An entry that describes an operation goes into one,
// its outcome comes out of the other, and one system call moves any number of both:
//
//	r, err := ring.New(ring.Options{}) // any goroutine
//	runtime.LockOSThread()
//	err = r.Bind()                     // from here on, this thread only
//
//	read := &ring.SQE{Opcode: ring.OpRead, FD: fd, Addr: unsafe.Pointer(&buf[0]), Len: 4096, UserData: 1}
//	r.Push(read)                       // false: the queue is full, Enter first
//	err = r.Enter(-1)                  // submit all, wait for one completion at least
//	for _, c := range cqes[:r.Reap(cqes)] {
//		fmt.Println(c.UserData, c.Res) // 1, and a number of bytes or a negated errno
//	}
//	err = r.Close()
//
// The example below is complete. Package loop builds callbacks, timers and connections on this, and
// package fallback executes the same entries in user space where io_uring is not available.
//
// # Ownership
//
// The kernel knows addresses, not Go values. An entry and all that it points to (buffer, message header,
// path, address) are on the heap, stay reachable, and are left alone from Push until the terminal
// completion: the one without [CQEMore]. A cancel does not shorten that, it only makes that completion come
// sooner. The buffers given to Provide belong to the ring, except those whose numbers came in a CQE and
// were not yet given back with Recycle. Memory given to Register is pinned until Close and kept reachable; who uses it when is up to its owner.
//
// # Threads
//
// The fastest kind of ring accepts one thread only, and does its work when that thread enters the
// kernel. So the goroutine that calls Bind stays locked to its thread, and calls Push, Enter, Reap,
// Provide, Recycle, Register and Close. Wake alone is for everyone else. Before Bind, any one goroutine may push,
// provide and register. When the thread exits, the kernel cancels what it has submitted.
//
// # Multishot
//
// One entry with Multishot completes many times, until a completion lacks [CQEMore]: after an error or a
// cancel, when the completion queue overflows, when the buffers run out (-ENOBUFS). To go on, push it again;
// but after -ENOBUFS only once a buffer has been given back, or it ends at once. A ring without the feature
// completes it once, as if it ended every time.
//
// # Caveats
//
//   - Closing a descriptor does not end what is in flight on it. Cancel, wait for the completions, then close.
//   - [CancelFD] matches the open file, so it finds what was started on a dup(2) of the descriptor.
//   - Poll results may hold POLLERR, POLLHUP and POLLRDHUP unasked.
//   - Results may be short, or -EINTR, or on old kernels -EAGAIN; nothing is retried here.
//   - What cannot be done without blocking (most path operations, fsync, buffered writes on many file systems)
//     runs on the kernel's own threads, iou-wrk-*, of this process. Options limits their number.
//   - Close is no barrier: see [Ring.Close].
package ring
