package micro

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
)

// The workload "names": look-ups of the IPv4 address of one of Hosts names, Asking of them under way.
const (
	Hosts  = 1000
	Asking = 64
)

// Host returns the name and the address of host n.
func Host(n uint64) (name string, addr netip.Addr) {
	return fmt.Sprintf("h%d.test.", n), netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)})
}

// WithNameServer calls work while dnsmasq runs beside it, which knows every Host. Its processor time is not this process's.
func WithNameServer(work func(server netip.AddrPort) error) error {
	var said string
	for range 5 { // another program may take the port first
		server, err := freePort()
		if err != nil {
			return err
		}
		cmd, output, err := startServer(server)
		if err != nil {
			return err
		}
		said = ""
		for lines := bufio.NewScanner(output); lines.Scan(); {
			said += lines.Text() + "\n"
			if strings.Contains(lines.Text(), "started") {
				go func() { _, _ = io.Copy(io.Discard, output) }()
				err := work(server)
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				return err
			}
		}
		_ = cmd.Wait()
	}
	return errors.New("dnsmasq does not start: " + said)
}

func freePort() (netip.AddrPort, error) {
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	return probe.Addr().(*net.TCPAddr).AddrPort(), probe.Close()
}

func startServer(server netip.AddrPort) (*exec.Cmd, io.Reader, error) {
	args := []string{"--keep-in-foreground", "--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--bind-interfaces",
		"--listen-address=127.0.0.1", fmt.Sprintf("--port=%d", server.Port()), "--local=/test/"}
	for n := range uint64(Hosts) {
		name, addr := Host(n)
		args = append(args, fmt.Sprintf("--host-record=%s,%v", strings.TrimSuffix(name, "."), addr))
	}
	cmd := exec.Command("dnsmasq", args...)
	output, err := cmd.StderrPipe()
	if err != nil {
		return nil, nil, err
	}
	return cmd, output, cmd.Start()
}
