// Package sys holds the few system calls that package loop makes beside its queue: they never block, and the kernel's opcodes for
// them, where there are any, would cost more. What differs between systems stands in pairs of files, whose
// _other half compiles where no loop runs.
package sys
