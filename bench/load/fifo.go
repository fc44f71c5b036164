package main

// A mark says when the messages up to a place in the stream were sent or, in an open loop, due.
type mark struct{ end, at int64 }

// A fifo is a queue of marks. It grows where an open loop outruns the server, and never shrinks.
type fifo struct {
	ring       []mark // a power of two, or none yet
	head, tail uint
}

func (f *fifo) empty() bool { return f.head == f.tail }

func (f *fifo) clear() { f.head = f.tail }

func (f *fifo) front() *mark { return &f.ring[f.head&uint(len(f.ring)-1)] }

func (f *fifo) pop() { f.head++ }

func (f *fifo) push(m mark) {
	if f.tail-f.head == uint(len(f.ring)) {
		f.grow()
	}
	f.ring[f.tail&uint(len(f.ring)-1)] = m
	f.tail++
}

func (f *fifo) grow() {
	ring := make([]mark, max(1, 2*len(f.ring)))
	n := uint(0)
	for ; !f.empty(); n++ {
		ring[n] = *f.front()
		f.pop()
	}
	f.ring, f.head, f.tail = ring, 0, n
}
