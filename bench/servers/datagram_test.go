package servers_test

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/proactor-go/proactor/bench/internal/servertest"
)

const oursDatagramPackage = "github.com/proactor-go/proactor/examples/udpecho"

var datagramContestants = []contestant{
	{name: "ours on io_uring", build: golang(oursDatagramPackage), args: []string{"-backend", "uring"}},
	{name: "ours on epoll", build: golang(oursDatagramPackage), args: []string{"-backend", "epoll"}},
	{name: "net", build: golang("./udpnet")},
	{name: "gnet", build: golang("./udpgnet")},
	{name: "nbio", build: golang("./udpnbio")},
	{name: "C mmsg", build: c("udpmmsg", "sys/epoll.h", "libc6-dev")},
	{name: "C libuv", build: c("udpuv", "uv.h", "libuv1-dev", "-luv")},
}

// Each client gets its own datagrams back, one at a time.
func TestDatagramContestants(t *testing.T) {
	for _, contestant := range datagramContestants {
		t.Run(contestant.name, func(t *testing.T) {
			s := servertest.Start(t, append([]string{contestant.build(t)}, contestant.args...)...)
			var group errgroup.Group
			for i := range 20 {
				group.Go(func() error { return exchangeDatagrams(s.Addr, i) })
			}
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

func exchangeDatagrams(addr string, client int) error {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	b := make([]byte, 4096)
	for n := range 100 {
		want := pattern(client, n*100, 1+n*14)
		if err := c.SetDeadline(time.Now().Add(servertest.Hung)); err != nil {
			return err
		}
		if _, err := c.Write(want); err != nil {
			return err
		}
		size, err := c.Read(b)
		if err != nil {
			return fmt.Errorf("client %d, datagram %d: %w", client, n, err)
		}
		if !bytes.Equal(want, b[:size]) {
			return fmt.Errorf("client %d, datagram %d: other bytes", client, n)
		}
	}
	return nil
}
