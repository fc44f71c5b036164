package loop

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// FileOp is what happened to a file. Several bits may be set.
type FileOp = sys.FileOp

// What a FileWatcher reports.
const (
	FileCreated  = sys.FileCreated  // it is there now: made, or moved here
	FileWritten  = sys.FileWritten  // it was written to, or cut
	FileRenamed  = sys.FileRenamed  // it was moved away; where to is a FileCreated, if it is watched
	FileRemoved  = sys.FileRemoved  // it was removed
	FileChanged  = sys.FileChanged  // its mode, owner, times or number of links changed
	FileOverflow = sys.FileOverflow // events were lost, more than the kernel keeps: look at everything again
)

// A FileEvent says what happened to a file. Its name begins with the one that was added.
type FileEvent struct {
	Name string // "" for FileOverflow
	Op   FileOp
}

// FileEventFunc is the callback of FileWatcher.Watch.
type FileEventFunc func(e FileEvent, err error)

// A FileWatcher tells of changes to files and directories. By itself it keeps nothing alive, its Watch does; it must be
// closed. All methods belong to the loop's goroutine.
//
// It is inotify(7), on every backend, read through the queue. The kernel tells of changes that are made on this machine: a network file system's other
// clients are not seen. It drops an event that equals the one before.
type FileWatcher struct {
	handle
	watch *op
	buf   []byte
	rest  []byte // of buf: read, and still to be reported
	dirs  map[int32]*watched
	adds  int    // under way: who their events are of is not known yet
	begun uint64 // counts adds
	early []sys.FileEvent
	late  []sys.FileEvent // were early
	gone  []dropped       // while adds are under way
	found []FileEvent     // in new directories, to be reported before what is read next
}

// watched is one file or directory that the kernel watches.
type watched struct {
	number    int32
	name      string
	recursive bool
	child     bool // of a recursive one, whose own watch tells of its end
}

// dropped is a name that was moved away or removed after so many adds had begun: what they find below it is no longer there.
type dropped struct {
	name  string
	below bool // and all below it
	begun uint64
}

// NewFileWatcher returns a watcher of nothing. inotify_init1(2); elsewhere than on Linux it returns [ErrUnsupported].
func (l *Loop) NewFileWatcher() (*FileWatcher, error) {
	l.checkThread("NewFileWatcher")
	if l.shut {
		return nil, ErrClosed
	}
	fd, err := sys.FileEvents()
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	w := &FileWatcher{dirs: map[int32]*watched{}}
	w.open(l, w, int32(fd))
	return w, nil
}

// Watch calls fn with everything that happens to what was added, until Cancel, Close or an error. It is one operation; a second one at the same time
// ends with [ErrBusy]. What happens while none is in flight is kept by the kernel, up to a limit. The descriptor is polled, then read: IORING_OP_POLL_ADD
// and IORING_OP_READ.
func (w *FileWatcher) Watch(fn FileEventFunc) Op {
	needCallback("FileWatcher.Watch", fn == nil)
	l := w.l
	if w.closing {
		return l.refuse(kindFileWatch, &w.handle, fn)
	}
	o := l.start(kindFileWatch, &w.handle, fn)
	if w.watch != nil {
		return l.settle(o, resBusy)
	}
	w.watch = o
	if w.buf == nil {
		w.buf = make([]byte, sys.FileEventBuffer)
	}
	o.sqe.FD = w.fd
	w.goOn(o)
	return l.op(o)
}

// goOn reports what is there to be reported, or else reads. Never within the call that led here.
func (w *FileWatcher) goOn(o *op) {
	switch {
	case w.waiting():
		o.res = 0
		w.l.ready.push(o)
	case o.cause != causeNone:
		w.l.settle(o, -ecanceled)
	default:
		o.sqe.Opcode = ring.OpRead
		o.lend(w.buf)
		o.sqe.Off = atPosition
		w.l.pollFirst(o, sys.PollIn) // or a read of what is no socket would hold one of the kernel's threads
	}
}

// waiting reports whether events are left over. Such whose watch is not known yet have to wait for their Add.
func (w *FileWatcher) waiting() bool {
	return len(w.found) > 0 || len(w.rest) > 0 || len(w.late) > 0
}

