// Package sys holds the system calls that package loop makes beside its queue. Those of the loop's own goroutine never block, and the
// kernel's opcodes for them, where there are any, would cost more; those in the files called lane may block, and belong to its lanes. What differs
// between systems stands in pairs of files, whose _other half compiles where no loop runs.
package sys
