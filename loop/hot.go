package loop

import (
	"syscall"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// A read of what the page cache has costs less as one system call than by way of a ring, and the ring would copy on
// this thread as well. So small ones are tried at once (preadv2(2) with RWF_NOWAIT); their callback comes in the next turn like any other.
const (
	maxHot = 64 << 10 // bytes; the copy of more holds up the loop
	// A file that had nothing cached so many times in a row is tried only now and then.
	coldAfter = 4
	retryCold = 64
)

// hot tracks whether a file is worth trying.
type hot struct {
	never bool   // opened with O_DIRECT, or on a file system that cannot tell
	cold  uint32 // tries and reads in a row since the last one that found something
}

// readHot fills o's buffer from the page cache and reports whether it could, at least in part.
func (f *File) readHot(o *op) (res int32, ok bool) {
	if f.hot.never || o.sqe.Len > maxHot || f.l.features.Has(ring.HotReads) {
		return 0, false
	}
	if f.hot.cold++; f.hot.cold > coldAfter && f.hot.cold%retryCold != 0 {
		return 0, false
	}
	res = sys.ReadNow(f.fd, o.lent(int(o.sqe.Len)), o.sqe.Off)
	switch {
	case res >= 0:
		f.hot.cold = 0
		return res, true
	case res != -int32(syscall.EAGAIN) && res != -int32(syscall.EINTR):
		f.hot.never = true // whatever it is, the queue says it
	}
	return 0, false
}
