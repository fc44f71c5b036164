package ring

import (
	"errors"
	"math/bits"
	"runtime"
	"testing"

	"github.com/proactor-go/proactor/internal/testenv"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestSetupFlags(t *testing.T) {
	const always = setupCQSize | setupClamp | setupRDisabled
	const deferred = setupDeferTaskrun | setupTaskrunFlag
	const coop = setupCoopTaskrun | setupTaskrunFlag
	without := Feature(0)
	for i, want := range []uint32{
		setupSubmitAll | setupSingleIssuer | deferred | setupNoSQArray,
		setupSubmitAll | setupSingleIssuer | deferred,
		setupSubmitAll | setupSingleIssuer | coop,
		setupSubmitAll | coop,
		setupSubmitAll,
		0,
	} {
		without |= ladder[i]
		require.Equal(t, always|want, setupFlags(without, false), "step %d", i)
	}
	// DEFER_TASKRUN is not valid without SINGLE_ISSUER, nor is either kind of TASKRUN with SQPOLL.
	require.EqualValues(t, always|setupSubmitAll|setupNoSQArray|coop, setupFlags(SingleIssuer, false))
	require.EqualValues(t, always|setupSubmitAll|setupSingleIssuer|setupSQPoll, setupFlags(NoSQArray, true))
}

// Every step of the ladder, and every feature left out, gives a ring that works.
func TestWithout(t *testing.T) {
	masks := []Feature{AllFeatures}
	for rest := AllFeatures; rest != 0; rest &= rest - 1 {
		masks = append(masks, 1<<bits.TrailingZeros32(uint32(rest)))
	}
	without := Feature(0)
	for _, step := range ladder {
		without |= step
		masks = append(masks, without)
	}
	for _, mask := range masks {
		t.Run(mask.String(), func(t *testing.T) {
			f := bound(t, Options{Without: mask})
			f.Zero(f.Features().Set & mask)
			a, b := f.pair()
			got := f.start(recv(a, make([]byte, 8)))
			nop := f.start(&SQE{Opcode: OpNop})
			f.Equal([]int32{0}, f.results(nop))
			f.idle()
			f.write(b, "hello")
			f.Equal([]int32{5}, f.results(got))
			f.NoError(f.Wake())
			f.NoError(f.Enter(-1))
			f.idle()
		})
	}
}

func TestSQPoll(t *testing.T) {
	f := bound(t, Options{SQPoll: 1e6, Entries: 2})
	f.Zero(f.Features().Set & (DeferTaskrun | CoopTaskrun))
	for range 20 {
		var entries []*SQE
		for range 5 {
			entries = append(entries, f.start(&SQE{Opcode: OpNop}))
		}
		f.Equal(make([]int32, 5), f.results(entries...))
		f.NoError(f.Wake())
		f.NoError(f.Enter(-1))
		f.NoError(f.Enter(2e6)) // so that the kernel's thread sleeps now and then
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct{ entries, cqEntries, sq, cq uint32 }{
		{0, 0, 512, 4096},
		{1, 2, 1, 2},
		{3, 1, 4, 4},
		{100, 0, 128, 1024},
		{32768, 0, 32768, 65536},
		{1 << 31, 1 << 31, 32768, 65536},
	} {
		r, err := New(Options{Entries: c.entries, CQEntries: c.cqEntries})
		testenv.Ring(t, err)
		require.Len(t, r.sq.entries, int(c.sq))
		require.Len(t, r.cq.entries, int(c.cq))
		require.NoError(t, r.Close())
	}
}

// Older kernels, played by what they know and how much memory they find.
func TestLadder(t *testing.T) {
	const floorFeatures = featNoDrop | featSubmitStable | featRWCurPos | featFastPoll | featExtArg
	const v510 = setupCQSize | setupClamp | setupRDisabled
	const v519 = v510 | setupSubmitAll | setupCoopTaskrun | setupTaskrunFlag
	const v61 = v519 | setupSingleIssuer | setupDeferTaskrun
	for _, c := range []struct {
		kernel   string
		known    uint32
		features uint32
		room     uint32
		want     Feature
		err      string
	}{
		{"6.6", v61 | setupNoSQArray, floorFeatures, 512, NoSQArray | DeferTaskrun | SingleIssuer, ""},
		{"6.1", v61, floorFeatures, 512, DeferTaskrun | SingleIssuer, ""},
		{"6.0", v519 | setupSingleIssuer, floorFeatures, 512, SingleIssuer | CoopTaskrun, ""},
		{"5.19", v519, floorFeatures, 512, CoopTaskrun, ""},
		{"5.18", v510 | setupSubmitAll, floorFeatures, 512, 0, ""},
		{"5.11", v510, floorFeatures, 512, 0, ""},
		{"little memory", v61, floorFeatures, 8, DeferTaskrun | SingleIssuer, ""},
		{"no memory", v61, floorFeatures, 0, 0, "cannot allocate memory"},
		{"5.10", v510, floorFeatures &^ featExtArg, 512, 0, "lacks EXT_ARG"},
		{"5.4", setupCQSize, featNoDrop | featSubmitStable, 512, 0, "older than 5.11"},
	} {
		t.Run(c.kernel, func(t *testing.T) {
			const noFD = 1 << 20 // may be closed
			kernel := func(entries uint32, p *params) (int, unix.Errno) {
				if p.flags&^c.known != 0 {
					return -1, unix.EINVAL
				}
				if entries > c.room {
					return -1, unix.ENOMEM
				}
				p.sqEntries, p.features = entries, c.features
				return noFD, 0
			}
			fd, p, err := setup(Options{}.withDefaults(), kernel)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, noFD, fd)
			require.Equal(t, c.want, granted(p.flags))
			require.Equal(t, c.room, p.sqEntries)
			require.Equal(t, 8*c.room, p.cqEntries)
		})
	}
}

// Rings are not charged to RLIMIT_MEMLOCK since 5.12, and before that root is not.
func TestSmallMemlock(t *testing.T) {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_MEMLOCK, &old))
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 0, Max: old.Max}))
	defer func() { require.NoError(t, unix.Setrlimit(unix.RLIMIT_MEMLOCK, &old)) }()
	if r, err := New(Options{}); err != nil { // without CAP_IPC_LOCK
		require.ErrorIs(t, err, unix.ENOMEM)
		require.ErrorContains(t, err, "RLIMIT_MEMLOCK")
		return
	} else {
		require.NoError(t, r.Close())
	}
	f := bound(t, Options{})
	f.Zero(f.do(&SQE{Opcode: OpNop}))
	if f.Features().Has(BufferRings) {
		f.NoError(f.Provide(0, make([]byte, 1<<16), 1<<12))
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		errno       unix.Errno
		unsupported bool
		text        string
	}{
		{unix.EPERM, true, "operation not permitted " +
			"(io_uring is disabled by kernel.io_uring_disabled or a seccomp filter)"},
		{unix.ENOSYS, true, "function not implemented (the kernel has no io_uring, or a sandbox hides it)"},
		{unix.EINVAL, true, "invalid argument (the kernel is older than 5.11)"},
		{unix.EMFILE, false, "too many open files"},
	} {
		err := setupError(c.errno)
		require.EqualError(t, err, "ring: io_uring_setup: "+c.text)
		require.ErrorIs(t, err, c.errno)
		require.Equal(t, c.unsupported, errors.Is(err, ErrUnsupported))
		require.Equal(t, c.unsupported, errors.Is(err, errors.ErrUnsupported))
	}
}

