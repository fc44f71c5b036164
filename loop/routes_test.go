package loop_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/fallback"
	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// A route says who carries an operation out. TestRoutes runs those that have a run and fails if they go another way; ROUTES.md is
// made of the table.
type route struct {
	method string // as "Loop.Open"
	call   string // the system calls
	ring   []ring.Opcode
	kernel string // where io_uring does it: Linux 6.18 on ext4
	user   who    // what carries it out in the fallback
	run    func(e *routed)
}

// who carries an operation out.
type who int

const (
	theLoop  who = iota // a system call on its own goroutine: at once, and if it would block again when the poller says so
	aWorker             // of the fallback
	theLane             // a worker of the loop's own, on every backend
	depends             // the loop if the page cache has it, else a worker
	nobody              // there is nothing to carry out
	whoCount = iota
)

var whoNames = [whoCount]string{"the loop, with the poller", "a worker", "a lane", "the loop if cached, else a worker", "-"}

// routed is what the runs work on.
type routed struct {
	t            *testing.T
	l            *loop.Loop
	dir          string
	f            *loop.File
	conn, client *loop.Conn
}

func (e *routed) in(name string) string { return filepath.Join(e.dir, name) }

func (e *routed) done(err error) { require.NoError(e.t, err) }

func (e *routed) io(_ []byte, err error) { require.NoError(e.t, err) }

// Where the kernel does what was submitted.
const (
	inline = "inline"
	async  = "inline, or by its own interrupt"
	iowq   = "a kernel worker"
	armed  = "inline, or when its own poll says so"
)

