package sys

// A FileEvent is what inotify(7) reports of a watched file, or of an entry of a watched directory.
type FileEvent struct {
	Watch int32
	Name  string // of the entry; "" for what is watched itself
	Op    FileOp
	Dir   bool // it is of a directory
	Gone  bool // the watch has ended, by itself or by FileUnwatch
}

// FileOp is what happened to a file, bit by bit.
type FileOp uint32

// The events of a file.
const (
	FileCreated  FileOp = 1 << iota // it is there now: made, or moved here
	FileWritten                     // written to, or cut
	FileRenamed                     // moved away
	FileRemoved                     // removed
	FileChanged                     // its mode, owner, times or number of links
	FileOverflow                    // events were lost
)
