//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// An inbox has the completions that other queues post here with OpMsgRing.
type inbox struct {
	filled atomic.Bool
	mu     sync.Mutex
	cqes   []ring.CQE
	spare  []ring.CQE
}

// The open queues of the process by their FD.
var queues struct {
	sync.RWMutex
	byFD map[int]*Queue
}

func register(q *Queue) {
	queues.Lock()
	defer queues.Unlock()
	if queues.byFD == nil {
		queues.byFD = make(map[int]*Queue)
	}
	queues.byFD[q.FD()] = q
}

func unregister(q *Queue) {
	queues.Lock()
	defer queues.Unlock()
	delete(queues.byFD, q.FD())
}

// sendMessage is OpMsgRing. The lock keeps the target from closing meanwhile.
func sendMessage(s *ring.SQE) int32 {
	queues.RLock()
	defer queues.RUnlock()
	target := queues.byFD[int(s.FD)]
	switch {
	case target == nil && statusFlags(s.FD) < 0:
		return -int32(unix.EBADF)
	case target == nil:
		return notARing
	case uint64(s.Off) == ^uint64(0):
		return -int32(unix.EINVAL)
	}
	box := &target.inbox
	box.mu.Lock()
	box.cqes = append(box.cqes, ring.CQE{UserData: uint64(s.Off), Res: int32(s.Arg)})
	box.filled.Store(true)
	box.mu.Unlock()
	target.waker.wake()
	return 0
}

// receive moves the messages to the completion queue.
func (q *Queue) receive() {
	box := &q.inbox
	if !box.filled.Load() {
		return
	}
	box.mu.Lock()
	cqes := box.cqes
	box.cqes, box.spare = box.spare[:0], cqes
	box.filled.Store(false)
	box.mu.Unlock()
	for _, e := range cqes {
		q.done.push(e)
	}
}
