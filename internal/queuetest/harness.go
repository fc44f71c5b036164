//go:build unix

package queuetest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// patience is how long the suite waits for what must happen. Only a hang lasts that long.
const patience = 30 * time.Second

// A harness is the loop of a scenario: it pushes entries, keeps them reachable until they end, and
// sorts the completions. It checks of every completion that it belongs to an entry that is in flight.
type harness struct {
	*require.Assertions
	t    *testing.T
	open func(t testing.TB) Queue
	dir  string

	q      Queue
	closed bool
	last   uint64
	live   map[uint64]*ring.SQE
	got    map[uint64][]ring.CQE
	buf    [16]ring.CQE
	fds    map[int]bool
}

func (h *harness) start(bind bool) {
	h.live = map[uint64]*ring.SQE{}
	h.got = map[uint64][]ring.CQE{}
	h.fds = map[int]bool{}
	h.q = h.open(h.t)
	if bind {
		h.NoError(h.q.Bind())
	}
}

// abandoned entries were in flight when their queue was closed. The kernel may use what they point to for
// some time after that, so it stays where it is.
var abandoned []*ring.SQE

func (h *harness) abandon() {
	for ud, s := range h.live {
		abandoned = append(abandoned, s)
		delete(h.live, ud)
	}
}

// finish closes the queue first and the descriptors of the scenario after it.
func (h *harness) finish() {
	h.closeQueue()
	h.abandon()
	for fd := range h.fds {
		_ = unix.Close(fd)
	}
}

func (h *harness) closeQueue() {
	if h.q == nil || h.closed {
		return
	}
	h.closed = true
	if err := h.q.Close(); err != nil {
		h.t.Errorf("Close: %v", err)
	}
}

// second opens and binds another queue of the same kind on this thread, with a harness of its own.
func (h *harness) second() *harness {
	other := &harness{Assertions: h.Assertions, t: h.t, open: h.open, dir: h.dir}
	other.start(true)
	return other
}

func (h *harness) has(f ring.Feature) bool { return h.q.Features().Has(f) }

// own closes fd when the scenario is over.
func (h *harness) own(fd int) int {
	h.GreaterOrEqual(fd, 0)
	h.fds[fd] = true
	return fd
}

// disown forgets fd, because somebody else closed it.
func (h *harness) disown(fd int) int {
	delete(h.fds, fd)
	return fd
}

// close closes fd through the queue, as everybody must who has used it there: what a queue
// knows of a descriptor dies with the number.
func (h *harness) close(fd int) {
	h.t.Helper()
	if h.disown(fd); h.closed {
		h.NoError(unix.Close(fd))
		return
	}
	h.gives(0, on(ring.OpClose, fd))
}

// push submits s under a number of its own and returns that.
func (h *harness) push(s *ring.SQE) uint64 {
	if s.UserData == 0 {
		h.last++
		s.UserData = h.last
	}
	if h.live[s.UserData] != nil {
		h.FailNow("the entry is in flight")
	}
	h.live[s.UserData] = s
	for end := time.Now().Add(patience); !h.q.Push(s); {
		h.Less(time.Now(), end, "the submission queue stays full")
		h.turn(0)
	}
	return s.UserData
}

// turn enters the queue once, takes all that is ready and returns how much that was.
func (h *harness) turn(timeout time.Duration) int {
	if err := h.q.Enter(timeout); err != nil {
		h.NoError(err)
	}
	return h.reap()
}

func (h *harness) reap() int {
	total := 0
	for {
		n := h.q.Reap(h.buf[:])
		if n == 0 {
			return total
		}
		for _, c := range h.buf[:n] {
			h.take(c)
		}
		total += n
	}
}

func (h *harness) take(c ring.CQE) {
	s, ok := h.live[c.UserData]
	if !ok {
		h.FailNow("completion of an entry that is not in flight", "%+v", c)
	}
	if !c.More() {
		delete(h.live, c.UserData)
	}
	if c.More() && s.Flags&ring.Multishot == 0 {
		h.FailNow("more to come of an entry that is no multishot", "%v: %+v", s.Opcode, c)
	}
	h.got[c.UserData] = append(h.got[c.UserData], c)
}

