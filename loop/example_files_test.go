package loop_test

import (
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/proactor-go/proactor/loop"
)

// tempDir makes a directory for an example.
func tempDir() (name string, remove func()) {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }
}

// The file is replaced as a whole: who reads it meanwhile sees the old content or the new one.
func ExampleLoop_WriteFile() {
	dir, remove := tempDir()
	defer remove()
	l := newLoop()
	defer l.Close()

	name := filepath.Join(dir, "config")
	l.WriteFile(name, []byte("colour = blue\n"), 0o644, func(err error) {
		if err != nil {
			log.Fatal(err)
		}
		l.ReadFile(name, func(data []byte, err error) { fmt.Printf("%s%v\n", data, err) })
	}).Timeout(time.Minute)
	_ = l.Run()
	// Output:
	// colour = blue
	// <nil>
}

// A directory of any size takes bounded memory.
func ExampleLoop_ReadDir() {
	dir, remove := tempDir()
	defer remove()
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			log.Fatal(err)
		}
	}

	l := newLoop()
	defer l.Close()
	total := 0
	l.ReadDir(dir, func(entries []fs.DirEntry, err error) {
		if err != nil {
			fmt.Println(total, "files,", err)
			return
		}
		total += len(entries)
	})
	_ = l.Run()
	// Output: 1000 files, EOF
}

func ExampleLoop_CopyFile() {
	dir, remove := tempDir()
	defer remove()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := os.WriteFile(src, make([]byte, 1_000_000), 0o600); err != nil {
		log.Fatal(err)
	}

	l := newLoop()
	defer l.Close()
	l.CopyFile(dst, src, func(done, total int64) {
		fmt.Println(done, "of", total)
	}, func(err error) {
		fmt.Println("done", err)
	})
	_ = l.Run()
	// Output:
	// 1000000 of 1000000
	// done <nil>
}

// A header, a file and the end, in this order.
func ExampleConn_SendFile() {
	dir, remove := tempDir()
	defer remove()
	name := filepath.Join(dir, "page")
	if err := os.WriteFile(name, []byte("from the file"), 0o600); err != nil {
		log.Fatal(err)
	}

	l := newLoop()
	defer l.Close()
	ln, err := l.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	ln.Accept(func(c *loop.Conn, err error) {
		if err != nil {
			return
		}
		ln.Close(nil)
		l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
			if err != nil {
				log.Fatal(err)
			}
			c.Send([]byte("header, "), nil)
			c.SendFile(f, 5, -1, func(n int64, err error) { f.Close(nil) })
			c.CloseWrite(func(error) { c.Close(nil) })
		})
	})
	l.Dial("tcp", ln.Addr().String(), func(c *loop.Conn, err error) {
		if err != nil {
			log.Fatal(err)
		}
		c.RecvFull(make([]byte, 100), func(b []byte, err error) {
			fmt.Println(string(b), err == io.ErrUnexpectedEOF)
			c.Close(nil)
		})
	})
	_ = l.Run()
	// Output: header, the file true
}

func ExampleFile_Lock() {
	l := newLoop()
	defer l.Close()
	l.CreateTemp("", "example", func(f *loop.File, err error) {
		if err != nil {
			log.Fatal(err)
		}
		l.Open(f.Name(), os.O_RDWR, 0, func(other *loop.File, err error) {
			if err != nil {
				log.Fatal(err)
			}
			f.Lock(func(err error) {
				fmt.Println("first:", err)
				other.Lock(func(err error) { // waits
					fmt.Println("second:", err)
					other.Close(nil)
				}).Timeout(time.Minute)
				other.TryLock(func(err error) {
					fmt.Println("busy:", err.(*fs.PathError).Err == syscall.EWOULDBLOCK)
					f.Close(nil)
				})
			})
			l.Remove(f.Name(), nil)
		})
	})
	_ = l.Run()
	// Output:
	// first: <nil>
	// busy: true
	// second: <nil>
}

func ExampleLoop_Statfs() {
	l := newLoop()
	defer l.Close()
	l.Statfs(os.TempDir(), func(info loop.FSInfo, err error) {
		fmt.Println(info.Available <= info.Size, err)
	})
	_ = l.Run()
	// Output: true <nil>
}

// Four reads are in flight at any time, each into a buffer that the kernel has registered. With O_DIRECT (see [loop.AlignedBuffer]) that pays most.
func ExampleLoop_RegisteredBuffers() {
	dir, remove := tempDir()
	defer remove()
	name := filepath.Join(dir, "blocks")
	const block, blocks = 4096, 64
	if err := os.WriteFile(name, make([]byte, block*blocks), 0o600); err != nil {
		log.Fatal(err)
	}

	l := newLoop()
	defer l.Close()
	buffers, _ := l.RegisteredBuffers(4, block) // as good where the kernel does not register them, only slower
	l.Open(name, os.O_RDONLY, 0, func(f *loop.File, err error) {
		if err != nil {
			log.Fatal(err)
		}
		next, total := 0, 0
		var done loop.IOFunc
		read := func(b []byte) {
			if next < blocks {
				f.ReadAt(b, int64(next)*block, done)
				next++
			}
		}
		done = func(b []byte, err error) {
			if err != nil {
				log.Fatal(err)
			}
			if total += len(b); total == block*blocks {
				fmt.Println(total, "bytes")
				f.Close(nil)
			}
			read(b[:block])
		}
		for _, b := range buffers {
			read(b)
		}
	})
	_ = l.Run()
	// Output: 262144 bytes
}
