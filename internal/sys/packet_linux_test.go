package sys

import (
	"net"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/proactor-go/proactor/ring"
)

func TestResolveUDP(t *testing.T) {
	for _, c := range []struct{ network, address, want string }{
		{"udp", "127.0.0.1:53", "127.0.0.1:53"},
		{"udp", "[::1]:domain", "[::1]:53"},
		{"udp", "[::ffff:10.0.0.1]:80", "10.0.0.1:80"},
		{"udp6", "[fe80::1%7]:65535", "[fe80::1%7]:65535"},
	} {
		a, err := ResolveUDP(c.network, c.address)
		require.NoError(t, err, c.address)
		require.Equal(t, c.want, a.String())
	}
	a, err := ResolveUDP("udp", ":7")
	require.NoError(t, err)
	require.False(t, a.Addr().IsValid())
	require.EqualValues(t, 7, a.Port())
	for _, c := range []struct{ network, address string }{
		{"tcp", "127.0.0.1:80"}, {"udp4", "[::1]:80"}, {"udp6", "127.0.0.1:80"}, {"udp", "localhost:80"},
		{"udp", "127.0.0.1"}, {"udp", "127.0.0.1:65536"}, {"udp", ""}, {"udp", "[::1:80"},
	} {
		_, err := ResolveUDP(c.network, c.address)
		require.Error(t, err, "%s %q", c.network, c.address)
	}
}

// FuzzResolveUDP: whatever is accepted is an address that package net reads the same way, and survives the kernel's encoding.
func FuzzResolveUDP(f *testing.F) {
	for _, address := range []string{"127.0.0.1:80", "[::1]:0", "[fe80::1%1]:443", ":53", "1.2.3.4", "[::ffff:1.2.3.4]:9"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		a, err := ResolveUDP("udp", address)
		if err != nil || !a.IsValid() || a.Addr().Zone() != "" {
			return
		}
		want, err := net.ResolveUDPAddr("udp", address)
		require.NoError(t, err)
		require.Equal(t, want.String(), net.UDPAddrFromAddrPort(a).String())
		for _, v6 := range []bool{false, true} {
			var raw ring.RawSockaddrAny
			n := PutAddr(&raw, a, 7, v6)
			got, scope := TakeAddr(unsafe.Pointer(&raw), n)
			require.Equal(t, a, got)
			if a.Addr().Is6() || v6 && scope != 0 {
				require.EqualValues(t, 7, scope)
			}
			got, _ = TakeAddr(unsafe.Pointer(&raw), n-1)
			require.False(t, got.IsValid(), "cut short")
		}
	})
}

// FuzzPutName: every name that fits comes back, and the kernel reads it the same way.
func FuzzPutName(f *testing.F) {
	for _, name := range []string{"", "/tmp/x", "@abstract", "@", "@a\x00b", "a\x00b", strings.Repeat("x", 107), strings.Repeat("@", 108)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var raw ring.RawSockaddrAny
		n, err := PutName(&raw, name)
		if strings.Contains(name, "\x00") && !strings.HasPrefix(name, "@") {
			require.ErrorIs(t, err, unix.EINVAL, "no path has one")
			return
		}
		if err != nil {
			require.ErrorIs(t, err, unix.ENAMETOOLONG)
			require.Greater(t, len(name), 106)
			return
		}
		require.LessOrEqual(t, n, unix.SizeofSockaddrUnix)
		require.Equal(t, name, TakeName(unsafe.Pointer(&raw), n))
	})
}

func TestSegmentSize(t *testing.T) {
	var control [4]uint64
	at := unsafe.Pointer(&control)
	n := PutSegmentSize(at, 1234)
	require.LessOrEqual(t, n, ControlSize)
	messages, err := unix.ParseSocketControlMessage(unsafe.Slice((*byte)(at), n))
	require.NoError(t, err)
	require.Len(t, messages, 1)
	require.EqualValues(t, unix.SOL_UDP, messages[0].Header.Level)
	require.EqualValues(t, unix.UDP_SEGMENT, messages[0].Header.Type)
	require.Zero(t, SegmentSize(at, n), "it is not what a receive gets")
	require.Zero(t, SegmentSize(at, 0))
}

// SendRoom shrinks by what waits to be received from a Unix socket, which is charged to the sender.
func TestSendRoom(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	before := SendRoom(pair[0])
	require.Positive(t, before)
	for size := range 3 {
		_, err = unix.Write(pair[0], make([]byte, 1000*size))
		require.NoError(t, err)
	}
	used := before - SendRoom(pair[0])
	require.Greater(t, used, 3000)
	require.LessOrEqual(t, used, 2*3000+3*2048, "what the loop reckons with")
	require.Zero(t, SendRoom(-1))
}
