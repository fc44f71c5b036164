package main

import "syscall"

// openDirect is the flag of open(2) that bypasses the page cache.
const openDirect = syscall.O_DIRECT
