//go:build linux || darwin || freebsd || netbsd || dragonfly

package fallback

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// poll is the poller that every Unix system has: poll(2) over the descriptors that somebody waits for, and
// a pipe to itself. It is level-triggered, costs time in proportion to its descriptors, and reports to
// the millisecond.
type poll struct {
	set      []unix.PollFd // the pipe first
	gens     []uint32      // of set
	at       []int32       // by descriptor: its index in set, or 0
	ready    []event
	r, w     int
	controls *uint64
}

func newPoll(controls *uint64) (poller, error) {
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		return nil, fmt.Errorf("fallback: pipe: %w", err)
	}
	for _, fd := range pipe {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(pipe[0])
			unix.Close(pipe[1])
			return nil, fmt.Errorf("fallback: fcntl: %w", err)
		}
	}
	p := &poll{r: pipe[0], w: pipe[1], controls: controls}
	p.set = append(p.set, unix.PollFd{Fd: int32(p.r), Events: unix.POLLIN})
	p.gens = append(p.gens, 0)
	return p, nil
}

func (p *poll) arm(fd int32, d *descriptor, _ bool) error {
	want := d.want()
	d.armed = want
	if want == 0 {
		p.drop(fd, d)
		return nil
	}
	if int(fd) >= len(p.at) {
		p.at = append(p.at, make([]int32, int(fd)+1-len(p.at))...)
	}
	i := p.at[fd]
	if i == 0 {
		i = int32(len(p.set))
		p.at[fd] = i
		p.set = append(p.set, unix.PollFd{Fd: fd})
		p.gens = append(p.gens, 0)
	}
	p.set[i].Events, p.gens[i] = int16(want), d.gen
	d.known = true
	return nil
}

func (p *poll) relax(fd int32, d *descriptor) { _ = p.arm(fd, d, false) }

// quiet follows when a poll for writability was the last to want something: by level, it would be reported for ever.
func (p *poll) quiet(fd int32, d *descriptor) { _ = p.arm(fd, d, false) }

func (p *poll) drop(fd int32, d *descriptor) {
	d.known, d.armed = false, 0
	if int(fd) >= len(p.at) || p.at[fd] == 0 {
		return
	}
	i, last := p.at[fd], len(p.set)-1
	p.set[i], p.gens[i] = p.set[last], p.gens[last]
	p.at[p.set[i].Fd] = i
	p.at[fd] = 0
	p.set, p.gens = p.set[:last], p.gens[:last]
}

func (p *poll) wait(timeout time.Duration, _ bool) (int, error) {
	p.ready = p.ready[:0]
	n, err := unix.Poll(p.set, milliseconds(timeout))
	if err != nil {
		if errors.Is(err, unix.EINTR) {
			return 0, nil
		}
		return 0, fmt.Errorf("fallback: poll: %w", err)
	}
	if n > 0 && p.set[0].Revents != 0 {
		n--
		p.drain()
		p.ready = append(p.ready, event{fd: -1})
	}
	for i := 1; n > 0; i++ {
		if e := &p.set[i]; e.Revents != 0 {
			n--
			p.ready = append(p.ready, event{fd: e.Fd, gen: p.gens[i], events: uint32(uint16(e.Revents))})
		}
	}
	return len(p.ready), nil
}

func (p *poll) event(i int) event { return p.ready[i] }

func (p *poll) drain() {
	var buf [64]byte
	for {
		if n, _ := unix.Read(p.r, buf[:]); n < len(buf) {
			return
		}
	}
}

// wake may find the pipe full: then it is readable anyway.
func (p *poll) wake() { _, _ = unix.Write(p.w, []byte{0}) }

func (p *poll) fd() int { return p.r }

func (p *poll) close() error {
	return errors.Join(unix.Close(p.r), unix.Close(p.w))
}
