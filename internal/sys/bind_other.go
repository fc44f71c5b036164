//go:build !unix

package sys

import "net/netip"

func BindLocal(int, netip.Addr, uint16, bool) error { return errUnsupported }
