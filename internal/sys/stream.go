package sys

import "syscall"

// A Stream is what a descriptor says of itself.
type Stream struct {
	Network   string // "tcp", "unix", "unixpacket", "stream" (a socket of another family), "pipe" (FIFOs too), or "device" for all else
	Listening bool   // a socket that accepts
	WriteOnly bool   // opened with O_WRONLY, such as the write end of a pipe
}

// A Refusal tells why a descriptor is no stream.
type Refusal struct {
	Reason string
	Errno  syscall.Errno
}

func (r *Refusal) Error() string {
	if r.Reason == "" {
		return r.Errno.Error()
	}
	return r.Reason + ": " + r.Errno.Error()
}

func (r *Refusal) Unwrap() error { return r.Errno }
