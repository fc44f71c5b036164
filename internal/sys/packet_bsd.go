//go:build unix && !linux

package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	NoSignal    = 0
	ControlSize = 24
	MaxSegments = 1
)

func datagramSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		Close(fd)
		return -1, err
	}
	return fd, nil
}

// setMulticast4 sets an option that is a byte wide here.
func setMulticast4(fd, option, value int) error {
	return unix.SetsockoptByte(fd, unix.IPPROTO_IP, option, byte(value))
}

func DisconnectPacket(fd int) error { return unix.EOPNOTSUPP }

// SendRoom returns 0: nobody tells, so datagrams are sent one by one.
func SendRoom(int) int { return 0 }

func HasSegments(int) bool                   { return false }
func PutSegmentSize(unsafe.Pointer, int) int { return 0 }
func SegmentSize(unsafe.Pointer, int) int    { return 0 }
func SetGRO(int, bool) error                 { return unix.EOPNOTSUPP }
