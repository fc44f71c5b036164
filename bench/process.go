package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a program that the suite has started on some of the cores. It dies with its context, and with the suite.
type process struct {
	*exec.Cmd
	stdout  lines
	stderr  bytes.Buffer
	started time.Time
}

func newProcess(ctx context.Context, argv, env []string) *process {
	p := &process{Cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	p.Env = append(p.Environ(), env...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	p.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true, // a Ctrl-C is for the suite, and children of children die as well
		Pdeathsig: syscall.SIGKILL,
	}
	p.Cancel = func() error { return syscall.Kill(-p.Process.Pid, syscall.SIGKILL) }
	p.WaitDelay = time.Second
	return p
}

// start runs the process on the cores given. It takes them over from the thread that forks, so that they hold before its first
// instruction: a Go program makes as many Ps as it finds cores.
func (p *process) start(cores []int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, wanted unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	for _, core := range cores {
		wanted.Set(core)
	}
	if err := unix.SchedSetaffinity(0, &wanted); err != nil {
		return fmt.Errorf("sched_setaffinity to the cores %v: %w", cores, err)
	}
	p.started = time.Now()
	return errors.Join(p.Start(), unix.SchedSetaffinity(0, &before))
}

// run waits for the process to end. A failure carries what it said.
func (p *process) run(cores []int) error {
	if err := p.start(cores); err != nil {
		return p.explain(err)
	}
	defer p.kill()
	if err := p.Wait(); err != nil {
		return p.explain(err)
	}
	return nil
}

// kill ends a process and its children if nobody has waited for its end: the suite panics.
func (p *process) kill() {
	if p.ProcessState == nil {
		_ = p.Cancel()
	}
}

func (p *process) explain(err error) error {
	const enough = 400
	said := strings.Join(strings.Fields(p.stderr.String()), " ")
	if len(said) > enough {
		said = said[:enough] + " ..."
	}
	return fmt.Errorf("%s: %w: %s", p.Path, err, said)
}

// A server is a process that accepts connections.
type server struct {
	*process
	addr string
	done chan struct{} // closed when it has ended
}

// startServer returns when the server accepts connections.
func startServer(p *process, cores []int, addr string, silent bool) (*server, error) {
	s := &server{process: p, addr: addr, done: make(chan struct{})}
	if err := p.start(cores); err != nil {
		return nil, err
	}
	go func() {
		_ = p.Wait() // the exit status does not matter
		close(s.done)
	}()
	for patience := time.Now().Add(10 * time.Second); time.Now().Before(patience); time.Sleep(2 * time.Millisecond) {
		if s.ready(silent) {
			return s, nil
		}
		select {
		case <-s.done:
			return nil, p.explain(errors.New("ended at once"))
		default:
		}
	}
	s.stop()
	return nil, p.explain(errors.New("did not listen"))
}

func (s *server) ready(silent bool) bool {
	if !silent {
		return s.stdout.has("listening")
	}
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// stop ends the server, by force if it does not listen. It reports whether it was still there.
func (s *server) stop() bool {
	select {
	case <-s.done:
		return false
	default:
	}
	_ = s.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(2 * time.Second):
		_ = s.Cancel()
		<-s.done
	}
	return true
}

// lines collects output that is read while it is written.
type lines struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.String()
}

// has reports whether a whole line begins with prefix.
func (l *lines) has(prefix string) bool {
	text := l.String()
	complete := text[:strings.LastIndexByte(text, '\n')+1]
	return strings.HasPrefix(complete, prefix) || strings.Contains(complete, "\n"+prefix)
}

// ports are below those that the kernel gives to clients, so that no client of an earlier run holds them.
type ports struct{ last int }

func (p *ports) next() (addr string, err error) {
	const first, count = 12000, 18000
	for range count {
		p.last = (p.last + 1) % count
		addr = "127.0.0.1:" + strconv.Itoa(first+p.last)
		var ln net.Listener
		if ln, err = net.Listen("tcp", addr); err == nil {
			return addr, ln.Close()
		}
	}
	return "", err
}
