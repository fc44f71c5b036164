// Package giouring runs this project on the ring of github.com/pawelgaczynski/giouring, and compares the two: the entries
// that both can encode, and the constants. Nothing imports it but tests, because giouring does not link with Go 1.23 or
// newer unless the linker is told to look away:
//
//	go test -tags giouring -ldflags=-checklinkname=0 ./ring/giouring/
//
// Without the build tag it is empty. The tests list by name, and prove, where giouring is wrong.
package giouring
