//go:build unix && !(linux || darwin || freebsd || dragonfly)

package sys

import "golang.org/x/sys/unix"

func Statfs(string) (FSInfo, error) { return FSInfo{}, unix.EOPNOTSUPP }
