package dns

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseConfig(t *testing.T) {
	require.Equal(t, Config{
		Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("[fe80::1%eth0]:53"),
			netip.MustParseAddrPort("127.0.0.53:53")},
		Search: []string{"example.org", "example.com"}, Ndots: 2, Timeout: 3 * time.Second, Attempts: 4, Rotate: true,
	}, ParseConfig(`
# a comment
nameserver 192.0.2.1
nameserver fe80::1%eth0 ; another
nameserver not.an.address
nameserver 127.0.0.53
nameserver 127.0.0.54
domain example.net
search example.org example.com
options ndots:2 timeout:3 attempts:4 rotate edns0 ndots:x
nonsense here
nameserver
`))
	require.Equal(t, Config{Ndots: -1, Timeout: time.Second, Attempts: 5}, ParseConfig("options ndots:0 timeout:0 attempts:99 timeout:-1"))
	require.Equal(t, Config{}, ParseConfig(""))
}

func TestCandidates(t *testing.T) {
	search := []string{"example.org", "com.", "."}
	require.Equal(t, []string{"a.example.org.", "a.com.", "a."}, Candidates("a", search, 1))
	require.Equal(t, []string{"a.b.", "a.b.example.org.", "a.b.com."}, Candidates("a.b", search, 1))
	require.Equal(t, []string{"a.b.example.org.", "a.b.com.", "a.b."}, Candidates("a.b", search, 2))
	require.Equal(t, []string{"a."}, Candidates("a.", search, 1))
	require.Equal(t, []string{"a.", "a.example.org.", "a.com."}, Candidates("a", search, 0))
}