var routes = []route{
	{"Loop.Open", "openat", []ring.Opcode{ring.OpOpenat}, "inline if it is cached and for reading, else a kernel worker", aWorker,
		func(e *routed) {
			e.l.Open(e.in("file"), os.O_RDONLY, 0, func(f *loop.File, err error) { e.t.Cleanup(func() { f.Close(nil) }) })
		}},
	{"Loop.Stat", "statx", []ring.Opcode{ring.OpStatx}, iowq, aWorker, func(e *routed) { e.l.Stat(e.in("file"), func(fs.FileInfo, error) {}) }},
	{"Loop.Lstat", "statx", []ring.Opcode{ring.OpStatx}, iowq, aWorker, func(e *routed) { e.l.Lstat(e.in("file"), func(fs.FileInfo, error) {}) }},
	{"Loop.Mkdir", "mkdirat", []ring.Opcode{ring.OpMkdirat}, iowq, aWorker, func(e *routed) { e.l.Mkdir(e.in("made"), 0o700, e.done) }},
	{"Loop.Rename", "renameat2", []ring.Opcode{ring.OpRenameat}, iowq, aWorker, func(e *routed) { e.l.Rename(e.in("made"), e.in("renamed"), e.done) }},
	{"Loop.Link", "linkat", []ring.Opcode{ring.OpLinkat}, iowq, aWorker, func(e *routed) { e.l.Link(e.in("file"), e.in("link"), e.done) }},
	{"Loop.Symlink", "symlinkat", []ring.Opcode{ring.OpSymlinkat}, iowq, aWorker, func(e *routed) { e.l.Symlink("file", e.in("soft"), e.done) }},
	{"Loop.Remove", "unlinkat", []ring.Opcode{ring.OpUnlinkat}, iowq, aWorker, func(e *routed) { e.l.Remove(e.in("link"), e.done) }},
	{"Loop.Chmod", "fchmodat", nil, "", theLane, func(e *routed) { e.l.Chmod(e.in("file"), 0o600, e.done) }},
	{"Loop.Chown", "fchownat", nil, "", theLane, func(e *routed) { e.l.Chown(e.in("file"), -1, -1, e.done) }},
	{"Loop.Lchown", "lchown", nil, "", theLane, func(e *routed) { e.l.Lchown(e.in("file"), -1, -1, e.done) }},
	{"Loop.Chtimes", "utimensat", nil, "", theLane, func(e *routed) { e.l.Chtimes(e.in("file"), time.Now(), time.Now(), e.done) }},
	{"Loop.Lchtimes", "utimensat", nil, "", theLane, func(e *routed) { e.l.Lchtimes(e.in("file"), time.Now(), time.Now(), e.done) }},
	{"Loop.Access", "faccessat", nil, "", theLane, func(e *routed) { e.l.Access(e.in("file"), loop.AccessRead, e.done) }},
	{"Loop.Truncate", "truncate", nil, "", theLane, func(e *routed) { e.l.Truncate(e.in("soft"), 200_000, e.done) }},
	{"Loop.Statfs", "statfs", nil, "", theLane, func(e *routed) { e.l.Statfs(e.dir, func(loop.FSInfo, error) {}) }},
	{"Loop.Readlink", "readlinkat", nil, "", theLane, func(e *routed) { e.l.Readlink(e.in("soft"), func(string, error) {}) }},
	{"Loop.RealPath", "lstat, readlink", nil, "", theLane, func(e *routed) { e.l.RealPath(e.in("soft"), func(string, error) {}) }},
	{"Loop.MkdirTemp", "mkdirat", nil, "", theLane, func(e *routed) { e.l.MkdirTemp(e.dir, "x", func(string, error) {}) }},
	{"Loop.CreateTemp", "openat", nil, "", theLane, func(e *routed) {
		e.l.CreateTemp(e.dir, "x", func(f *loop.File, err error) { e.t.Cleanup(func() { f.Close(nil) }) })
	}},
	{"Loop.MkdirAll", "mkdirat", nil, "", theLane, func(e *routed) { e.l.MkdirAll(e.in("a/b"), 0o700, e.done) }},
	{"Loop.RemoveAll", "unlinkat, getdents64", nil, "", theLane, func(e *routed) { e.l.RemoveAll(e.in("a"), e.done) }},
	{"Loop.Getxattr", "getxattr", nil, "", theLane, func(e *routed) { e.l.Getxattr(e.in("file"), "user.a", func([]byte, error) {}) }},
	{"Loop.Listxattr", "listxattr", nil, "", theLane, func(e *routed) { e.l.Listxattr(e.in("file"), func([]string, error) {}) }},
	{"Loop.Setxattr", "setxattr", nil, "", theLane, func(e *routed) { e.l.Setxattr(e.in("file"), "user.a", nil, nil) }},
	{"Loop.Removexattr", "removexattr", nil, "", theLane, func(e *routed) { e.l.Removexattr(e.in("file"), "user.a", nil) }},
	{"Loop.ReadDir", "openat, getdents64, close", nil, "", theLane, func(e *routed) { e.l.ReadDir(e.dir, func([]fs.DirEntry, error) {}) }},
	{"Loop.ReadFile", "openat, pread, close", []ring.Opcode{ring.OpOpenat, ring.OpRead, ring.OpClose}, "inline if it is cached", aWorker,
		func(e *routed) { e.l.ReadFile(e.in("file"), e.io) }},
	{"Loop.WriteFile", "openat, write, fsync, renameat", nil, "", theLane, func(e *routed) { e.l.WriteFile(e.in("w"), []byte("x"), 0o600, e.done) }},
	{"Loop.CopyFile", "copy_file_range, renameat", nil, "", theLane, func(e *routed) { e.l.CopyFile(e.in("c"), e.in("file"), nil, e.done) }},
	{"Loop.Work", "the program's", nil, "", theLane, func(e *routed) { e.l.Work(func() error { return nil }, e.done) }},
	{"Loop.Dial", "connect", []ring.Opcode{ring.OpConnect}, armed, theLoop, nil},
	{"Loop.LookupHost", "the system's resolver", nil, "", theLane, nil},
	{"Loop.Watch", "poll", []ring.Opcode{ring.OpPollAdd}, armed, theLoop, nil},
	{"Loop.Submit", "as the entry says", nil, "as the entry says", nobody, nil},
	{"File.ReadAt", "preadv2 up to 64 KiB, pread", []ring.Opcode{ring.OpRead}, async, depends, func(e *routed) { e.f.ReadAt(make([]byte, 70_000), 0, e.io) }},
	{"File.ReadVecAt", "preadv", []ring.Opcode{ring.OpReadv}, async, depends,
		func(e *routed) { e.f.ReadVecAt([][]byte{make([]byte, 10)}, 0, func(int, error) {}) }},
	{"File.Read", "read", []ring.Opcode{ring.OpRead}, async, depends, func(e *routed) { e.f.Read(make([]byte, 10), e.io) }},
	{"File.WriteAt", "pwrite", []ring.Opcode{ring.OpWrite}, "a kernel worker; O_DIRECT inline after the first", aWorker,
		func(e *routed) { e.f.WriteAt([]byte("x"), 0, e.io) }},
	{"File.WriteVecAt", "pwritev", []ring.Opcode{ring.OpWritev}, "a kernel worker; O_DIRECT inline after the first", aWorker,
		func(e *routed) { e.f.WriteVecAt([][]byte{{1}}, 0, func(int, error) {}) }},
	{"File.Write", "write", []ring.Opcode{ring.OpWrite}, iowq, aWorker, func(e *routed) { e.f.Write([]byte("x"), e.io) }},
	{"File.Append", "pwritev2", []ring.Opcode{ring.OpWrite}, iowq, aWorker, func(e *routed) { e.f.Append([]byte("x"), e.io) }},
	{"File.Sync", "fsync", []ring.Opcode{ring.OpFsync}, iowq, aWorker, func(e *routed) { e.f.Sync(e.done) }},
	{"File.Datasync", "fdatasync", []ring.Opcode{ring.OpFsync}, iowq, aWorker, func(e *routed) { e.f.Datasync(e.done) }},
	{"File.Stat", "statx", []ring.Opcode{ring.OpStatx}, iowq, aWorker, func(e *routed) { e.f.Stat(func(fs.FileInfo, error) {}) }},
	{"File.Truncate", "ftruncate", []ring.Opcode{ring.OpFtruncate}, iowq, aWorker, func(e *routed) { e.f.Truncate(100_000, e.done) }},
	{"File.Allocate", "fallocate", []ring.Opcode{ring.OpFallocate}, iowq, aWorker, func(e *routed) { e.f.Allocate(0, 10, nil) }},
	{"File.Chmod", "fchmod", nil, "", theLane, func(e *routed) { e.f.Chmod(0o600, e.done) }},
	{"File.Chown", "fchown", nil, "", theLane, func(e *routed) { e.f.Chown(-1, -1, e.done) }},
	{"File.Chtimes", "utimensat", nil, "", theLane, func(e *routed) { e.f.Chtimes(time.Now(), time.Now(), e.done) }},
	{"File.Advise", "fadvise64", nil, "", theLane, func(e *routed) { e.f.Advise(0, 0, loop.AdviceNormal, e.done) }},
	{"File.Lock", "flock", nil, "", theLane, func(e *routed) { e.f.Lock(e.done) }},
	{"File.RLock", "flock", nil, "", theLane, func(e *routed) { e.f.RLock(e.done) }},
	{"File.TryLock", "flock", nil, "", theLane, func(e *routed) { e.f.TryLock(e.done) }},
	{"File.TryRLock", "flock", nil, "", theLane, func(e *routed) { e.f.TryRLock(e.done) }},
	{"File.Unlock", "flock", nil, "", theLane, func(e *routed) { e.f.Unlock(e.done) }},
	{"File.Getxattr", "fgetxattr", nil, "", theLane, func(e *routed) { e.f.Getxattr("user.a", func([]byte, error) {}) }},
	{"File.Listxattr", "flistxattr", nil, "", theLane, func(e *routed) { e.f.Listxattr(func([]string, error) {}) }},
	{"File.Setxattr", "fsetxattr", nil, "", theLane, func(e *routed) { e.f.Setxattr("user.a", nil, nil) }},
	{"File.Removexattr", "fremovexattr", nil, "", theLane, func(e *routed) { e.f.Removexattr("user.a", nil) }},
	{"Listener.Accept", "accept4", []ring.Opcode{ring.OpAccept}, armed, theLoop, nil},
	{"Conn.Send", "send, sendmsg", []ring.Opcode{ring.OpSend}, armed, theLoop, func(e *routed) { e.client.Send([]byte("to"), e.io) }},
	{"Conn.Recv", "recv", []ring.Opcode{ring.OpRecv}, armed, theLoop, func(e *routed) { e.conn.Recv(make([]byte, 2), e.io) }},
	{"Conn.SendVec", "sendmsg", []ring.Opcode{ring.OpSendmsg}, armed, theLoop,
		func(e *routed) { e.client.SendVec([][]byte{[]byte("two"), []byte("three")}, func(int, error) {}) }},
	{"Conn.RecvFull", "recv", []ring.Opcode{ring.OpRecv}, armed, theLoop, func(e *routed) { e.conn.RecvFull(make([]byte, 8), e.io) }},
	{"Conn.RecvMultishot", "recv", []ring.Opcode{ring.OpRecv}, armed, theLoop, nil},
	{"Conn.SendBuffer", "send", []ring.Opcode{ring.OpSend}, armed, theLoop, func(e *routed) { e.client.SendBuffer(loop.Buffer{}, e.done) }},
	{"Conn.SendFile", "pread, send", []ring.Opcode{ring.OpRead, ring.OpSend}, armed, depends,
		func(e *routed) { e.client.SendFile(e.f, 0, 100, func(int64, error) {}) }},
	{"Conn.RecvFile", "recv, pwrite", []ring.Opcode{ring.OpRecv, ring.OpWrite}, armed, aWorker,
		func(e *routed) { e.conn.RecvFile(e.f, 0, 100, func(int64, error) {}) }}, // what SendFile sent
	{"Conn.SendFDs", "sendmsg", []ring.Opcode{ring.OpSendmsg}, armed, theLoop, nil},
	{"Conn.RecvFDs", "recvmsg", []ring.Opcode{ring.OpRecvmsg}, armed, theLoop, nil},
	{"Conn.CloseWrite", "shutdown", nil, "", theLoop, func(e *routed) { e.client.CloseWrite(e.done) }},
	{"PacketConn.Recv", "recvmsg", []ring.Opcode{ring.OpRecvmsg}, armed, theLoop, nil},
	{"PacketConn.RecvMultishot", "recvmsg", []ring.Opcode{ring.OpRecvmsg}, armed, theLoop, nil},
	{"PacketConn.Send", "sendmsg", []ring.Opcode{ring.OpSendmsg}, armed, theLoop, nil},
	{"PacketConn.SendName", "sendmsg", []ring.Opcode{ring.OpSendmsg}, armed, theLoop, nil},
	{"PacketConn.SendBuffer", "sendmsg", []ring.Opcode{ring.OpSendmsg}, armed, theLoop, nil},
	{"Resolver.LookupHost", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupIP4", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupIP6", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupMX", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupNS", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupTXT", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupSRV", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupAddr", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"Resolver.LookupCNAME", "sendmsg, recvmsg", []ring.Opcode{ring.OpSendmsg, ring.OpRecvmsg}, armed, theLoop, nil},
	{"FileWatcher.Watch", "poll, read", []ring.Opcode{ring.OpPollAdd, ring.OpRead}, armed, theLoop, nil},
	{"FileWatcher.Add", "inotify_add_watch, getdents64", nil, "", theLane, nil},
	{"Reader.Next", "recv", []ring.Opcode{ring.OpRecv}, armed, theLoop, nil},
	{"Reader.ReadUntil", "recv", []ring.Opcode{ring.OpRecv}, armed, theLoop, nil},
	{"PacketConn.SendSegments", "sendmsg", []ring.Opcode{ring.OpSendmsg}, armed, theLoop, nil},
}

// opRecorder notes the opcodes that the loop hands to its queue.
type opRecorder struct {
	loop.Queue
	pushed map[ring.Opcode]bool
}

func (q *opRecorder) Push(s *ring.SQE) bool {
	if s.Opcode != ring.OpCancel {
		q.pushed[s.Opcode] = true
	}
	return q.Queue.Push(s)
}

// TestRoutes has each operation take its route: the opcodes that the table names and no others, a lane or none, a worker of the fallback or none.
func TestRoutes(t *testing.T) {
	for _, c := range []column{{"uring", ringColumn(ring.Options{})}, {"epoll", fallbackColumn("epoll")}} {
		t.Run(c.name, func(t *testing.T) {
			q := &opRecorder{}
			opened := column{c.name, func() (_ loop.Queue, err error) {
				q.Queue, err = c.open()
				return q, err
			}}
			runCase(t, opened, loop.Options{}, func(t *testing.T, l *loop.Loop) {
				q.pushed = map[ring.Opcode]bool{}
				e := &routed{t: t, l: l, dir: t.TempDir()}
				require.NoError(t, os.WriteFile(e.in("file"), noise(200_000), 0o600))
				e.f = openNamed(t, l, e.in("file"), os.O_RDWR)
				e.conn, e.client = connectOurs(t, l)
				user, inUserSpace := q.Queue.(*fallback.Queue)
				for _, r := range routes {
					if r.run == nil {
						continue
					}
					clear(q.pushed)
					jobs, laneJobs := uint64(0), l.LaneJobs()
					if inUserSpace {
						jobs = user.Stats().Jobs
					}
					r.run(e)
					require.NoError(t, l.Run(), r.method)
					var supported []ring.Opcode
					detour := false
					for _, op := range r.ring {
						if l.Features().Supports(op) {
							supported = append(supported, op)
						} else {
							detour = true
						}
					}
					for op := range q.pushed {
						require.Contains(t, supported, op, r.method)
					}
					if r.user != depends {
						require.Len(t, q.pushed, len(supported), r.method)
					}
					require.Equal(t, r.user == theLane || detour, l.LaneJobs() > laneJobs, "%s on a lane", r.method)
					if inUserSpace && r.user != depends {
						require.Equal(t, r.user == aWorker, user.Stats().Jobs > jobs, "%s with a worker", r.method)
					}
				}
			})
		})
	}
}

// TestRoutesComplete: each method that starts an operation has its route.
func TestRoutesComplete(t *testing.T) {
	var missing []string
	known := map[string]bool{}
	for _, r := range routes {
		require.False(t, known[r.method], r.method)
		known[r.method] = true
	}
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() || f.Type.Results == nil {
				continue
			}
			if result, ok := f.Type.Results.List[0].Type.(*ast.Ident); !ok || result.Name != "Op" {
				continue
			}
			pointer, ok := f.Recv.List[0].Type.(*ast.StarExpr)
			if !ok || f.Name.Name == "Op" { // it names one that was started
				continue
			}
			if method := fmt.Sprint(pointer.X) + "." + f.Name.Name; !known[method] {
				missing = append(missing, method)
			}
			delete(known, fmt.Sprint(pointer.X)+"."+f.Name.Name)
		}
	}
	require.Empty(t, missing, "add them to the table in routes_test.go")
	require.Empty(t, known, "of the table in routes_test.go, these do not exist")
}

