package loop_test

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/proactor-go/proactor/internal/testenv"
)

// dnsmasq runs a real name server on a port of the loopback until the test ends.
func dnsmasq(t *testing.T, args ...string) netip.AddrPort {
	t.Helper()
	path := testenv.Tool(t, "dnsmasq", "dnsmasq-base")
	for range 5 { // another program may take the port first
		udp, tcp := freePort(t)
		port := udp.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		udp.Close()
		tcp.Close()
		cmd := exec.Command(path, append([]string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon", "--pid-file",
			"--bind-interfaces", "--listen-address=127.0.0.1", "--port=" + strconv.Itoa(int(port))}, args...)...)
		output, err := cmd.StderrPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		said := ""
		for lines := bufio.NewScanner(output); lines.Scan(); {
			said += lines.Text() + "\n"
			if strings.Contains(lines.Text(), "started") {
				go func() { _, _ = io.Copy(io.Discard, output) }()
				t.Cleanup(func() {
					require.NoError(t, cmd.Process.Kill())
					_ = cmd.Wait()
				})
				return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
			}
		}
		_ = cmd.Wait()
		if !strings.Contains(said, "in use") {
			t.Fatalf("dnsmasq does not start: %s", said)
		}
	}
	t.Fatal("no port for dnsmasq")
	return netip.AddrPort{}
}
