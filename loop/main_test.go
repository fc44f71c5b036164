package loop_test

import (
	"net"
	"os"
	"os/signal"
	"runtime"
	"testing"
)

// TestMain has the runtime's own poller open its descriptors before any case counts descriptors.
func TestMain(m *testing.M) {
	// A goroutine that ends locked takes its thread with it, unless that is the main one, which stays: keep it for this goroutine.
	runtime.LockOSThread()
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
	}
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // the goroutine of package os/signal stays
	signal.Reset()
	os.Exit(m.Run())
}
