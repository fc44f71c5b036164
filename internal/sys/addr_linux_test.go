package sys

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/ring"
)

func TestResolveTCP(t *testing.T) {
	for _, c := range []struct{ network, address, want string }{
		{"tcp", "127.0.0.1:80", "127.0.0.1:80"},
		{"tcp", "[::1]:80", "[::1]:80"},
		{"tcp", "[::ffff:10.0.0.1]:80", "10.0.0.1:80"},
		{"tcp4", "127.0.0.1:http", "127.0.0.1:80"},
		{"tcp6", "[fe80::1%7]:65535", "[fe80::1%7]:65535"},
		{"tcp", ":0", ":0"},
	} {
		a, err := ResolveTCP(c.network, c.address)
		require.NoError(t, err, c.address)
		require.Equal(t, c.want, a.Net().String())
	}
	for _, c := range []struct{ network, address string }{
		{"udp", "127.0.0.1:80"}, {"tcp4", "[::1]:80"}, {"tcp6", "127.0.0.1:80"}, {"tcp", "localhost:80"},
		{"tcp", "127.0.0.1"}, {"tcp", "127.0.0.1:65536"}, {"tcp", "127.0.0.1:-1"}, {"tcp", ""}, {"tcp", "[::1:80"},
	} {
		_, err := ResolveTCP(c.network, c.address)
		require.Error(t, err, "%s %q", c.network, c.address)
	}
}

// FuzzResolveTCP: whatever is accepted is an address that package net reads the same way, and survives the kernel's encoding.
func FuzzResolveTCP(f *testing.F) {
	for _, address := range []string{"127.0.0.1:80", "[::1]:0", "[fe80::1%1]:443", ":http", "1.2.3.4", "[::ffff:1.2.3.4]:9"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		a, err := ResolveTCP("tcp", address)
		if err != nil || !a.IsValid() || a.IP.Zone() != "" {
			return
		}
		want, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		require.Equal(t, want.String(), a.Net().String())
		var raw ring.RawSockaddrAny
		require.Positive(t, a.Encode(&raw))
		require.Equal(t, want.String(), DecodeAddr(&raw).String())
	})
}

// FuzzUnixAddr: a name that is accepted survives the encoding, and what it encodes to is what the kernel would read.
func FuzzUnixAddr(f *testing.F) {
	for _, name := range []string{"", "/run/s", "@abstract", "@", "a\x00b", strings.Repeat("x", 107), strings.Repeat("x", 108)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		a := UnixAddr{Name: name, Network: "unix"}
		if err := a.Check(); err != nil {
			require.True(t, len(name) > 107 || strings.Contains(name, "\x00"))
			return
		}
		var raw ring.RawSockaddrAny
		n := a.Encode(&raw)
		require.LessOrEqual(t, n, uint64(110))
		if name == "" {
			require.EqualValues(t, 2, n, "autobind")
			return
		}
		require.Equal(t, a.Net(), DecodeAddr(&raw))
	})
}
