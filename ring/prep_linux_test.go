package ring

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

const everything = AllFeatures | hintedAccept

func TestPrep(t *testing.T) {
	mem := new([2]byte)
	p, q := unsafe.Pointer(&mem[0]), unsafe.Pointer(&mem[1])
	a, b := address(p), address(q)
	const ud = 0xfedcba9876543210
	for _, c := range []struct {
		name string
		sqe  SQE
		want entry
	}{
		{"nop", SQE{}, entry{}},
		{
			"read",
			SQE{Opcode: OpRead, FD: 3, Addr: p, Len: 9, Off: -1, OpFlags: 1},
			entry{fd: 3, addr: a, len: 9, off: ^uint64(0), opFlags: 1},
		},
		{"a lot", SQE{Opcode: OpWrite, FD: 3, Addr: p, Len: 1 << 33}, entry{fd: 3, addr: a, len: 0x7ffff000}},
		{"writev", SQE{Opcode: OpWritev, FD: 3, Addr: p, Len: 2, Off: 5}, entry{fd: 3, addr: a, len: 2, off: 5}},
		{
			"read selected",
			SQE{Opcode: OpRead, FD: 3, Flags: BufferSelect, Group: 7, Len: 9, Off: -1},
			entry{fd: 3, flags: 1 << 5, bufGroup: 7, len: 9, off: ^uint64(0)},
		},
		{"fdatasync", SQE{Opcode: OpFsync, FD: 3, OpFlags: FsyncData}, entry{fd: 3, opFlags: 1}},
		{"poll", SQE{Opcode: OpPollAdd, FD: 3, OpFlags: 1, Flags: Multishot}, entry{fd: 3, opFlags: 1, len: 1}},
		{
			"send",
			SQE{Opcode: OpSend, FD: 3, Addr: p, Len: 9, OpFlags: 4, Flags: PollFirst | Stream},
			entry{fd: 3, addr: a, len: 9, opFlags: 4, ioprio: 1},
		},
		{"recv", SQE{Opcode: OpRecv, FD: 3, Addr: p, Len: 9}, entry{fd: 3, addr: a, len: 9}},
		{
			"recv selected",
			SQE{Opcode: OpRecv, FD: 3, Flags: BufferSelect | Multishot | PollFirst, Group: 7},
			entry{fd: 3, flags: 1 << 5, bufGroup: 7, ioprio: 3},
		},
		{
			"recvmsg selected",
			SQE{Opcode: OpRecvmsg, FD: 3, Addr: p, Flags: BufferSelect | Multishot, Group: 7},
			entry{fd: 3, addr: a, len: 1, flags: 1 << 5, bufGroup: 7, ioprio: 2},
		},
		{"sendmsg", SQE{Opcode: OpSendmsg, FD: 3, Addr: p, OpFlags: 4}, entry{fd: 3, addr: a, len: 1, opFlags: 4}},
		{
			"accept",
			SQE{Opcode: OpAccept, FD: 3, Addr: p, Addr2: q, OpFlags: 4},
			entry{fd: 3, addr: a, off: b, opFlags: 4},
		},
		{"accept many", SQE{Opcode: OpAccept, FD: 3, Flags: Multishot | PollFirst}, entry{fd: 3, ioprio: 5}},
		{"connect", SQE{Opcode: OpConnect, FD: 3, Addr: p, Len: 16}, entry{fd: 3, addr: a, off: 16}},
		{"shutdown", SQE{Opcode: OpShutdown, FD: 3, OpFlags: 2}, entry{fd: 3, len: 2}},
		{"close", SQE{Opcode: OpClose, FD: 3}, entry{fd: 3}},
		{
			"openat",
			SQE{Opcode: OpOpenat, FD: -100, Addr: p, OpFlags: 2, Arg: 0o644},
			entry{fd: -100, addr: a, opFlags: 2, len: 0o644},
		},
		{
			"statx",
			SQE{Opcode: OpStatx, FD: -100, Addr: p, Addr2: q, OpFlags: 2, Arg: 8},
			entry{fd: -100, addr: a, off: b, opFlags: 2, len: 8},
		},
		{
			"fallocate",
			SQE{Opcode: OpFallocate, FD: 3, Off: 5, Len: 1 << 40, Arg: 1},
			entry{fd: 3, off: 5, addr: 1 << 40, len: 1},
		},
		{"ftruncate", SQE{Opcode: OpFtruncate, FD: 3, Off: 1 << 40}, entry{fd: 3, off: 1 << 40}},
		{"unlinkat", SQE{Opcode: OpUnlinkat, FD: 3, Addr: p, OpFlags: 0x200}, entry{fd: 3, addr: a, opFlags: 0x200}},
		{"mkdirat", SQE{Opcode: OpMkdirat, FD: 3, Addr: p, Arg: 0o755}, entry{fd: 3, addr: a, len: 0o755}},
		{
			"renameat",
			SQE{Opcode: OpRenameat, FD: 3, Addr: p, Arg: 4, Addr2: q, OpFlags: 1},
			entry{fd: 3, addr: a, len: 4, off: b, opFlags: 1},
		},
		{"linkat", SQE{Opcode: OpLinkat, FD: 3, Addr: p, Arg: 4, Addr2: q}, entry{fd: 3, addr: a, len: 4, off: b}},
		{"symlinkat", SQE{Opcode: OpSymlinkat, FD: 3, Addr: p, Addr2: q}, entry{fd: 3, addr: a, off: b}},
		{"cancel", SQE{Opcode: OpCancel, Addr: p, Off: 77}, entry{addr: 77}},
		{"cancel all of one", SQE{Opcode: OpCancel, Addr: p, Off: 77, OpFlags: CancelAll}, entry{addr: 77, opFlags: 1}},
		{"cancel by fd", SQE{Opcode: OpCancel, FD: 3, Off: 77, OpFlags: CancelFD}, entry{fd: 3, opFlags: 2}},
		{"msg ring", SQE{Opcode: OpMsgRing, FD: 3, Off: 77, Arg: 5}, entry{fd: 3, off: 77, len: 5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.sqe.UserData, c.want.userData, c.want.opcode = ud, ud, c.sqe.Opcode
			e := dirtyEntry()
			prep(&e, &c.sqe, everything)
			require.Equal(t, c.want, e)

			got := Encode(&c.sqe, Features{Set: everything})
			require.Equal(t, c.want, *(*entry)(unsafe.Pointer(&got)))
		})
	}
}

