package pattern

import (
	"encoding/binary"
	"fmt"
)

// RecordSize is the length of a record of the append workload.
const RecordSize = 512

// Record writes the header of client's record number seq to b and seals it with the last word. What is between stays as it is.
func Record(b []byte, client, seq uint64) {
	binary.LittleEndian.PutUint64(b, client)
	binary.LittleEndian.PutUint64(b[Word:], seq)
	binary.LittleEndian.PutUint64(b[RecordSize-Word:], seal(client, seq))
}

func seal(client, seq uint64) uint64 { return at(int64(client<<40|seq), Base) }

// A Log checks a file of records as it reads it: each client's records are there once, in order, and whole.
type Log struct {
	next []uint64 // by client
}

// NewLog expects records of as many clients.
func NewLog(clients int) *Log { return &Log{next: make([]uint64, clients)} }

// Add checks the next record of the file.
func (l *Log) Add(b []byte) error {
	client, seq := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[Word:])
	switch {
	case client >= uint64(len(l.next)):
		return fmt.Errorf("a record of client %d, and there are %d", client, len(l.next))
	case seq != l.next[client]:
		return fmt.Errorf("record %d of client %d where %d should be", seq, client, l.next[client])
	case binary.LittleEndian.Uint64(b[RecordSize-Word:]) != seal(client, seq):
		return fmt.Errorf("record %d of client %d is torn", seq, client)
	}
	l.next[client]++
	return nil
}

// Len returns how many records there were.
func (l *Log) Len() (n uint64) {
	for _, next := range l.next {
		n += next
	}
	return n
}
