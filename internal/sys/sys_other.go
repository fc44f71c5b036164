//go:build !unix

package sys

import (
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/ring"
)

const (
	DontWait    = 0
	PollIn      = 1
	PollOut     = 4
	PollErr     = 8
	PollHup     = 16
	PollNval    = 32
	SendFlags   = 0
	SendOnce    = 0
	RecvRights  = 0
	MaxRights   = 0
	AcceptFlags = 0
	AppendFlag  = 0
	EmptyPath   = 0
	StatMask    = 0
	MaxIov      = 1
	Direct      = 0
	CurrentDir  = -1
	RemoveDir   = 1
	NoFollow    = 0

	abstractNames = false
	maxUnixName   = 0
)

var CurrentDirArg uint32

const errUnsupported = syscall.Errno(1<<29 + 1) // nobody gets a loop here, so nobody sees it

func ThreadID() int64                                   { return 0 }
func Result(error) int32                                { return -1 }
func StreamSocket(TCPAddr) (int, error)                 { return -1, errUnsupported }
func ListenOptions(int, TCPAddr, bool) error            { return errUnsupported }
func BindListen(int, TCPAddr, int) (string, error)      { return "bind", errUnsupported }
func UnixSocket(string) (int, error)                    { return -1, errUnsupported }
func BindListenUnix(int, UnixAddr, int) (string, error) { return "bind", errUnsupported }
func (a UnixAddr) Encode(*ring.RawSockaddrAny) uint64   { return 0 }
func (a TCPAddr) Encode(*ring.RawSockaddrAny) uint64    { return 0 }
func DecodeAddr(*ring.RawSockaddrAny) net.Addr          { return nil }
func LocalAddr(int) (net.Addr, error)                   { return nil, errUnsupported }
func PeerAddr(int) (net.Addr, error)                    { return nil, errUnsupported }
func SetNoDelay(int, bool) error                        { return errUnsupported }
func SetKeepAlive(int, time.Duration) error             { return errUnsupported }
func SetLinger(int, int) error                          { return errUnsupported }
func SetReadBuffer(int, int) error                      { return errUnsupported }
func SetWriteBuffer(int, int) error                     { return errUnsupported }
func ShutdownWrite(int) int32                           { return -1 }
func Dup(int) (int, error)                              { return -1, errUnsupported }
func Close(int)                                         {}
func Inspect(int) (Stream, error)                       { return Stream{}, errUnsupported }
func Connected(int) error                               { return errUnsupported }
func Prepare(int) error                                 { return errUnsupported }
func Pipe() (r, w int, err error)                       { return -1, -1, errUnsupported }
func AttachRights(*ring.Msghdr, []int) []byte           { return nil }
func ExpectRights(*ring.Msghdr, []byte) []byte          { return nil }
func TakeRights(*ring.Msghdr) (fds []int, lost bool)    { return nil, false }
func PeerCred(int) (pid, uid, gid int, err error)       { return 0, 0, 0, errUnsupported }
func SpareFD() int                                      { return -1 }
func Shed(int) int                                      { return 0 }
func OpenFlags(flag int) uint32                         { return uint32(flag) }
func FileMode(perm fs.FileMode) uint32                  { return uint32(perm) }
func IsDirectory(int32) bool                            { return false }
func FileInfo(name string, _ *ring.Statx) fs.FileInfo   { return &fileInfo{name: name} }

func ReadNow(int32, []byte, int64) int32 { return -int32(errUnsupported) }
func UseHugePages([]byte)                {}

const (
	Directory  = 0
	LockShared = iota
	LockExclusive
	LockRelease
	AdviceNormal
	AdviceSequential
	AdviceRandom
	AdviceWillNeed
	AdviceDontNeed
	AdviceNoReuse
)

func Open(string, int, fs.FileMode) (int, error)          { return -1, errUnsupported }
func OpenFile(string, int, fs.FileMode) (*os.File, error) { return nil, errUnsupported }
func Access(string, uint32) error                         { return errUnsupported }
func Chmod(int, fs.FileMode) error                        { return errUnsupported }
func Chown(int, int, int) error                           { return errUnsupported }
func TryLock(int, int) error                              { return errUnsupported }
func Advise(int, int64, int64, int) error                 { return errUnsupported }
func SetTimes(int, time.Time, time.Time) error            { return errUnsupported }
func SetLinkTimes(string, time.Time, time.Time) error     { return errUnsupported }
func CopyRange(int, int, int) (int, error)                { return 0, errUnsupported }
func SizeNow(int32) int64                                 { return 0 }
func Statfs(string) (FSInfo, error)                       { return FSInfo{}, errUnsupported }
func Getxattr(string, int, string) ([]byte, error)        { return nil, errUnsupported }
func Listxattr(string, int) ([]string, error)             { return nil, errUnsupported }
func Setxattr(string, int, string, []byte) error          { return errUnsupported }
func Removexattr(string, int, string) error               { return errUnsupported }