func TestNewWithoutDescriptors(t *testing.T) {
	unbound(t, Options{})
	before := openFDs(t)
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	for spare := range 2 { // too few for the ring, too few for the eventfd
		limit := old
		limit.Cur = uint64(firstFreeFD(t) + spare)
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		r, err := New(Options{})
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
		require.ErrorIs(t, err, unix.EMFILE)
		require.NotErrorIs(t, err, ErrUnsupported)
		require.Nil(t, r)
	}
	require.Equal(t, before, openFDs(t))
}

// A failure to find the features is not kept.
func TestProbeAgain(t *testing.T) {
	unbound(t, Options{})
	forget := func() {
		probed.Lock()
		defer probed.Unlock()
		probed.features = nil
	}
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	want, err := kernelFeatures()
	require.NoError(t, err)
	before, first := openFDs(t), firstFreeFD(t)
	for spare := range 16 {
		forget()
		limit := old
		limit.Cur = uint64(first + spare)
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
		got, err := kernelFeatures()
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
		if err == nil {
			require.Equal(t, want, got, "with %d spare descriptors", spare)
		} else {
			require.ErrorIs(t, err, unix.EMFILE)
			require.NotErrorIs(t, err, ErrUnsupported)
		}
		if spare == 0 || spare == 15 {
			require.Equal(t, spare > 0, err == nil)
		}
		require.Equal(t, before, openFDs(t))
	}
}

func firstFreeFD(t *testing.T) int {
	fd, err := unix.Dup(0)
	require.NoError(t, err)
	require.NoError(t, unix.Close(fd))
	return fd
}

// The features are found on any thread, and the same for each.
func TestFeaturesFromManyGoroutines(t *testing.T) {
	first := unbound(t, Options{})
	probed.Lock()
	probed.features = nil
	probed.Unlock()
	features := make(chan Features)
	for i := range 8 {
		go func() {
			if i%2 == 0 {
				runtime.LockOSThread()
			}
			r, err := New(Options{Entries: 4})
			var found Features
			if err == nil {
				found = r.Features()
				err = r.Close()
			}
			if err != nil {
				t.Error(err)
			}
			features <- found
		}()
	}
	for range 8 {
		first.Equal(first.Features(), <-features)
	}
}
