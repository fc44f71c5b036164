//go:build linux || darwin || freebsd || netbsd

package sys

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Getxattr is getxattr(2), or fgetxattr(2) if name is empty.
func Getxattr(name string, fd int, attr string) ([]byte, error) {
	return sized(func(b []byte) (int, error) {
		if name == "" {
			return unix.Fgetxattr(fd, attr, b)
		}
		return unix.Getxattr(name, attr, b)
	})
}

// Listxattr is listxattr(2), or flistxattr(2) if name is empty.
func Listxattr(name string, fd int) ([]string, error) {
	b, err := sized(func(b []byte) (int, error) {
		if name == "" {
			return unix.Flistxattr(fd, b)
		}
		return unix.Listxattr(name, b)
	})
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00"), nil
}

// Setxattr is setxattr(2), or fsetxattr(2) if name is empty.
func Setxattr(name string, fd int, attr string, value []byte) error {
	return uninterrupted(func() error {
		if name == "" {
			return unix.Fsetxattr(fd, attr, value, 0)
		}
		return unix.Setxattr(name, attr, value, 0)
	})
}

// Removexattr is removexattr(2), or fremovexattr(2) if name is empty.
func Removexattr(name string, fd int, attr string) error {
	return uninterrupted(func() error {
		if name == "" {
			return unix.Fremovexattr(fd, attr)
		}
		return unix.Removexattr(name, attr)
	})
}

// sized calls get with a buffer that is large enough, which only the call itself can tell.
func sized(get func(b []byte) (int, error)) ([]byte, error) {
	for b := make([]byte, 256); ; {
		n, err := get(b)
		switch err {
		case nil:
			return b[:n], nil
		case unix.EINTR:
		case unix.ERANGE:
			if n, err = get(nil); err != nil {
				return nil, err
			}
			b = make([]byte, max(n, 2*len(b)))
		default:
			return nil, err
		}
	}
}
