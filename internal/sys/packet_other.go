//go:build !unix

package sys

import (
	"net"
	"net/netip"
	"unsafe"

	"github.com/proactor-go/proactor/ring"
)

const (
	Truncated    = 0
	NameSize     = 32
	UnixNameSize = 128
	NoSignal     = 0
	ControlSize  = 24
	MaxSegments  = 1
)

func PacketSocket(string, netip.Addr) (int, bool, string, error) {
	return -1, false, "socket", errUnsupported
}
func UnixPacketSocket() (int, error)                                 { return -1, errUnsupported }
func PacketNetwork(int) (string, bool, error)                        { return "", false, errUnsupported }
func ReuseAddr(int) error                                            { return errUnsupported }
func ReusePort(int) error                                            { return errUnsupported }
func SetNonblock(int) error                                          { return errUnsupported }
func BindPacket(int, netip.AddrPort, bool) error                     { return errUnsupported }
func ConnectPacket(int, netip.AddrPort, bool) error                  { return errUnsupported }
func DisconnectPacket(int) error                                     { return errUnsupported }
func BindName(int, string) error                                     { return errUnsupported }
func ConnectName(int, string) error                                  { return errUnsupported }
func PutAddr(*ring.RawSockaddrAny, netip.AddrPort, uint32, bool) int { return 0 }
func PutName(*ring.RawSockaddrAny, string) (int, error)              { return 0, errUnsupported }
func TakeAddr(unsafe.Pointer, int) (a netip.AddrPort, scope uint32)  { return a, 0 }
func TakeName(unsafe.Pointer, int) string                            { return "" }
func PacketAddr(int) (net.Addr, error)                               { return nil, errUnsupported }
func PacketPeer(int) (net.Addr, error)                               { return nil, errUnsupported }
func Answer(*ring.Msghdr) (nameLen, controlLen int, flags uint32)    { return 0, 0, 0 }
func SetBroadcast(int, bool) error                                   { return errUnsupported }
func SetTTL(int, int, bool) error                                    { return errUnsupported }
func SetMulticastTTL(int, int, bool) error                           { return errUnsupported }
func SetMulticastLoopback(int, bool, bool) error                     { return errUnsupported }
func SetMulticastInterface(int, *net.Interface, bool) error          { return errUnsupported }
func JoinGroup(int, *net.Interface, netip.Addr) error                { return errUnsupported }
func LeaveGroup(int, *net.Interface, netip.Addr) error               { return errUnsupported }
func SendRoom(int) int                                               { return 0 }
func HasSegments(int) bool                                           { return false }
func PutSegmentSize(unsafe.Pointer, int) int                         { return 0 }
func SegmentSize(unsafe.Pointer, int) int                            { return 0 }
func SetGRO(int, bool) error                                         { return errUnsupported }

func SetMessage(*ring.Msghdr, unsafe.Pointer, int, []ring.Iovec, unsafe.Pointer, int) {}
