// Package pattern is what the benchmark's files contain: every 8 bytes are their own offset in the file, mixed with a
// constant, so that a block from the wrong place, a stale one and a torn one are all found, by anyone, without a second copy.
package pattern

import (
	"encoding/binary"
	"fmt"
)

// Word is the unit of the pattern in bytes. Offsets and lengths are multiples of it.
const Word = 8

// Base is the salt of a prepared file.
const Base uint64 = 0x70726f6163746f72

// Generation is the salt of what a run writes in place of another's: blocks that it did not write are found. It changes the upper half
// only, so that files below 4 GiB share no word with their former selves.
func Generation(n uint32) uint64 { return Base ^ uint64(n)<<32 }

// at is the word at offset off. The factor is odd, so that no two offsets share a word.
func at(off int64, salt uint64) uint64 {
	return (uint64(off) ^ salt) * 0x9e3779b97f4a7c15
}

// Fill makes b what a file contains at offset off.
func Fill(b []byte, off int64, salt uint64) {
	for i := 0; i+Word <= len(b); i += Word {
		binary.LittleEndian.PutUint64(b[i:], at(off+int64(i), salt))
	}
}

// Stamp makes the first and the last word of b what a file contains at offset off: enough for Check, and so cheap that
// a benchmark of writes measures writes.
func Stamp(b []byte, off int64, salt uint64) {
	last := len(b) - Word
	binary.LittleEndian.PutUint64(b, at(off, salt))
	binary.LittleEndian.PutUint64(b[last:], at(off+int64(last), salt))
}

// Check looks at the first and the last word of b, which was read at offset off.
func Check(b []byte, off int64, salt uint64) error {
	last := len(b) - Word
	if last < 0 {
		return fmt.Errorf("%d bytes at offset %d: too few to check", len(b), off)
	}
	if binary.LittleEndian.Uint64(b) != at(off, salt) {
		return wrong(b, 0, off, salt)
	}
	if binary.LittleEndian.Uint64(b[last:]) != at(off+int64(last), salt) {
		return wrong(b, last, off, salt)
	}
	return nil
}

// CheckAll looks at every word of b.
func CheckAll(b []byte, off int64, salt uint64) error {
	if len(b) == 0 || len(b)%Word != 0 {
		return fmt.Errorf("%d bytes at offset %d: not whole words", len(b), off)
	}
	for i := 0; i < len(b); i += Word {
		if binary.LittleEndian.Uint64(b[i:]) != at(off+int64(i), salt) {
			return wrong(b, i, off, salt)
		}
	}
	return nil
}

func wrong(b []byte, i int, off int64, salt uint64) error {
	return fmt.Errorf("wrong bytes at offset %d: %016x, not %016x",
		off+int64(i), binary.LittleEndian.Uint64(b[i:]), at(off+int64(i), salt))
}