// fileEvents takes what was read, or the turn to report one event more.
func (w *FileWatcher) fileEvents(o *op, res int32) {
	l := w.l
	if res == -ecanceled && o.cause == causeNone && w.watch == o {
		w.goOn(o) // stir
		return
	}
	if w.watch != o || res < 0 {
		if w.watch == o {
			if l.retry(o, res) {
				return
			}
			w.watch = nil
		}
		err := o.fault(res)
		if !bare(err) {
			err = os.NewSyscallError("read", err)
		}
		fn := callback[FileEventFunc](o)
		l.retire(o)
		fn(FileEvent{}, err)
		return
	}
	if res > 0 {
		w.rest = w.buf[:res]
	}
	e, ok := w.next()
	o.state = stateHeld
	w.goOn(o) // before the callback, which may panic, cancel or close
	if ok {
		o.called()
		callback[FileEventFunc](o)(e, nil)
	}
}

// next takes one event out of what is left over, if it concerns the program.
func (w *FileWatcher) next() (e FileEvent, ok bool) {
	var raw sys.FileEvent
	switch {
	case len(w.found) > 0:
		e = w.found[0]
		w.found = w.found[1:]
		return e, true
	case len(w.late) > 0: // before what was read after them
		raw = w.late[0]
		w.late = w.late[1:]
	default:
		raw, w.rest, ok = sys.NextFileEvent(w.rest)
		if !ok {
			return e, false
		}
	}
	of := w.dirs[raw.Watch]
	switch {
	case raw.Op&FileOverflow != 0:
		return FileEvent{Op: FileOverflow}, true
	case of == nil:
		if w.adds > 0 {
			w.early = append(w.early, raw)
		}
		return e, false
	case raw.Gone:
		delete(w.dirs, raw.Watch)
		return e, false
	case raw.Op == 0, of.child && raw.Name == "": // its parent tells the same
		return e, false
	}
	e = FileEvent{Name: of.name, Op: raw.Op}
	if raw.Name != "" {
		e.Name = join(of.name, raw.Name)
	}
	if raw.Dir && of.recursive && raw.Name != "" {
		switch {
		case raw.Op&FileCreated != 0:
			w.descend(e.Name)
		case raw.Op&FileRenamed != 0:
			w.drop(e.Name, true)
		}
	}
	return e, true
}

// join is filepath.Join without the cleaning: the name begins as it was given.
func join(dir, name string) string {
	if strings.HasSuffix(dir, string(os.PathSeparator)) {
		return dir + name
	}
	return dir + string(os.PathSeparator) + name
}

// Add watches a file, or a directory and its entries; fn may be nil. Recursive means all directories below as well, also those that are made later: of what is
// in these by the time that they are watched, FileCreated is reported, perhaps twice. It is an operation because to look up
// names may take a disk: inotify_add_watch(2) on a worker. Links are followed to name itself, not below it. A directory has one watch and one name: added
// again by another name, it goes by that one.
func (w *FileWatcher) Add(name string, recursive bool, fn DoneFunc) Op {
	return w.add(name, recursive, false, func(added []*watched, _ []FileEvent, err error) {
		if err != nil {
			err = pathError("watch", name, err)
		}
		if fn != nil {
			fn(err)
		}
	})
}

// add has a worker watch name. report gets what it watches, and, of a directory that is new, what is in it.
func (w *FileWatcher) add(name string, recursive, child bool, report func([]*watched, []FileEvent, error)) Op {
	var added []*watched
	var found []FileEvent
	fd := int(w.fd)
	w.adds++
	w.begun++
	begun := w.begun
	return w.l.call("FileWatcher.Add", &w.handle, fileLane, func() (err error) {
		if !recursive {
			number, err := sys.FileWatch(fd, name, false)
			if err == nil {
				added = append(added, &watched{number: number, name: name})
			}
			return err
		}
		added, found, err = watchTree(fd, name, child)
		return err
	}, func(err error) {
		w.adds--
		for _, of := range added { // also of one that failed half way: Close ends them all
			if w.leftMeanwhile(of.name, begun) {
				_ = sys.FileUnwatch(fd, of.number)
				continue
			}
			if was := w.dirs[of.number]; was != nil && was.name == of.name { // a directory has one watch, however often it is added
				of.recursive = of.recursive || was.recursive
				of.child = of.child || was.child
			}
			w.dirs[of.number] = of
		}
		if w.adds == 0 {
			w.gone = nil
		}
		w.sortEarly()
		if child {
			w.found = append(w.found, found...)
		}
		defer w.stir() // after the report, which may find more, or panic
		report(added, found, err)
	})
}

