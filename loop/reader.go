package loop

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"unsafe"
)

// A Reader receives from a Conn what protocols are made of: lines, and runs of a known length. It keeps what came with them for the next
// call. While it is in use, receive through it only. It belongs to the loop's goroutine.
type Reader struct {
	c          *Conn
	buf        []byte
	start, end int // buf[start:end] was received and not yet handed out
	op         *op
	until      int // the delimiter, or -1
	size       int // how many bytes, without a delimiter
	seen       int // bytes from start on that hold no delimiter
	recv       Op
	onReceived IOFunc
}

// NewReader returns a Reader with a buffer of size bytes, at least 16: the longest line, or run, that it can receive.
func NewReader(c *Conn, size int) *Reader {
	r := &Reader{c: c, buf: make([]byte, max(size, 16))}
	r.onReceived = r.received
	return r
}

// Buffered returns what was received and not handed out yet. It is valid until the next call of ReadUntil or Next.
func (r *Reader) Buffered() []byte { return r.buf[r.start:r.end] }

// ReadUntil receives up to and including the next delim. fn gets a part of the Reader's buffer, valid until the next call of ReadUntil or Next. At the end
// of the stream it gets what is left with [io.EOF], as with [bufio.Reader.ReadBytes]; if the buffer fills up before, all of it with
// [bufio.ErrBufferFull]. A canceled one loses nothing: what it had received is there for the next. One operation of a Reader may be in flight, a second
// ends with [ErrBusy].
func (r *Reader) ReadUntil(delim byte, fn IOFunc) Op { return r.begin("ReadUntil", int(delim), 0, fn) }

// Next receives n bytes. fn gets them as from ReadUntil. At the end of the stream it gets what is left with [io.ErrUnexpectedEOF], or
// [io.EOF] if there is nothing; [bufio.ErrBufferFull] if n is more than the buffer has room for. A negative n panics.
func (r *Reader) Next(n int, fn IOFunc) Op {
	if n < 0 {
		panic(fmt.Sprintf("loop: Reader.Next: %d bytes", n))
	}
	return r.begin("Next", -1, n, fn)
}

func (r *Reader) begin(method string, until, size int, fn IOFunc) Op {
	needCallback(method, fn == nil)
	l := r.c.l
	if r.c.closing {
		return l.refuse(kindReader, &r.c.handle, fn)
	}
	o := l.start(kindReader, &r.c.handle, fn)
	x := l.slots.more(o)
	x.reader = r
	if r.op != nil {
		return l.settle(o, resBusy)
	}
	r.op, r.until, r.size, r.seen = o, until, size, 0
	if n, err := r.look(); n >= 0 {
		r.take(o, n, err)
		return l.settle(o, 0)
	}
	r.fill()
	return l.op(o)
}

// look returns how many bytes to hand out, below 0 if more have to come first.
func (r *Reader) look() (n int, err error) {
	got := r.end - r.start
	switch {
	case r.until < 0 && r.size > len(r.buf):
		return 0, bufio.ErrBufferFull
	case r.until < 0 && got >= r.size:
		return r.size, nil
	case r.until >= 0:
		if i := bytes.IndexByte(r.buf[r.start+r.seen:r.end], byte(r.until)); i >= 0 {
			return r.seen + i + 1, nil
		}
		if r.seen = got; got == len(r.buf) {
			return got, bufio.ErrBufferFull
		}
	}
	return -1, nil
}

// take makes n bytes the result of o.
func (r *Reader) take(o *op, n int, err error) {
	o.lend(r.buf[r.start : r.start+n])
	o.extra.err = err
	r.start += n
}

// fill receives into what is free of the buffer.
func (r *Reader) fill() {
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	r.recv = r.c.Recv(r.buf[r.end:], r.onReceived).Unref() // the operation of the Reader's own holds the loop
}

func (r *Reader) received(b []byte, err error) {
	r.end += len(b)
	o := r.op
	n, full := r.look()
	switch {
	case n >= 0:
		err = full
	case err == nil && o.cause == causeNone:
		r.fill()
		return
	case o.cause != causeNone:
		n, err = 0, o.stopped()
	case err != io.EOF:
		n = 0
	default:
		if n = r.end - r.start; n > 0 && r.until < 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	r.take(o, n, err)
	r.c.l.readerDone(o, 0)
}

// readerDone ends a ReadUntil or Next.
func (l *Loop) readerDone(o *op, res int32) {
	var err error
	if x := o.extra; x != nil {
		err = x.err
		if r := x.reader; r != nil && r.op == o {
			r.op = nil
		}
	}
	if res < 0 {
		err = o.fault(res)
	}
	b, fn := unsafe.Slice((*byte)(o.sqe.Addr), int(o.sqe.Len)), callback[IOFunc](o)
	l.retire(o)
	fn(b, err)
}
