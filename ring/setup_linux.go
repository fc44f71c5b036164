package ring

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Abilities that concern nobody but the ring itself.
const (
	submitAll    Feature = 1 << 31 // IORING_SETUP_SUBMIT_ALL, 5.18
	hintedAccept Feature = 1 << 30 // PollFirst for OpAccept, 6.10
)

// ladder is what setup gives up, one after the other, as long as the kernel does not know a flag (EINVAL).
var ladder = [...]Feature{0, NoSQArray, DeferTaskrun, SingleIssuer, CoopTaskrun, submitAll}

// floor is what a ring cannot do without (5.11), by the bits of params.features.
var floor = [...]struct {
	bit  uint32
	name string
}{
	{featNoDrop, "NODROP"},
	{featSubmitStable, "SUBMIT_STABLE"},
	{featRWCurPos, "RW_CUR_POS"},
	{featFastPoll, "FAST_POLL"},
	{featExtArg, "EXT_ARG"},
}

// setupFlags translates what is left after without.
func setupFlags(without Feature, sqPoll bool) uint32 {
	// R_DISABLED: the thread that enables the ring becomes its issuer, not the one that creates it.
	flags := uint32(setupCQSize | setupClamp | setupRDisabled)
	has := func(f Feature) bool { return without&f == 0 }
	if has(submitAll) {
		flags |= setupSubmitAll
	}
	if has(NoSQArray) {
		flags |= setupNoSQArray
	}
	if has(SingleIssuer) {
		flags |= setupSingleIssuer
	}
	switch {
	case sqPoll:
		flags |= setupSQPoll
	case has(SingleIssuer) && has(DeferTaskrun):
		flags |= setupDeferTaskrun | setupTaskrunFlag
	case has(CoopTaskrun):
		flags |= setupCoopTaskrun | setupTaskrunFlag
	}
	return flags
}

// granted translates back the flags that the kernel took.
func granted(flags uint32) (set Feature) {
	for _, f := range [...]struct {
		flag uint32
		set  Feature
	}{
		{setupSingleIssuer, SingleIssuer},
		{setupDeferTaskrun, DeferTaskrun},
		{setupCoopTaskrun, CoopTaskrun},
		{setupNoSQArray, NoSQArray},
	} {
		if flags&f.flag != 0 {
			set |= f.set
		}
	}
	return set
}

type setupFunc func(entries uint32, p *params) (fd int, errno unix.Errno)

// setup creates a ring as close to o as the kernel, which is ioUringSetup but in tests, allows.
func setup(o Options, kernel setupFunc) (fd int, p params, err error) {
	without := o.Without
	var errno unix.Errno
	for _, step := range ladder {
		without |= step
		p = params{
			flags:        setupFlags(without, o.SQPoll > 0),
			cqEntries:    o.CQEntries,
			sqThreadIdle: uint32((o.SQPoll + time.Millisecond - 1) / time.Millisecond), // 0 is a second
		}
		fd, errno = setupSmaller(o.Entries, &p, kernel)
		if errno != unix.EINVAL {
			break
		}
	}
	if errno != 0 {
		return -1, p, setupError(errno)
	}
	var missing []string
	for _, f := range floor {
		if p.features&f.bit == 0 {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		_ = unix.Close(fd)
		return -1, p, &refusal{"io_uring_setup", unix.EOPNOTSUPP,
			"the kernel is older than 5.11, it lacks " + strings.Join(missing, ", ")}
	}
	return fd, p, nil
}

// pauses are how long setup waits for memory. That of a closed ring stays charged to the user (RLIMIT_MEMLOCK, without
// CAP_IPC_LOCK) until an RCU grace period and a kernel worker have passed, some 25 to 50 ms. They are few and not short
// because each refused attempt is work for that worker too: a program that kept asking would never be heard.
var pauses = [...]time.Duration{20 * time.Millisecond, 40 * time.Millisecond, 80 * time.Millisecond, 160 * time.Millisecond}

// setupSmaller takes a smaller ring when there is not enough memory, locked or contiguous, after it has waited for some.
func setupSmaller(entries uint32, p *params, kernel setupFunc) (fd int, errno unix.Errno) {
	want := *p
	for _, pause := range pauses {
		*p = want
		if fd, errno = kernel(entries, p); errno != unix.ENOMEM {
			return fd, errno
		}
		time.Sleep(pause)
	}
	for ; ; want.cqEntries /= 2 {
		*p = want
		fd, errno = kernel(entries, p)
		if errno != unix.ENOMEM || entries == 1 {
			return fd, errno
		}
		entries /= 2
	}
}

// refusal says why the kernel does not give us a ring. Its text is made to be kept as the reason for a fallback.
type refusal struct {
	op    string
	errno unix.Errno
	why   string
}

func (e *refusal) Error() string {
	return fmt.Sprintf("ring: %s: %v (%s)", e.op, e.errno, e.why)
}

func (e *refusal) Unwrap() []error { return []error{e.errno, ErrUnsupported} }

// denied turns the errors of a system call that the process may not use into a refusal.
func denied(op string, errno unix.Errno) error {
	switch errno {
	case unix.ENOSYS:
		return &refusal{op, errno, "the kernel has no io_uring, or a sandbox hides it"}
	case unix.EPERM, unix.EACCES:
		return &refusal{op, errno, "io_uring is disabled by kernel.io_uring_disabled or a seccomp filter"}
	}
	return fmt.Errorf("ring: %s: %w", op, errno)
}

func setupError(errno unix.Errno) error {
	switch errno {
	case unix.EINVAL:
		return &refusal{"io_uring_setup", errno, "the kernel is older than 5.11"}
	case unix.ENOMEM:
		return fmt.Errorf("ring: io_uring_setup: %w (or the limit of locked memory, RLIMIT_MEMLOCK, is too low)", errno)
	}
	return denied("io_uring_setup", errno)
}
