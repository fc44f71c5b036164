package loop_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"

	"github.com/proactor-go/proactor/loop"
)

// An echo server that sends back the very buffers it receives, and its client.
func ExamplePacketConn() {
	l := newLoop()
	defer l.Close()

	server, err := l.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server.RecvMultishot(func(p loop.Packet, err error) {
		if err != nil { // loop.ErrClosed
			return
		}
		server.SendBuffer(p.Buffer, p.From, nil)
	})

	client, err := l.DialPacket("udp", server.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	client.Send([]byte("hello"), netip.AddrPort{}, nil)
	client.Recv(make([]byte, 1500), func(p loop.Packet, err error) {
		fmt.Println(string(p.Data), p.Truncated, err)
		client.Close(nil)
		server.Close(nil)
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: hello false <nil>
}

func ExamplePacketConn_SendSegments() {
	l := newLoop()
	defer l.Close()

	receiver, err := l.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	received := 0
	receiver.RecvMultishot(func(p loop.Packet, err error) {
		if err != nil {
			return
		}
		fmt.Println(len(p.Data), "bytes")
		if received += len(p.Data); received == 2500 {
			receiver.Close(nil)
		}
	})

	sender, err := l.DialPacket("udp", receiver.LocalAddr().String())
	if err != nil {
		log.Fatal(err)
	}
	sender.SendSegments(make([]byte, 2500), 1000, netip.AddrPort{}, func(b []byte, err error) {
		fmt.Println("sent", len(b), err)
		sender.Close(nil)
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Unordered output:
	// sent 2500 <nil>
	// 1000 bytes
	// 1000 bytes
	// 500 bytes
}

// A Unix socket whose name the kernel chooses (Linux).
func ExamplePacketConn_SendName() {
	l := newLoop()
	defer l.Close()

	a, err := l.ListenPacket("unixgram", "@proactor-example")
	if err != nil {
		log.Fatal(err)
	}
	b, err := l.ListenPacket("unixgram", "")
	if err != nil {
		log.Fatal(err)
	}
	b.SendName([]byte("hello"), "@proactor-example", nil)
	a.Recv(make([]byte, 100), func(p loop.Packet, err error) {
		fmt.Println(string(p.Data), p.Name == b.LocalAddr().(*net.UnixAddr).Name, err)
	})
	if err := l.Run(); err != nil {
		log.Fatal(err)
	}
	// Output: hello true <nil>
}
