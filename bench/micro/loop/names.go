package main

import (
	"fmt"
	"net/netip"

	"github.com/proactor-go/proactor/bench/micro/internal/micro"
	"github.com/proactor-go/proactor/loop"
)

// names has the loop's own resolver ask.
func names(o *micro.Options) error {
	var failure error
	err := micro.WithNameServer(func(server netip.AddrPort) error {
		return onLoop(func(l *loop.Loop) {
			r := l.NewResolver(loop.ResolverConfig{Servers: []netip.AddrPort{server}})
			count, random := counter(l, o), micro.Random(1)
			var ask func()
			ask = func() {
				name, want := micro.Host(random.Next(micro.Hosts))
				r.LookupIP4(name, func(addrs []netip.Addr, err error) {
					if err == loop.ErrClosed { // the window is over
						return
					}
					if err != nil || len(addrs) != 1 || addrs[0] != want {
						failure = fmt.Errorf("%s is %v: %w", name, addrs, err)
						l.Stop()
						return
					}
					count()
					ask()
				})
			}
			for range micro.Asking {
				ask()
			}
		})
	})
	if failure != nil {
		return failure
	}
	return err
}
