//go:build unix

package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

// MaxRights is how many descriptors one message carries on Linux (SCM_MAX_FD).
const MaxRights = 253

// rightsRoom is what the descriptors of a message take, and some more for what other systems and options add.
var rightsRoom = unix.CmsgSpace(4*MaxRights) + 128

// AttachRights makes fds part of the message, and returns the memory for it, which must live as long as m.
func AttachRights(m *ring.Msghdr, fds []int) []byte {
	control := unix.UnixRights(fds...)
	setControl(m, control)
	return control
}

// ExpectRights makes room for descriptors in the message to be received. buf is reused if it suffices.
func ExpectRights(m *ring.Msghdr, buf []byte) []byte {
	if cap(buf) < rightsRoom {
		buf = make([]byte, rightsRoom)
	}
	buf = buf[:rightsRoom]
	clear(buf)
	setControl(m, buf)
	return buf
}

func setControl(m *ring.Msghdr, control []byte) {
	m.Control = unsafe.SliceData(control)
	m.SetControllen(len(control))
}

// TakeRights returns the descriptors that came with a message, close-on-exec, and whether some were lost for want of room, in the message or among
// the descriptors of the process.
func TakeRights(m *ring.Msghdr) (fds []int, lost bool) {
	lost = m.Flags&unix.MSG_CTRUNC != 0
	if m.Controllen == 0 {
		return nil, lost
	}
	messages, err := unix.ParseSocketControlMessage(unsafe.Slice(m.Control, int(m.Controllen)))
	if err != nil {
		return nil, true
	}
	for i := range messages {
		if got, err := unix.ParseUnixRights(&messages[i]); err == nil {
			fds = append(fds, got...)
		}
	}
	if RecvRights == 0 {
		for _, fd := range fds {
			unix.CloseOnExec(fd)
		}
	}
	return fds, lost
}
