//go:build giouring && linux

package giouring_test

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"testing"
	"unsafe"

	upstream "github.com/pawelgaczynski/giouring"
	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/ring"
)

// kernelConstants are those that package ring keeps to itself, with giouring's values.
var kernelConstants = map[string]uint64{
	"setupSQPoll":       uint64(upstream.SetupSQPoll),
	"setupCQSize":       uint64(upstream.SetupCQSize),
	"setupClamp":        uint64(upstream.SetupClamp),
	"setupRDisabled":    uint64(upstream.SetupRDisabled),
	"setupSubmitAll":    uint64(upstream.SetupSubmitAll),
	"setupCoopTaskrun":  uint64(upstream.SetupCoopTaskrun),
	"setupTaskrunFlag":  uint64(upstream.SetupTaskrunFlag),
	"setupSingleIssuer": uint64(upstream.SetupSingleIssuer),
	"setupDeferTaskrun": uint64(upstream.SetupDeferTaskrun),

	"featNoDrop":       uint64(upstream.FeatNoDrop),
	"featSubmitStable": uint64(upstream.FeatSubmitStable),
	"featRWCurPos":     uint64(upstream.FeatRWCurPos),
	"featFastPoll":     uint64(upstream.FeatFastPoll),
	"featExtArg":       uint64(upstream.FeatExtArg),

	"enterGetEvents":      uint64(upstream.EnterGetEvents),
	"enterSQWakeup":       uint64(upstream.EnterSQWakeup),
	"enterSQWait":         uint64(upstream.EnterSQWait),
	"enterExtArg":         uint64(upstream.EnterExtArg),
	"enterRegisteredRing": uint64(upstream.EnterRegisteredRing),

	"sqNeedWakeup": uint64(upstream.SQNeedWakeup),
	"sqCQOverflow": uint64(upstream.SQCQOverflow),
	"sqTaskrun":    uint64(upstream.SQTaskrun),

	"registerEventFD":        uint64(upstream.RegisterEventFD),
	"unregisterEventFD":      uint64(upstream.UnregisterEventFD),
	"registerProbe":          uint64(upstream.RegisterProbe),
	"registerEnableRings":    uint64(upstream.RegisterEnableRings),
	"registerIOWQMaxWorkers": uint64(upstream.RegisterIOWQMaxWorkers),
	"registerRingFDs":        uint64(upstream.RegisterRingFDs),
	"unregisterRingFDs":      uint64(upstream.UnregisterRingFDs),
	"registerPbufRing":       uint64(upstream.RegisterPbufRing),

	"registerBuffers2":      uint64(upstream.RegisterBuffers2),
	"registerBuffersUpdate": uint64(upstream.RegisterBuffersUpdate),
	"rsrcSparse":            uint64(upstream.RsrcRegisterSparse),
	"opReadFixed":           uint64(upstream.OpReadFixed),
	"opWriteFixed":          uint64(upstream.OpWriteFixed),

	"sqeBufferSelect":   uint64(upstream.SqeBufferSelect),
	"recvsendPollFirst": uint64(upstream.RecvsendPollFirst),
	"recvMultishot":     uint64(upstream.RecvMultishot),
	"acceptMultishot":   uint64(upstream.AcceptMultishot),
	"pollAddMulti":      uint64(upstream.PollAddMulti),
}

// newer are constants of kernels that giouring does not know, and those that it keeps to itself, with the kernel's values
// from include/uapi/linux/io_uring.h.
var newer = map[string]uint64{
	"setupNoSQArray":  1 << 16,    // 6.6
	"featNoIowait":    1 << 17,    // 6.15
	"enterNoIowait":   1 << 7,     // 6.15
	"acceptPollFirst": 1 << 2,     // 6.10
	"offSQRing":       0,          // giouring's offsqRing
	"offSQEs":         0x10000000, // its offSQEs
	"opSupported":     1,          // its opSupported
}

// TestConstants reads the source of package ring, because its constants are nobody's business but this test's, and
// leaves none of them out.
func TestConstants(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "../abi_linux.go", nil, 0)
	require.NoError(t, err)
	// The imports are not needed for constants, and their absence not for the test.
	conf := types.Config{Error: func(error) {}}
	pkg, _ := conf.Check("ring", fset, []*ast.File{file}, nil)

	values := map[string]uint64{}
	for _, name := range pkg.Scope().Names() {
		if c, ok := pkg.Scope().Lookup(name).(*types.Const); ok {
			v, exact := constant.Uint64Val(constant.ToInt(c.Val()))
			require.True(t, exact, name)
			values[name] = v
		}
	}
	want := maps.Clone(kernelConstants)
	for name, v := range newer {
		require.NotContains(t, want, name)
		want[name] = v
	}
	require.Equal(t, want, values)
}

func TestExportedConstants(t *testing.T) {
	for ours, theirs := range map[ring.Opcode]uint8{
		ring.OpNop: upstream.OpNop, ring.OpReadv: upstream.OpReadv, ring.OpWritev: upstream.OpWritev,
		ring.OpFsync: upstream.OpFsync, ring.OpPollAdd: upstream.OpPollAdd, ring.OpSendmsg: upstream.OpSendmsg,
		ring.OpRecvmsg: upstream.OpRecvmsg, ring.OpAccept: upstream.OpAccept, ring.OpCancel: upstream.OpAsyncCancel,
		ring.OpConnect: upstream.OpConnect, ring.OpFallocate: upstream.OpFallocate, ring.OpOpenat: upstream.OpOpenat,
		ring.OpClose: upstream.OpClose, ring.OpStatx: upstream.OpStatx, ring.OpRead: upstream.OpRead,
		ring.OpWrite: upstream.OpWrite, ring.OpSend: upstream.OpSend, ring.OpRecv: upstream.OpRecv,
		ring.OpShutdown: upstream.OpShutdown, ring.OpRenameat: upstream.OpRenameat, ring.OpUnlinkat: upstream.OpUnlinkat,
		ring.OpMkdirat: upstream.OpMkdirat, ring.OpSymlinkat: upstream.OpSymlinkat, ring.OpLinkat: upstream.OpLinkat,
		ring.OpMsgRing: upstream.OpMsgRing,
	} {
		require.Equal(t, theirs, uint8(ours), "%v", ours)
	}
	require.Equal(t, ring.Opcode(55), ring.OpFtruncate) // 6.9, not in giouring

	require.Equal(t, upstream.CQEFBuffer, uint32(ring.CQEBuffer))
	require.Equal(t, upstream.CQEFMore, uint32(ring.CQEMore))
	require.Equal(t, upstream.CQEFSockNonempty, uint32(ring.CQENonEmpty))
	require.Equal(t, uint32(5)<<upstream.CQEBufferShift|upstream.CQEFBuffer, ring.BufferFlags(5))
	require.Equal(t, upstream.FsyncDatasync, uint32(ring.FsyncData))
	require.Equal(t, upstream.AsyncCancelAll, uint32(ring.CancelAll))
	require.Equal(t, upstream.AsyncCancelFd, uint32(ring.CancelFD))
	require.Equal(t, upstream.AsyncCancelAny, uint32(ring.CancelAny))
	require.Equal(t, unsafe.Sizeof(upstream.CompletionQueueEvent{}), unsafe.Sizeof(ring.CQE{}))
}
