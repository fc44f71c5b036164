package sys

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const fileEvents = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MODIFY | unix.IN_MOVED_FROM | unix.IN_MOVE_SELF |
	unix.IN_DELETE | unix.IN_DELETE_SELF | unix.IN_ATTRIB

// FileEventBuffer is a size in bytes that no event is too long for.
const FileEventBuffer = 64 << 10

// FileEvents opens an inotify instance. inotify_init1(2)
func FileEvents() (fd int, err error) { return unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK) }

// FileWatch watches name, which must be a directory if dir is set. Watching again what is watched gives the same number. It looks up a
// name, and so may block. inotify_add_watch(2)
func FileWatch(fd int, name string, dir bool) (watch int32, err error) {
	mask := uint32(fileEvents)
	if dir {
		mask |= unix.IN_ONLYDIR
	}
	n, err := unix.InotifyAddWatch(fd, name, mask)
	return int32(n), err
}

// FileUnwatch ends a watch. inotify_rm_watch(2)
func FileUnwatch(fd int, watch int32) error {
	_, err := unix.InotifyRmWatch(fd, uint32(watch))
	return err
}

// NextFileEvent takes one event from what was read, and returns the rest. At the end, or where what is left is no event, ok is false.
func NextFileEvent(b []byte) (e FileEvent, rest []byte, ok bool) {
	if len(b) < unix.SizeofInotifyEvent {
		return FileEvent{}, nil, false
	}
	mask, size := binary.NativeEndian.Uint32(b[4:]), binary.NativeEndian.Uint32(b[12:])
	e.Watch = int32(binary.NativeEndian.Uint32(b))
	b = b[unix.SizeofInotifyEvent:]
	if uint64(size) > uint64(len(b)) {
		return FileEvent{}, nil, false
	}
	name, _, _ := bytes.Cut(b[:size], []byte{0}) // padded with NULs
	e.Name = string(name)
	e.Dir = mask&unix.IN_ISDIR != 0
	e.Gone = mask&unix.IN_IGNORED != 0
	for _, pair := range [...]struct {
		mask uint32
		op   FileOp
	}{
		{unix.IN_CREATE | unix.IN_MOVED_TO, FileCreated},
		{unix.IN_MODIFY, FileWritten},
		{unix.IN_MOVED_FROM | unix.IN_MOVE_SELF, FileRenamed},
		{unix.IN_DELETE | unix.IN_DELETE_SELF, FileRemoved},
		{unix.IN_ATTRIB, FileChanged},
		{unix.IN_Q_OVERFLOW, FileOverflow},
	} {
		if mask&pair.mask != 0 {
			e.Op |= pair.op
		}
	}
	return e, b[size:], true
}
