package blocking

import (
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A Descriptor is a file without package os: nothing stands between the caller and the system call.
type Descriptor int

// Bare opens a Descriptor.
func Bare(name string, flag int) (File, error) {
	fd, err := unix.Open(name, flag|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return Descriptor(fd), nil
}

// Fd returns the descriptor's number.
func (d Descriptor) Fd() uintptr { return uintptr(d) }

// ReadAt is pread(2), and an error if that is short.
func (d Descriptor) ReadAt(b []byte, off int64) (int, error) {
	n, err := unix.Pread(int(d), b, off)
	return whole(n, len(b), err, io.EOF)
}

// WriteAt is pwrite(2), and an error if that is short.
func (d Descriptor) WriteAt(b []byte, off int64) (int, error) {
	n, err := unix.Pwrite(int(d), b, off)
	return whole(n, len(b), err, io.ErrShortWrite)
}

// Write is write(2), and an error if that is short.
func (d Descriptor) Write(b []byte) (int, error) {
	n, err := unix.Write(int(d), b)
	return whole(n, len(b), err, io.ErrShortWrite)
}

func whole(n, want int, err, short error) (int, error) {
	if err == nil && n < want {
		err = fmt.Errorf("%d of %d bytes: %w", n, want, short)
	}
	return max(n, 0), err
}

// Close is close(2).
func (d Descriptor) Close() error { return unix.Close(int(d)) }

// Size is fstat(2).
func (d Descriptor) Size() (int64, error) {
	var st unix.Stat_t
	err := unix.Fstat(int(d), &st)
	return st.Size, err
}
