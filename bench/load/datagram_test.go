package main

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// echoDatagrams sends back what answer makes of the n-th datagram, unless that is nil.
func echoDatagrams(t *testing.T, answer func(n int, b []byte) []byte) (addr string) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetReadBuffer(4<<20))
	go func() {
		b := make([]byte, 64<<10)
		for n := 0; ; n++ {
			size, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if a := answer(n, b[:size]); a != nil {
				_, _ = c.WriteToUDPAddrPort(a, from)
			}
		}
	}()
	return c.LocalAddr().String()
}

func same(_ int, b []byte) []byte { return b }

func TestDatagrams(t *testing.T) {
	for _, size := range []int{8, 64, 9000} {
		for _, pipeline := range []string{"1", "5"} {
			addr := echoDatagrams(t, same)
			r := loadWell(t, addr, "-mode", "udp", "-conns", "4", "-size", strconv.Itoa(size), "-pipeline", pipeline, "-pid", ownPID())
			require.Positive(t, r.Ops)
			require.Equal(t, r.Ops*uint64(size), r.Bytes)
			require.Positive(t, r.P50US)
			require.Positive(t, r.CPUS)
		}
	}
}

// What is lost is counted and replaced: the window goes on.
func TestDatagramsAreLost(t *testing.T) {
	addr := echoDatagrams(t, func(n int, b []byte) []byte {
		if n%3 == 2 {
			return nil
		}
		return b
	})
	r := loadWell(t, addr, "-mode", "udp", "-conns", "4", "-pipeline", "3", "-duration", "500ms")
	require.Regexp(t, `^lost [1-9]\d* of \d+ datagrams$`, r.Note)
	require.Greater(t, r.Ops, uint64(12), "none would go on after the first losses")
}

func TestDatagramsAreWrong(t *testing.T) {
	for name, fault := range map[string]func([]byte) []byte{
		"short": func(b []byte) []byte { return b[:len(b)-1] },
		"other": func(b []byte) []byte { b[20]++; return b },
	} {
		t.Run(name, func(t *testing.T) {
			addr := echoDatagrams(t, func(_ int, b []byte) []byte { return fault(b) })
			_, stderr, status := load(t, addr, "-mode", "udp", "-conns", "2")
			require.Equal(t, 1, status)
			require.Contains(t, stderr, "that was not sent")
		})
	}
}
