// Package testenv names what tests need and a machine may lack: the kernel's io_uring, a program, an address family. A test that
// lacks it is skipped with that reason, and nothing but that reason: any other error fails it.
//
// A machine that must have it says so in the environment, and a skip becomes a failure: LOOP_REQUIRE_IOURING=1 for io_uring,
// LOOP_REQUIRE_TOOLS=1 for the programs and headers that can be installed.
package testenv

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Ring takes the error of making a ring, or a loop on one. If it says that there is no io_uring here, the test is skipped.
func Ring(t testing.TB, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Fatal(err)
	}
	lacking(t, "LOOP_REQUIRE_IOURING", "no io_uring on this machine: "+err.Error())
}

// Tool returns the path of a program, which is part of Debian's package pkg, or skips the test.
func Tool(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		lacking(t, "LOOP_REQUIRE_TOOLS", name+" is not installed (Debian: "+pkg+")")
	}
	return path
}

// Header skips the test if gcc, or a C header of Debian's package pkg, is missing.
func Header(t testing.TB, name, pkg string) {
	t.Helper()
	compile := exec.Command(Tool(t, "gcc", "gcc"), "-fsyntax-only", "-x", "c", "-")
	compile.Stdin = strings.NewReader("#include <" + name + ">\n")
	if out, err := compile.CombinedOutput(); err != nil {
		if !strings.Contains(string(out), "No such file") {
			t.Fatalf("%s does not compile: %v\n%s", name, err, out)
		}
		lacking(t, "LOOP_REQUIRE_TOOLS", "the header "+name+" is not installed (Debian: "+pkg+")")
	}
}

// IPv6 skips the test on a machine without IPv6 on its loopback.
func IPv6(t testing.TB) {
	t.Helper()
	ln, err := net.Listen("tcp6", "[::1]:0")
	switch {
	case err == nil:
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		t.Skipf("no IPv6 on the loopback of this machine: %v", err)
	default:
		t.Fatal(err)
	}
}

func lacking(t testing.TB, variable, reason string) {
	t.Helper()
	if os.Getenv(variable) == "1" {
		t.Fatalf("%s, but %s=1", reason, variable)
	}
	t.Skip(reason)
}
