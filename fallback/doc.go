// Package fallback is io_uring in user space: a proactor made of a reactor and a few threads.
//
// A proactor is told to do something and tells when it is done; a reactor tells when something can be done,
// and leaves the doing to its caller. A [Queue] takes the same entries as the kernel's ring and gives the
// same completions. In between it does what the kernel would: it tries each operation without blocking,
// waits for readiness with epoll(7) or poll(2) if that failed, tries again, and hands what has no
// readiness, files, to [Workers].
//
//	operation                          first             then
//	Nop, Cancel, MsgRing, Shutdown     inline            -
//	Close                              inline            worker, if it may block
//	Send, Recv, Sendmsg, Recvmsg       MSG_DONTWAIT      poller
//	Accept, Connect                    non-blocking      poller
//	PollAdd                            poll(2)           poller
//	Read, Write, Readv, Writev
//	  of pipes, terminals, eventfds    RWF_NOWAIT        poller
//	  of files: reads up to 64 KiB     RWF_NOWAIT        worker, for what is not in the page cache
//	  of files: all others             -                 worker
//	Fsync, Fallocate, Ftruncate,
//	Openat, Statx, Unlinkat, Mkdirat,
//	Renameat, Linkat, Symlinkat        -                 worker
//
// Multishot operations and provided buffers work as on the ring; nothing allocates per operation, for
// entries are chained through their own Link. The network never needs a worker.
//
// # The cost
//
// In the steady state a message on a stream costs a receive, a send and its share of an epoll_wait. A
// descriptor is registered once, edge-triggered: with a one-shot registration, which costs an epoll_ctl per
// message, an echo over a socket pair took a quarter longer. With the Stream hint the receive that would
// only say EAGAIN is left out: one that did not fill its buffer has drained the socket, and what comes next
// is an edge.
//
// # Descriptors
//
// A descriptor that a queue reads, writes, accepts or connects belongs to it until it is closed with
// OpClose, which takes it out of the poller and ends what still waits on it with -ECANCELED. (On io_uring
// such entries would wait on: cancel them first, then both do the same.) One that is only polled may be
// closed by its owner at any time; a poll that is pending then does not end by itself. With epoll a
// repeated OpPollAdd reports edges, as io_uring does; with poll(2) it reports once per Enter as long as the
// events are there.
//
// OpConnect makes its socket non-blocking. OpAccept expects a listener that is; one that blocks works if
// nobody else accepts from it. OpCancel with CancelFD matches the number, not the open file.
//
// # Workers
//
// A goroutine in a system call holds its P until the runtime's monitor takes it away, after 20 microseconds
// at best. So with a GOMAXPROCS of 2 about two reads of a disk overlap, whatever [Options.Workers] says;
// with 8, nearly three times as many random reads per second were measured on a machine of two cores. A
// program that reads disks through this package and not through io_uring should raise GOMAXPROCS above the
// number of its cores.
//
// # Systems
//
// Linux has epoll and, by choice, poll(2), on which all tests run too. Darwin, FreeBSD, NetBSD and
// DragonFly have poll(2): compiled, not run by us. Elsewhere [New] returns an error that matches
// [errors.ErrUnsupported].
package fallback
