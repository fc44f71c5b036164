//go:build !linux

package main

// openDirect does not exist here: systems differ in how they bypass the page cache, if they do.
const openDirect = 0
