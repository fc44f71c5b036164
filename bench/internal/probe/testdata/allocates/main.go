// Allocates makes 1,000 objects for every byte that it reads, and then writes the byte back.
package main

import "os"

var sink *[16]byte

func main() {
	b := make([]byte, 1)
	for {
		if n, _ := os.Stdin.Read(b); n == 0 {
			return
		}
		for range 1000 {
			sink = new([16]byte)
		}
		if _, err := os.Stdout.Write(b); err != nil {
			return
		}
	}
}