// Without their features the modifiers are dropped, what is left is the same operation done once.
func TestPrepWithout(t *testing.T) {
	for _, s := range []SQE{
		{Opcode: OpPollAdd, FD: 3, OpFlags: 1},
		{Opcode: OpRecv, FD: 3},
		{Opcode: OpSend, FD: 3},
		{Opcode: OpAccept, FD: 3},
		{Opcode: OpRead, FD: 3, Len: 5},
		{Opcode: OpWrite, FD: 3, Len: 5},
	} {
		want, got := dirtyEntry(), dirtyEntry()
		prep(&want, &s, everything)
		s.Flags = Multishot | PollFirst | FixedBuffer
		prep(&got, &s, 0)
		require.Equal(t, want, got)
	}
	hinted := SQE{Opcode: OpAccept, Flags: PollFirst}
	for _, set := range []Feature{PollFirstHint, hintedAccept} {
		var e entry
		prep(&e, &hinted, set)
		require.Zero(t, e.ioprio)
	}
}

// Registered memory makes other opcodes of a read and a write, of nothing else.
func TestPrepFixedBuffer(t *testing.T) {
	p := unsafe.Pointer(new(byte))
	for op, want := range map[Opcode]Opcode{OpRead: 4, OpWrite: 5, OpReadv: OpReadv, OpWritev: OpWritev, OpSend: OpSend, OpRecv: OpRecv} {
		plain, fixed := dirtyEntry(), dirtyEntry()
		s := SQE{Opcode: op, FD: 3, Addr: p, Len: 10, Off: 20, OpFlags: 2, Group: 7}
		prep(&plain, &s, everything)
		s.Flags = FixedBuffer | MayBlock
		prep(&fixed, &s, everything)
		if plain.opcode = want; want != op {
			plain.bufGroup = 7
		}
		require.Equal(t, plain, fixed)
	}
}

