//go:build race

package loop_test

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/loop"
	"github.com/proactor-go/proactor/ring"
)

// What only programs built with -race check.

func TestPoison(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		c, peer := connectPeer(t, l)
		var stale []byte
		receiveOne(t, l, c, peer, "read after the callback", func(b loop.Buffer) { stale = b.Bytes() })
		require.Equal(t, bytes.Repeat([]byte{0xDD}, len(stale)), stale)

		lent := []byte("read before the callback")
		c.Recv(lent, func(b []byte, err error) {
			require.NoError(t, err)
			require.Equal(t, "x", string(b))
		})
		require.Equal(t, bytes.Repeat([]byte{0xAA}, len(lent)), lent)
		_, err := peer.Write([]byte("x"))
		require.NoError(t, err)
		require.NoError(t, l.Run())
	})
}

func TestWrongGoroutinePanics(t *testing.T) {
	forEachQueue(t, func(t *testing.T, l *loop.Loop) {
		conn, _ := connectPeer(t, l)
		file := openFile(t, l)
		pipe := silentPipe(t)
		watch := l.Watch(pipe, loop.Readable, func(loop.Events, error) {})
		timer, hook, immediate := l.NewTimer(func() {}), l.OnCheck(func() {}), l.Immediate(func() {})
		for name, call := range map[string]func(){
			"Recv":       func() { conn.Recv(make([]byte, 1), func([]byte, error) {}) },
			"Send":       func() { conn.Send(nil, nil) },
			"CloseWrite": func() { conn.CloseWrite(nil) },
			"Close":      func() { conn.Close(nil) },
			"SetNoDelay": func() { _ = conn.SetNoDelay(true) },
			"Detach":     func() { _, _ = conn.Detach() },
			"ReadAt":     func() { file.ReadAt(make([]byte, 1), 0, func([]byte, error) {}) },
			"Sync":       func() { file.Sync(func(error) {}) },
			"Open":       func() { l.Open(os.DevNull, 0, 0, func(*loop.File, error) {}) },
			"Dial":       func() { l.Dial("tcp", "127.0.0.1:1", func(*loop.Conn, error) {}) },
			"by name":    func() { l.Dial("tcp", "localhost:1", func(*loop.Conn, error) {}) },
			"LookupHost": func() { l.LookupHost("localhost", func([]netip.Addr, error) {}) },
			"LookupTXT":  func() { l.NewResolver(loop.ResolverConfig{}).LookupTXT("host.test", func([]string, error) {}) },
			"Listen":     func() { _, _ = l.Listen("tcp", "127.0.0.1:0") },
			"NewOp":      func() { l.NewOp(nil, func(error) {}) },
			"Watch":      func() { l.Watch(pipe, loop.Readable, func(loop.Events, error) {}) },
			"Submit":     func() { l.Submit(ring.SQE{}, func(ring.CQE) {}) },
			"Cancel":     watch.Cancel,
			"Timeout":    func() { watch.Timeout(time.Second) },
			"Active":     func() { watch.Active() },
			"Reset":      func() { timer.Reset(0) },
			"Repeat":     func() { timer.Repeat(1) },
			"Timer.Stop": func() { timer.Stop() },
			"Hook.Start": hook.Start,
			"Hook.Stop":  hook.Stop,
			"Immediate":  func() { l.Immediate(func() {}) },
			"its Stop":   func() { immediate.Stop() },
			"NextTick":   func() { l.NextTick(func() {}) },
			"Ref":        l.Ref,
			"UpdateNow":  l.UpdateNow,
			"unref 1":    func() { timer.Unref() },
			"unref 2":    func() { hook.Unref() },
			"unref 3":    func() { immediate.Unref() },
			"ref 1":      func() { timer.Ref() },
			"ref 2":      func() { hook.Ref() },
			"ref 3":      func() { immediate.Ref() },
			"registered": func() { l.RegisteredBuffers(1, 1) },
		} {
			got := elsewhere(func() any { return panicOf(call) })
			require.IsType(t, "", got, name)
			require.True(t, strings.HasPrefix(got.(string), "loop: "), got)
		}
		require.Equal(t, 4096, func() (n int) {
			file.ReadAt(make([]byte, 4096), 0, func(b []byte, err error) { n = len(b); l.Stop() })
			require.NoError(t, l.Run())
			return n
		}(), "and changes nothing")
		hook.Stop()
		watch.Cancel()
		require.NoError(t, l.Run())
	})
}
