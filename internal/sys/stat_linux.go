package sys

import (
	"io/fs"
	"time"

	"github.com/proactor-go/proactor/ring"
)

const largeFile = 0 // io_uring forces it, package unix does for the fallback

// FileInfo returns what st says of name. Its Sys is st itself.
func FileInfo(name string, st *ring.Statx) fs.FileInfo {
	return &fileInfo{
		name:    name,
		size:    int64(st.Size),
		mode:    goMode(uint32(st.Mode)),
		modTime: time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec)),
		sys:     st,
	}
}
