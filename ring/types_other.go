//go:build !unix

package ring

// Where no queue runs, the structures exist for the compiler only.
type (
	Msghdr struct {
		Iov    *Iovec
		Iovlen uint64
	}
	Iovec struct {
		Base *byte
		Len  uint64
	}
	RawSockaddrAny struct{ Data [128]byte }
	Statx          struct{}
)

// SetIovlen sets the number of buffers.
func (m *Msghdr) SetIovlen(n int) { m.Iovlen = uint64(n) }

// SetLen sets the length of the buffer.
func (v *Iovec) SetLen(n int) { v.Len = uint64(n) }