// sortEarly has those events reported whose watch is known by now, or will not be.
func (w *FileWatcher) sortEarly() {
	early := w.early
	w.early = nil
	for _, e := range early {
		if w.adds == 0 || w.dirs[e.Watch] != nil {
			w.late = append(w.late, e)
		} else {
			w.early = append(w.early, e)
		}
	}
}

// leftMeanwhile reports whether name was dropped since the add with that number began.
func (w *FileWatcher) leftMeanwhile(name string, begun uint64) bool {
	for _, d := range w.gone {
		if d.begun >= begun && (name == d.name || d.below && strings.HasPrefix(name, join(d.name, ""))) {
			return true
		}
	}
	return false
}

// stir has events reported that waited for an Add.
func (w *FileWatcher) stir() {
	o := w.watch
	if o == nil || !w.waiting() || o.cause != causeNone {
		return
	}
	switch o.state { // in the others it is about to look by itself
	case stateQueued:
		w.l.cancelEntry(o, 0) // its poll ends, which is no cancel of the operation
	case stateBacklog:
		w.l.backlog.remove(o)
		o.polled()
		o.state = stateHeld
		w.goOn(o)
	}
}

// watchTree watches a directory and those below it. Each is watched before its entries are read, so that none is missed in between.
func watchTree(fd int, root string, child bool) (added []*watched, found []FileEvent, err error) {
	stack := []string{root}
	for len(stack) > 0 {
		dir := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		number, err := sys.FileWatch(fd, dir, true)
		if err == nil {
			added = append(added, &watched{number: number, name: dir, recursive: true, child: child || dir != root})
			var entries []fs.DirEntry
			entries, err = os.ReadDir(dir)
			for _, entry := range entries {
				name := join(dir, entry.Name())
				found = append(found, FileEvent{Name: name, Op: FileCreated})
				if entry.IsDir() {
					stack = append(stack, name)
				}
			}
		}
		switch {
		case err == nil, dir != root && errors.Is(err, fs.ErrNotExist): // it went away meanwhile
		default:
			return added, found, bareErrno(err)
		}
	}
	return added, found, nil
}

// bareErrno takes an error of package os down to what the system said.
func bareErrno(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// descend watches a directory that came into a recursive one.
func (w *FileWatcher) descend(name string) {
	if w.closing {
		return
	}
	w.add(name, true, true, func(_ []*watched, _ []FileEvent, err error) {
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !w.closing {
			w.found = append(w.found, FileEvent{Op: FileOverflow}) // what is in there goes unseen
		}
	}).Unref()
}

// Remove ends the watch of name, and with a recursive one of all below it, of whatever else was added there too. Events that were read before may still come.
func (w *FileWatcher) Remove(name string) error {
	w.l.checkThread("FileWatcher")
	if w.closing {
		return ErrClosed
	}
	found, recursive := false, false
	for _, of := range w.dirs {
		if of.name == name {
			found, recursive = true, recursive || of.recursive
		}
	}
	if !found {
		if w.adds > 0 { // one of them may be of it
			w.gone = append(w.gone, dropped{name, true, w.begun})
		}
		return &fs.PathError{Op: "unwatch", Path: name, Err: fs.ErrNotExist}
	}
	w.drop(name, recursive)
	return nil
}

// drop ends the watch of name, and of directories below it.
func (w *FileWatcher) drop(name string, below bool) {
	if w.adds > 0 {
		w.gone = append(w.gone, dropped{name, below, w.begun})
	}
	prefix := join(name, "")
	for number, of := range w.dirs {
		if of.name == name || below && of.recursive && strings.HasPrefix(of.name, prefix) {
			_ = sys.FileUnwatch(int(w.fd), number) // it may have ended by itself
			delete(w.dirs, number)
		}
	}
}

// Close ends all watches: Watch and Add end with [ErrClosed], then the descriptor is closed, then fn runs, last and from the
// close phase. fn may be nil.
func (w *FileWatcher) Close(fn DoneFunc) {
	w.close(fn, func() {
		w.rest, w.early, w.late, w.found = nil, nil, nil, nil
		w.cancelAll()
	})
}
