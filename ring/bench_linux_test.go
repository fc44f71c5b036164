package ring

import (
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BenchmarkNop is the price of an entry: push, submit, reap. ns/op is for one.
func BenchmarkNop(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(strconv.Itoa(batch), func(b *testing.B) {
			f := bound(b, Options{})
			nop := &SQE{Opcode: OpNop}
			cqes := make([]CQE, batch)
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; {
				for range batch {
					f.Push(nop)
				}
				if err := f.Enter(-1); err != nil {
					b.Fatal(err)
				}
				done += f.Reap(cqes)
			}
		})
	}
}

// BenchmarkRead reads 4 KiB from a memory file, in batches of 16.
func BenchmarkRead(b *testing.B) {
	f := bound(b, Options{})
	fd, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	f.NoError(err)
	defer unix.Close(fd)
	const batch = 16
	bufs := make([]byte, batch*4096)
	entries := make([]SQE, batch)
	for i := range entries {
		entries[i] = SQE{Opcode: OpRead, FD: int32(fd), Addr: unsafe.Pointer(&bufs[i*4096]), Len: 4096, Flags: MayBlock}
	}
	cqes := make([]CQE, batch)
	b.SetBytes(4096)
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		for i := range entries {
			f.Push(&entries[i])
		}
		if err := f.Enter(-1); err != nil {
			b.Fatal(err)
		}
		done += f.Reap(cqes)
	}
}

// BenchmarkWake is a wake and the Enter that it ends, on one thread.
func BenchmarkWake(b *testing.B) {
	f := bound(b, Options{})
	var cqes [1]CQE
	b.ReportAllocs()
	for range b.N {
		_ = f.Wake()
		_ = f.Enter(-1)
		f.Reap(cqes[:])
	}
}
