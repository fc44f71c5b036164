package loop

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/internal/sys"
	"github.com/proactor-go/proactor/ring"
)

// Stdio says what one of a child's descriptors is. The zero value is /dev/null.
type Stdio struct {
	kind stdioKind
	fd   int
}

type stdioKind uint8

const (
	stdioNull stdioKind = iota
	stdioFD
	stdioPipe
)

// StdioFD gives the child descriptor fd of this process: 0, 1 and 2 to share its standard streams. It stays open here.
func StdioFD(fd int) Stdio { return Stdio{stdioFD, fd} }

// StdioPipe makes a pipe to the child, whose other end is a Conn of the loop: see [Process.Pipe].
func StdioPipe() Stdio { return Stdio{kind: stdioPipe} }

// A Command is what [Loop.Start] starts.
type Command struct {
	Name  string   // the program; without a slash it is looked up in $PATH, as package os/exec does
	Args  []string // its arguments, without its name
	Env   []string // "key=value"; nil for this process's
	Dir   string   // where it runs; "" for where this process does
	Stdin Stdio    // descriptor 0, which a pipe is written to from here
	// Descriptors 1 and 2. To have both in one pipe or file, in order, give both the same StdioFD.
	Stdout, Stderr Stdio
	Extra          []Stdio // descriptors 3 and up; a pipe is read from here
	// Detached puts the child in a session of its own (setsid(2)), so that it gets no signal from this terminal and outlives this
	// process. To let Run return meanwhile, use Unref of the Process's Op.
	Detached bool
	// Attr are further attributes, such as credentials. They are not changed.
	Attr *syscall.SysProcAttr
}

// ExitState is how a child ended.
type ExitState struct {
	Code   int            // what it gave to exit(2), or -1 if a signal ended it
	Signal syscall.Signal // that signal, or 0
	// The CPU time it used, in itself and in the system.
	UserTime, SystemTime time.Duration
}

// ExitFunc is the callback of Start.
type ExitFunc func(state ExitState, err error)

// A Process is a child that was started. All methods belong to the loop's goroutine.
type Process struct {
	l     *Loop
	pid   int
	pidfd int
	pipes []*Conn
	op    Op
	ended bool // it was reaped: its number may be another's
	state ExitState
	next  *Process // in Loop.children
}

// Start starts a child process; fn is called when it has ended, the one callback of the Process's operation ([Process.Op]). Until then it keeps the
// loop alive, unless unreferenced. To cancel the operation, or to close the loop, does nothing to the child: it goes on, and is
// still reaped, by a goroutine that waits for it.
//
// The error tells why there is no child: [fs.ErrNotExist] for a missing program or directory, [exec.ErrNotFound] for a name that
// $PATH does not lead to, all as package os/exec has them. Start waits until the child
// runs the program, about a millisecond. The end is seen through a pidfd that is polled in the queue (pidfd_open(2), IORING_OP_POLL_ADD, Linux 5.3), without a
// goroutine per child; where there is none, SIGCHLD has all children asked with wait4(2).
//
// What the child wrote may still be in its pipes when fn is called: all of it was there when they end with io.EOF.
func (l *Loop) Start(c Command, fn ExitFunc) (*Process, error) {
	l.checkThread("Start")
	needCallback("Start", fn == nil)
	if l.shut {
		return nil, ErrClosed
	}
	all, err := c.descriptors()
	if err != nil {
		return nil, err
	}
	path, err := lookPath(c)
	if err != nil {
		return nil, err
	}
	p := &Process{l: l}
	var child sys.Child
	files, err := p.plumb(all)
	defer files.close()
	if err == nil {
		child = sys.Child{
			Path: path, Args: append([]string{c.Name}, c.Args...), Env: c.Env, Dir: c.Dir,
			Files: files.childs, Detached: c.Detached, Attr: c.Attr,
		}
		if child.Env == nil {
			child.Env = os.Environ()
		}
		if !usePidFD {
			l.listenToChildren() // or one that ends at once would go unheard
		}
		p.pid, p.pidfd, err = child.Start()
	}
	if err != nil {
		for _, c := range p.pipes {
			if c != nil {
				c.Close(nil)
			}
		}
		return nil, startError(c, path, err)
	}
	o := l.start(kindExit, nil, fn)
	l.slots.more(o).process = p
	p.op = l.op(o)
	p.wait(o)
	return p, nil
}

// usePidFD is false in tests of what to do without.
var usePidFD = true

// descriptors lists what the child's descriptors are to be, from 0 on.
func (c *Command) descriptors() ([]Stdio, error) {
	all := append([]Stdio{c.Stdin, c.Stdout, c.Stderr}, c.Extra...)
	for i, s := range all {
		if s.kind == stdioFD && (s.fd < 0 || s.fd > math.MaxInt32) { // to fork, -1 is no descriptor on purpose
			return nil, fmt.Errorf("loop: Start: descriptor %d: StdioFD(%d): %w", i, s.fd, syscall.EBADF)
		}
	}
	return all, nil
}

// startError says why there is no child. fork/exec itself does not tell a missing directory from a missing program.
func startError(c Command, path string, err error) error {
	var missing *fs.PathError
	if c.Dir != "" && c.Attr == nil { // with a root or a user of its own, the child sees other directories
		if _, dirErr := os.Stat(c.Dir); errors.As(dirErr, &missing) {
			return &fs.PathError{Op: "chdir", Path: c.Dir, Err: missing.Err}
		}
	}
	return &fs.PathError{Op: "fork/exec", Path: path, Err: err}
}