// TestRoutesWritten: ROUTES.md says what the table does. With LOOP_WRITE_ROUTES=1 it is written.
func TestRoutesWritten(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Who carries out what

Made from the table in routes_test.go, whose test has the operations take these ways. To write it anew:
` + "`LOOP_WRITE_ROUTES=1 go test ./loop -run TestRoutesWritten`" + `

"Kernel" is where Linux 6.18 does it on ext4: inline means within the submission. A kernel worker is a thread of io-wq, which shows up in the process as iou-wrk. What it
would hand to one anyway is worth an opcode only if it is one system call that programs start by the hundred; everything else runs on the file lane, which
can combine several. A system call of the loop's own never blocks. An opcode that the kernel lacks goes to a lane. Closing is CLOSE for whatever has a descriptor: inline, a
file's in the fallback by a worker.

| operation | system call | io_uring | kernel | fallback |
| --- | --- | --- | --- | --- |
`)
	for _, r := range routes {
		onRing, kernel := "a lane", r.kernel
		switch {
		case len(r.ring) > 0:
			var names []string
			for _, op := range r.ring {
				names = append(names, op.String())
			}
			onRing = strings.Join(names, ", ")
		case r.user == theLoop:
			onRing = "the loop"
		case r.user == nobody:
			onRing = "its opcode"
		}
		if kernel == "" {
			kernel = "-"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.method, r.call, onRing, kernel, whoNames[r.user])
	}
	if os.Getenv("LOOP_WRITE_ROUTES") == "1" {
		require.NoError(t, os.WriteFile("ROUTES.md", []byte(b.String()), 0o644))
	}
	written, err := os.ReadFile("ROUTES.md")
	require.NoError(t, err)
	require.True(t, slices.Equal(strings.Split(b.String(), "\n"), strings.Split(string(written), "\n")), "ROUTES.md is out of date: run with LOOP_WRITE_ROUTES=1")
}