// next returns the next completion of entry ud, waiting for it.
func (h *harness) next(ud uint64) ring.CQE {
	for end := time.Now().Add(patience); len(h.got[ud]) == 0; {
		if h.live[ud] == nil || time.Now().After(end) {
			h.FailNow("no further completion", "of entry %d: %+v", ud, h.live[ud])
		}
		// As long as it gets: that the completion itself ends the wait is part of the test.
		h.turn(time.Until(end))
	}
	c := h.got[ud][0]
	if h.got[ud] = h.got[ud][1:]; len(h.got[ud]) == 0 {
		delete(h.got, ud)
	}
	return c
}

// wait returns the one and terminal completion of entry ud.
func (h *harness) wait(ud uint64) ring.CQE {
	c := h.next(ud)
	h.False(c.More())
	h.done(ud)
	return c
}

func (h *harness) done(ud uint64) {
	h.NotContains(h.live, ud)
	h.NotContains(h.got, ud)
}

// result runs s and returns its result.
func (h *harness) result(s *ring.SQE) int { return int(h.wait(h.push(s)).Res) }

// gives runs s and requires the result.
func (h *harness) gives(want int, s *ring.SQE) {
	h.t.Helper()
	h.Equal(want, h.result(s), "%v", s.Opcode)
}

// fails runs s and requires the error.
func (h *harness) fails(want unix.Errno, s *ring.SQE) {
	h.t.Helper()
	h.failed(want, h.wait(h.push(s)))
}

// failed requires that c reports the error.
func (h *harness) failed(want unix.Errno, c ring.CQE) {
	h.t.Helper()
	h.Less(c.Res, int32(0), "want %v", want)
	h.Equal(want, unix.Errno(-c.Res), "got: %v", unix.Errno(-c.Res))
	h.False(c.More())
}

// pending requires that the entry ud is in flight and stays so for a few turns.
func (h *harness) pending(ud uint64) {
	h.t.Helper()
	h.turn(0)
	h.turn(time.Millisecond)
	h.turn(0)
	h.Contains(h.live, ud, "not pending: %+v", h.got[ud])
	h.NotContains(h.got, ud)
}

// eventually turns the queue until cond holds.
func (h *harness) eventually(cond func() bool, msg string) {
	h.t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		h.Less(time.Now(), end, msg)
		h.turn(time.Millisecond)
	}
}

// readFull reads len(b) bytes from fd by system calls, while the queue goes on.
func (h *harness) readFull(fd int, b []byte) {
	h.t.Helper()
	h.eventually(func() bool {
		n, err := unix.Read(fd, b)
		if err == unix.EAGAIN || err == unix.EINTR {
			return false
		}
		h.NoError(err)
		h.Positive(n, "end of file, %d bytes missing", len(b))
		b = b[n:]
		return len(b) == 0
	}, "the bytes do not come")
}

// write writes all of b to fd by system calls, while the queue goes on.
func (h *harness) write(fd int, b []byte) {
	h.t.Helper()
	h.eventually(func() bool {
		n, err := unix.Write(fd, b)
		if err == unix.EAGAIN || err == unix.EINTR {
			return false
		}
		h.NoError(err)
		b = b[n:]
		return len(b) == 0
	}, "the bytes do not go")
}

// path returns a name in the directory of the scenario, which need not exist.
func (h *harness) path(name string) string {
	if h.dir == "" {
		h.dir = h.t.TempDir()
	}
	return filepath.Join(h.dir, name)
}

// file creates a file and opens it for reading and writing.
func (h *harness) file(content string) int {
	f, err := os.CreateTemp(filepath.Dir(h.path("x")), "")
	h.NoError(err)
	_, err = f.WriteString(content)
	h.NoError(err)
	h.NoError(f.Close())
	fd, err := unix.Open(f.Name(), unix.O_RDWR|unix.O_CLOEXEC, 0)
	h.NoError(err)
	return h.own(fd)
}

// pattern returns n bytes in which no two places look alike.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed) + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}
