package loop_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
)

func TestX01AbstractNames(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		for _, network := range unixNetworks {
			own := fmt.Sprintf("@proactor-%d", os.Getpid())
			for _, name := range []string{own, own + strings.Repeat("x", 107-len(own)), ""} {
				ln, err := l.Listen(network, name)
				require.NoError(t, err)
				got := ln.Addr().(*net.UnixAddr)
				require.Equal(t, network, got.Net)
				if name == "" {
					require.Regexp(t, "^@[0-9a-f]{5}$", got.Name, "the kernel has chosen")
					name = got.Name
				}
				require.Equal(t, name, got.Name)
				_, err = l.Listen(network, name)
				requireOpError(t, err, "listen", syscall.EADDRINUSE)
				accepted := false
				ln.Accept(func(c *loop.Conn, err error) {
					if err != nil {
						return
					}
					accepted = true
					require.Equal(t, name, c.LocalAddr().String())
					c.Close(nil)
					ln.Close(nil)
				})
				dialed, err := net.Dial(network, name) // package net means the same by it
				require.NoError(t, err)
				require.NoError(t, l.Run())
				require.True(t, accepted)
				require.NoError(t, dialed.Close())
				l.Dial(network, name, func(_ *loop.Conn, err error) {
					requireOpError(t, err, "dial", syscall.ECONNREFUSED)
					require.ErrorContains(t, err, name)
				})
				require.NoError(t, l.Run())
			}
			_, err := l.Listen(network, "@"+strings.Repeat("x", 107))
			requireOpError(t, err, "listen", syscall.ENAMETOOLONG)
		}
	})
}

// Descriptors for which the process has no room are lost: the receive says so, and hands over the others.
func TestX06NoRoomForDescriptors(t *testing.T) {
	withFewDescriptors(t, func(t *testing.T) {
		forEachQueue(t, func(t *testing.T, l *loop.Loop) {
			server, client := connectOursOver(t, l, "unix")
			file := message(t, "")
			fds := []int{fdOf(file), fdOf(file), fdOf(file)}
			client.SendFDs([]byte("x"), fds, func(_ []byte, err error) { require.NoError(t, err) })
			require.NoError(t, l.Run())
			release := fillTable(t, 2)
			calls := 0
			server.RecvFDs(make([]byte, 8), func(b []byte, got []int, err error) {
				calls++
				require.ErrorIs(t, err, syscall.EMFILE)
				require.Equal(t, "x", string(b))
				require.Len(t, got, 2)
				for _, fd := range got {
					require.NoError(t, syscall.Close(fd))
				}
			})
			require.NoError(t, l.Run())
			release()
			require.Equal(t, 1, calls)
			client.SendFDs([]byte("y"), fds, nil)
			server.RecvFDs(make([]byte, 8), func(_ []byte, got []int, err error) {
				calls++
				require.NoError(t, err)
				require.Len(t, got, 3)
				for _, fd := range got {
					require.NoError(t, syscall.Close(fd))
				}
			})
			require.NoError(t, l.Run())
			require.Equal(t, 2, calls)
		})
	})
}
