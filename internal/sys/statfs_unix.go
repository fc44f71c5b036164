//go:build linux || darwin || freebsd || dragonfly

package sys

import "golang.org/x/sys/unix"

// Statfs is statfs(2).
func Statfs(name string) (FSInfo, error) {
	var st unix.Statfs_t
	if err := uninterrupted(func() error { return unix.Statfs(name, &st) }); err != nil {
		return FSInfo{}, err
	}
	size := uint64(st.Bsize)
	return FSInfo{
		Type:      int64(st.Type),
		BlockSize: int64(st.Bsize),
		Size:      uint64(st.Blocks) * size,
		Free:      uint64(st.Bfree) * size,
		Available: uint64(max(int64(st.Bavail), 0)) * size, // below 0 on a BSD whose reserve is in use
		Files:     uint64(st.Files),
		FreeFiles: uint64(st.Ffree),
	}, nil
}