func lookPath(c Command) (string, error) {
	if strings.IndexByte(c.Name, 0) >= 0 {
		return "", &exec.Error{Name: c.Name, Err: syscall.EINVAL}
	}
	if strings.Contains(c.Name, "/") {
		return c.Name, nil
	}
	return exec.LookPath(c.Name)
}

// plumbing is the descriptors for a child, while it is made.
type plumbing struct {
	childs []int
	opened []int // of these those that this process needs no more
}

func (p *plumbing) close() {
	for _, fd := range p.opened {
		sys.Close(fd)
	}
}

// plumb makes the pipes.
func (p *Process) plumb(all []Stdio) (f *plumbing, err error) {
	f = &plumbing{}
	null := -1
	p.pipes = make([]*Conn, len(all))
	for i, s := range all {
		fd := s.fd
		switch s.kind {
		case stdioNull:
			if null < 0 {
				if null, err = sys.OpenNull(); err != nil {
					return f, err
				}
				f.opened = append(f.opened, null)
			}
			fd = null
		case stdioPipe:
			var mine int
			if mine, fd, err = sys.ChildPipe(i != 0); err != nil {
				return f, err
			}
			f.opened = append(f.opened, fd)
			p.pipes[i] = p.l.stream(mine, sys.Stream{Network: "pipe", WriteOnly: i == 0})
		}
		f.childs = append(f.childs, fd)
	}
	return f, nil
}

// Pid returns the child's number.
func (p *Process) Pid() int { return p.pid }

// Op returns the operation that ends with the child.
func (p *Process) Op() Op { return p.op }

// Pipe returns this side's end of the pipe that is the child's descriptor fd, or nil if that is none. It must be closed. Descriptor 0 is to
// send to, CloseWrite gives the child its end of file; the others are to receive from.
func (p *Process) Pipe(fd int) *Conn {
	if fd < 0 || fd >= len(p.pipes) {
		return nil
	}
	return p.pipes[fd]
}

// Kill sends the child a signal. Once the callback of Start has run, that is [os.ErrProcessDone]. kill(2)
func (p *Process) Kill(sig syscall.Signal) error {
	p.l.checkThread("Process")
	if p.ended {
		return os.ErrProcessDone
	}
	switch err := sys.Kill(p.pid, sig); err {
	case nil:
		return nil
	case syscall.ESRCH: // somebody else has reaped it
		return os.ErrProcessDone
	default:
		return os.NewSyscallError("kill", err)
	}
}

// wait has o end with the child.
func (p *Process) wait(o *op) {
	l := p.l
	if p.pidfd < 0 || !usePidFD {
		l.listenToChildren()
		p.next, l.children = l.children, p
		p.ask() // it may have ended before anybody listened
		return
	}
	o.sqe.Opcode = ring.OpPollAdd
	o.sqe.FD = int32(p.pidfd)
	o.sqe.OpFlags = sys.PollIn
	l.submit(o)
}

// exited ends a Start.
func (l *Loop) exited(o *op, res int32) {
	p := o.extra.process
	var err error
	switch {
	case res < 0:
		if l.retry(o, res) {
			return
		}
		if err = o.fault(res); !bare(err) {
			err = os.NewSyscallError("wait4", err)
		}
	case !p.ended:
		var ended bool
		if ended, err = p.reap(); err == nil && !ended {
			if l.again(o) {
				return
			}
			err = o.stopped()
		}
	}
	if p.pidfd >= 0 {
		l.release(int32(p.pidfd))
		p.pidfd = -1
	}
	if !p.ended && err != nil {
		sys.ReapLater(p.pid)
		p.ended = true
	}
	fn, state := callback[ExitFunc](o), p.state
	l.retire(o)
	fn(state, err)
}

// reap takes the exit of the child if it has ended.
func (p *Process) reap() (ended bool, err error) {
	e, ended, err := sys.Reap(p.pid)
	if err != nil {
		return false, os.NewSyscallError("wait4", err)
	}
	p.ended = ended
	p.state = ExitState{e.Code, e.Signal, e.User, e.System}
	return ended, nil
}

// listenToChildren has SIGCHLD lead to every child that has no pidfd.
func (l *Loop) listenToChildren() {
	if l.sigchld == nil || !l.sigchld.active {
		l.sigchld, _ = l.OnSignal(func(os.Signal) { l.askChildren() }, sys.SIGCHLD)
	}
}

func (l *Loop) askChildren() {
	all := l.children
	l.children = nil
	for p := all; p != nil; {
		next := p.next
		p.next = nil
		p.ask()
		if o := p.op.find(); o != nil && o.state == stateHeld {
			p.next, l.children = l.children, p
		}
		p = next
	}
	if l.children == nil && l.sigchld != nil {
		l.sigchld.Stop()
	}
}

// ask settles the operation of a child that has ended.
func (p *Process) ask() {
	o := p.op.find()
	if o == nil || o.state != stateHeld {
		return
	}
	ended, err := p.reap()
	switch {
	case err != nil:
		p.l.settle(o, -int32(syscall.ECHILD))
	case ended:
		p.l.settle(o, 0)
	}
}
