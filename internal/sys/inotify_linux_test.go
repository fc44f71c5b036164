package sys

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// encodeEvent writes an event as the kernel does.
func encodeEvent(watch int32, mask uint32, name string) []byte {
	size := 0
	if name != "" {
		size = (len(name)/16 + 1) * 16
	}
	b := make([]byte, unix.SizeofInotifyEvent+size)
	binary.NativeEndian.PutUint32(b, uint32(watch))
	binary.NativeEndian.PutUint32(b[4:], mask)
	binary.NativeEndian.PutUint32(b[12:], uint32(size))
	copy(b[unix.SizeofInotifyEvent:], name)
	return b
}

func TestNextFileEvent(t *testing.T) {
	b := append(encodeEvent(3, unix.IN_CREATE|unix.IN_ISDIR, "directory"), encodeEvent(-1, unix.IN_Q_OVERFLOW, "")...)
	b = append(b, encodeEvent(4, unix.IN_DELETE_SELF, "")...)
	b = append(b, encodeEvent(4, unix.IN_IGNORED, "")...)
	for _, want := range []FileEvent{
		{Watch: 3, Name: "directory", Op: FileCreated, Dir: true}, {Watch: -1, Op: FileOverflow}, {Watch: 4, Op: FileRemoved}, {Watch: 4, Gone: true},
	} {
		var e FileEvent
		var ok bool
		e, b, ok = NextFileEvent(b)
		require.True(t, ok)
		require.Equal(t, want, e)
	}
	_, _, ok := NextFileEvent(b)
	require.False(t, ok)
	for cut := range encodeEvent(3, unix.IN_CREATE, "name") {
		_, _, ok := NextFileEvent(encodeEvent(3, unix.IN_CREATE, "name")[:cut])
		require.False(t, ok)
	}
}

// FuzzNextFileEvent: whatever is in the buffer, every event makes it shorter, and nothing is read beyond.
func FuzzNextFileEvent(f *testing.F) {
	f.Add(encodeEvent(3, unix.IN_CREATE, "name"))
	f.Add(append(encodeEvent(-1, unix.IN_Q_OVERFLOW, ""), 1, 2, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b):len(b)]
		for ok := true; ok; {
			before := len(b)
			if _, b, ok = NextFileEvent(b); ok && len(b) > before-unix.SizeofInotifyEvent {
				t.Fatal("no progress")
			}
		}
	})
}
