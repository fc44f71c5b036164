//go:build unix && !(linux || darwin || freebsd || netbsd)

package sys

import "golang.org/x/sys/unix"

func Getxattr(string, int, string) ([]byte, error) { return nil, unix.EOPNOTSUPP }
func Listxattr(string, int) ([]string, error)      { return nil, unix.EOPNOTSUPP }
func Setxattr(string, int, string, []byte) error   { return unix.EOPNOTSUPP }
func Removexattr(string, int, string) error        { return unix.EOPNOTSUPP }
