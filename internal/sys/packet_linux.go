package sys

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// NoSignal keeps a send from raising SIGPIPE.
	NoSignal = unix.MSG_NOSIGNAL
	// ControlSize is the room for the control data of a datagram, here or there: the size of its segments.
	ControlSize = 24 // CMSG_SPACE(4), or less
	// MaxSegments is how many segments one send carries. The kernel took 64 until 6.9 and takes 128 since.
	MaxSegments = 64
)

func datagramSocket(family int) (int, error) {
	return unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}

func setMulticast4(fd, option, value int) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, option, value)
}

// DisconnectPacket undoes a connect.
func DisconnectPacket(fd int) error {
	var sa unix.RawSockaddrInet4 // AF_UNSPEC is 0
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unix.SizeofSockaddrInet4)
	if errno != 0 {
		return errno
	}
	return nil
}

// SendRoom returns how many bytes, with the kernel's own for each datagram, a send may take before it has to wait: what is
// left of SO_SNDBUF after SIOCOUTQ.
func SendRoom(fd int) int {
	size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err != nil {
		return 0
	}
	var used int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCOUTQ, uintptr(unsafe.Pointer(&used)))
	if errno != 0 {
		return 0
	}
	return size - int(used)
}

// HasSegments reports whether the kernel cuts one send into datagrams (UDP_SEGMENT, 4.18).
func HasSegments(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}

// PutSegmentSize writes the control data of a send in segments and returns its length.
func PutSegmentSize(control unsafe.Pointer, size int) int {
	h := (*unix.Cmsghdr)(control)
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Add(control, unix.CmsgLen(0))) = uint16(size)
	return unix.CmsgSpace(2)
}

// SegmentSize reads the size of a received datagram's segments, 0 if it is one only.
func SegmentSize(control unsafe.Pointer, n int) int {
	h := (*unix.Cmsghdr)(control)
	if n < unix.CmsgLen(4) || h.Level != unix.SOL_UDP || h.Type != unix.UDP_GRO {
		return 0
	}
	return int(*(*int32)(unsafe.Add(control, unix.CmsgLen(0))))
}

// SetGRO sets UDP_GRO (5.0): the kernel hands over several datagrams of one sender at once.
func SetGRO(fd int, on bool) error {
	return unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, toInt(on))
}
