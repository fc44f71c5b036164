//go:build unix && !linux

package sys

import (
	"io/fs"
	"time"

	"github.com/proactor-go/proactor/ring"
)

const largeFile = 0

// FileInfo returns what st says of name. Its Sys is st itself.
func FileInfo(name string, st *ring.Statx) fs.FileInfo {
	return &fileInfo{
		name:    name,
		size:    st.Size,
		mode:    goMode(uint32(st.Mode)),
		modTime: time.Unix(st.Mtim.Unix()),
		sys:     st,
	}
}
