package ring

// A CQE is a completion queue entry: the outcome of one operation, or one of many if it was multishot.
type CQE struct {
	UserData uint64
	// Res is the result of the system call, or a negated errno.
	Res   int32
	Flags uint32
}

// Flags of a CQE, with the kernel's values (IORING_CQE_F_*).
const (
	CQEBuffer    = 1 << 0 // the upper 16 bits of Flags are the number of the provided buffer that holds the data
	CQEMore      = 1 << 1 // the entry is still in flight, more completions follow
	CQENonEmpty  = 1 << 2 // the socket had more data when this was posted
	bufferIDBits = 16
)

// More reports whether further completions of the same entry follow. Without it the completion
// is terminal: the entry and all that it points to belong to the caller again.
func (c CQE) More() bool { return c.Flags&CQEMore != 0 }

// Buffer returns the number of the provided buffer that holds the data.
func (c CQE) Buffer() (id uint16, ok bool) {
	return uint16(c.Flags >> bufferIDBits), c.Flags&CQEBuffer != 0
}

// BufferFlags returns the CQE flags that name provided buffer id.
func BufferFlags(id uint16) uint32 { return uint32(id)<<bufferIDBits | CQEBuffer }
