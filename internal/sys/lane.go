package sys

// FSInfo describes a file system: sizes in bytes, numbers of files.
type FSInfo struct {
	Type      int64
	BlockSize int64
	Size      uint64
	Free      uint64
	Available uint64
	Files     uint64
	FreeFiles uint64
}
