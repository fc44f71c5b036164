package ring

import (
	"math/bits"
	"strings"
)

// Feature is one ability of a queue that its caller may or must take into account.
type Feature uint32

// The features. The comments give the kernel that introduced them for io_uring; the queue in user space has all
// that concern its caller.
const (
	MultishotAccept  Feature = 1 << iota // OpAccept with Multishot, 5.19
	MultishotRecv                        // OpRecv with Multishot, 6.0
	MultishotPoll                        // OpPollAdd with Multishot, 5.13
	BufferRings                          // Provide, and OpRecv with BufferSelect, 5.19
	PollFirstHint                        // the PollFirst hint, 5.19
	CancelByFD                           // OpCancel with CancelFD, CancelAny, CancelAll, 5.19
	SingleIssuer                         // IORING_SETUP_SINGLE_ISSUER, 6.0
	DeferTaskrun                         // IORING_SETUP_DEFER_TASKRUN, 6.1
	CoopTaskrun                          // IORING_SETUP_COOP_TASKRUN, 5.19
	NoSQArray                            // IORING_SETUP_NO_SQARRAY, 6.6
	NoIowait                             // IORING_ENTER_NO_IOWAIT, 6.15
	RegisteredRing                       // IORING_REGISTER_RING_FDS, 5.18
	WorkerCap                            // IORING_REGISTER_IOWQ_MAX_WORKERS, 5.15
	HotReads                             // the queue itself tries small file reads with a system call; io_uring does not
	MultishotRecvmsg                     // OpRecvmsg with Multishot and BufferSelect, 6.0
	FixedBuffers                         // Register, and the FixedBuffer hint, 5.19
)

var featureNames = []string{
	"multishot accept", "multishot recv", "multishot poll", "buffer rings", "poll first", "cancel by fd",
	"single issuer", "defer taskrun", "coop taskrun", "no sqarray", "no iowait", "registered ring", "worker cap",
	"hot reads", "multishot recvmsg", "fixed buffers",
}

// AllFeatures has every bit of Feature set.
const AllFeatures = Feature(1<<16 - 1)

// String lists the names, separated by commas.
func (f Feature) String() string {
	var names []string
	for rest := f & AllFeatures; rest != 0; rest &= rest - 1 {
		names = append(names, featureNames[bits.TrailingZeros32(uint32(rest))])
	}
	return strings.Join(names, ", ")
}

// Features is what a queue can do: found by probing and by trial, never by the kernel's version.
type Features struct {
	Set Feature
	Ops OpcodeSet
}

// Has reports whether all of f are there.
func (f Features) Has(want Feature) bool { return f.Set&want == want }

// Supports reports whether op can be pushed. What is not supported is refused with -EOPNOTSUPP,
// not attempted.
func (f Features) Supports(op Opcode) bool { return f.Ops.Has(op) }

// Without returns f with the features of mask taken out.
func (f Features) Without(mask Feature) Features {
	f.Set &^= mask
	return f
}

// OpcodeSet is a set of opcodes below 64.
type OpcodeSet uint64

// Has reports whether op is in the set.
func (s OpcodeSet) Has(op Opcode) bool { return op < 64 && s&(1<<op) != 0 }

// With returns the set with op in it.
func (s OpcodeSet) With(op Opcode) OpcodeSet { return s | 1<<op }
