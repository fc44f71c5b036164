package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
)

// names has Go's own resolver ask, from as many goroutines as there are look-ups under way.
func names(o *micro.Options) error {
	return micro.WithNameServer(func(server netip.AddrPort) error {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, server.String())
		}}
		done := make(chan error, micro.Asking)
		answers := make(chan struct{}, micro.Asking)
		var over atomic.Bool
		for i := range uint64(micro.Asking) {
			go func() {
				random := micro.Random(i + 1)
				for !over.Load() {
					name, want := micro.Host(random.Next(micro.Hosts))
					addrs, err := r.LookupNetIP(context.Background(), "ip4", name)
					if err != nil || len(addrs) != 1 || addrs[0].Unmap() != want {
						done <- fmt.Errorf("%s is %v: %w", name, addrs, err)
						return
					}
					answers <- struct{}{}
				}
				done <- nil
			}()
		}
		var failure error
		for ops, ended := uint64(0), 0; ended < micro.Asking; {
			select {
			case <-answers:
				if ops++; ops%micro.Stride == 0 && o.Over(ops) {
					over.Store(true)
				}
			case err := <-done:
				if ended++; err != nil {
					failure = err
					over.Store(true)
				}
			}
		}
		return failure
	})
}