func TestWeigh(t *testing.T) {
	small, large := make([]Iovec, 2), make([]Iovec, 2)
	for i := range 2 {
		small[i].SetLen(4096)
		large[i].SetLen(maxWork - 1) // what counts is the sum
	}
	header := func(vecs []Iovec) unsafe.Pointer {
		m := &Msghdr{Iov: &vecs[0]}
		m.SetIovlen(len(vecs))
		return unsafe.Pointer(m)
	}
	for _, s := range []SQE{
		{Opcode: OpNop}, {Opcode: OpSend, Len: 4096}, {Opcode: OpRead, Len: 4096}, {Opcode: OpCancel},
		{Opcode: OpSendmsg, Addr: header(small)},
		{Opcode: OpReadv, Addr: unsafe.Pointer(&small[0]), Len: 2},
		{Opcode: OpRead, Len: 4096, Flags: MayBlock},
		{Opcode: OpSendmsg}, {Opcode: OpWritev, Addr: unsafe.Pointer(&large[0]), Len: maxIovecs + 1}, // refused by the kernel
	} {
		var r Ring
		r.weigh(&s)
		require.False(t, r.heavy, s.Opcode)
	}
	for _, s := range []SQE{
		{Opcode: OpSend, Len: 2 << 20},
		{Opcode: OpSendmsg, Addr: header(large)},
		{Opcode: OpRecvmsg, Addr: header(large)},
		{Opcode: OpWritev, Addr: unsafe.Pointer(&large[0]), Len: 2},
		{Opcode: OpRead, Len: 2 << 20, Flags: MayBlock},
		{Opcode: OpFsync},
		{Opcode: OpStatx},
		{Opcode: OpConnect},
	} {
		var r Ring
		r.weigh(&s)
		require.True(t, r.heavy, s.Opcode)
	}
}

func TestEntryLayout(t *testing.T) {
	var e entry
	require.EqualValues(t, 64, unsafe.Sizeof(e))
	require.EqualValues(t, 32, unsafe.Offsetof(e.userData))
	require.EqualValues(t, 48, unsafe.Offsetof(e.addr3))
	require.EqualValues(t, 16, unsafe.Sizeof(CQE{}))
	require.EqualValues(t, 120, unsafe.Sizeof(params{}))
	require.EqualValues(t, 16, unsafe.Sizeof(buf{}))
	require.EqualValues(t, 40, unsafe.Sizeof(bufReg{}))
	require.EqualValues(t, 24, unsafe.Sizeof(getEventsArg{}))
	require.EqualValues(t, 16, unsafe.Sizeof(rsrcUpdate{}))
	require.EqualValues(t, 16+256*8, unsafe.Sizeof(probeResult{}))
}

func dirtyEntry() (e entry) {
	mem := (*[64]byte)(unsafe.Pointer(&e))
	for i := range mem {
		mem[i] = 0xff
	}
	return e
}

func FuzzPrep(f *testing.F) {
	for _, op := range Opcodes() {
		f.Add(uint8(op), uint8(Multishot|BufferSelect|PollFirst), uint16(7), int32(3), int64(-1), uint64(1<<40),
			uint32(7), uint32(9), uint64(11), uint32(everything))
	}
	f.Fuzz(func(t *testing.T, op, flags uint8, group uint16, fd int32, off int64, n uint64,
		opFlags, arg uint32, ud uint64, set uint32) {
		mem := new([1]byte)
		s := SQE{
			Opcode: Opcode(op), Flags: Flags(flags), Group: group, FD: fd, Off: off, Len: n,
			Addr: unsafe.Pointer(mem), Addr2: unsafe.Pointer(mem), OpFlags: opFlags, Arg: arg, UserData: ud,
		}
		before := s
		e := dirtyEntry()
		prep(&e, &s, Feature(set))
		require.Equal(t, before, s)
		require.Equal(t, s.Opcode, e.opcode)
		require.Equal(t, s.UserData, e.userData)
		require.Equal(t, s.FD, e.fd)
		// Nothing that was in the slot may survive, and no modifier may appear that was not asked for.
		require.Zero(t, e.personality)
		require.Zero(t, e.fileIndex)
		require.Zero(t, e.addr3)
		require.Zero(t, e.pad)
		require.Zero(t, e.flags&^sqeBufferSelect)
		if s.Flags&(Multishot|PollFirst) == 0 {
			require.Zero(t, e.ioprio)
		}
		if s.Flags&BufferSelect == 0 {
			require.Zero(t, e.flags)
			require.Zero(t, e.bufGroup)
		}
	})
}
