package dns

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var response = Message{
	ID: 0x1234, Response: true, Authoritative: true, RecursionDesired: true, RecursionAvailable: true, RCode: NameError,
	Asked: true, Question: Question{"www.Example.org.", A},
	Answers: []Record{
		{Name: "www.example.org.", Type: CNAME, TTL: 60, Target: "host.example.org."},
		{Name: "host.example.org.", Type: A, TTL: 1 << 31, Addr: netip.MustParseAddr("192.0.2.1")},
		{Name: "host.example.org.", Type: AAAA, Addr: netip.MustParseAddr("2001:db8::1")},
		{Name: "example.org.", Type: MX, Priority: 10, Target: "mail.example.org."},
		{Name: ".", Type: NS, Target: "a.root-servers.net."},
		{Name: "_http._tcp.example.org.", Type: SRV, Priority: 1, Weight: 2, Port: 3, Target: "."},
		{Name: "1.2.0.192.in-addr.arpa.", Type: PTR, Target: `odd\.label\032\\.example.org.`},
		{Name: "example.org.", Type: TXT, Text: []string{"", "two words", strings.Repeat("x", 255)}},
	},
}

func TestRoundTrip(t *testing.T) {
	b, err := response.Append([]byte("before"))
	require.NoError(t, err)
	m, err := Parse(b[len("before"):])
	require.NoError(t, err)
	require.Equal(t, response, m)
}

func TestQuery(t *testing.T) {
	m := Message{ID: 7, RecursionDesired: true, Asked: true, Question: Question{"a.bc", MX}, Extended: true}
	b, err := m.Append(nil)
	require.NoError(t, err)
	require.Equal(t, "\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"+"\x01a\x02bc\x00\x00\x0f\x00\x01"+
		"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00", string(b))
}

// header returns a response's header that promises so many questions and answers.
func header(questions, answers uint16) []byte {
	b := []byte{0, 1, 0x80, 0}
	b = binary.BigEndian.AppendUint16(b, questions)
	b = binary.BigEndian.AppendUint16(b, answers)
	return append(b, 0, 0, 0, 0)
}

func TestCompressedNames(t *testing.T) {
	b := append(header(1, 2), "\x03www\x07example\x03org\x00\x00\x01\x00\x01"...)
	b = append(b, "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03web\xc0\x10"...) // www CNAME web.example.org
	at := len(b) - 6
	b = append(b, 0xc0, byte(at))
	b = append(b, "\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01"...)
	m, err := Parse(b)
	require.NoError(t, err)
	require.Equal(t, "www.example.org.", m.Question.Name)
	require.Equal(t, []Record{
		{Name: "www.example.org.", Type: CNAME, TTL: 60, Target: "web.example.org."},
		{Name: "web.example.org.", Type: A, TTL: 60, Addr: netip.MustParseAddr("127.0.0.1")},
	}, m.Answers)
	for n := range b {
		_, err := Parse(b[:n])
		require.Error(t, err, "cut to %d of %d bytes", n, len(b))
	}
}

func TestMalformed(t *testing.T) {
	question := "\x01a\x00\x00\x01\x00\x01"
	record := func(kind byte, data string) string {
		return "\x01a\x00\x00" + string(kind) + "\x00\x01\x00\x00\x00\x00\x00" + string(byte(len(data))) + data
	}
	long := strings.Repeat("\x3f"+strings.Repeat("x", 63), 4)
	for name, b := range map[string][]byte{
		"empty":                      {},
		"header cut":                 header(0, 0)[:11],
		"two questions":              append(header(2, 0), question+question...),
		"another class":              append(header(1, 0), "\x01a\x00\x00\x01\x00\x03"...),
		"another opcode":             append([]byte{0, 1, 0x88, 0}, header(0, 0)[4:]...),
		"pointer to itself":          append(header(1, 0), "\xc0\x0c\x00\x01\x00\x01"...),
		"pointer forwards":           append(header(1, 0), "\xc0\x0e\x01a\x00\x00\x01\x00\x01"...),
		"pointer into its own label": append(header(1, 0), "\x01a\xc0\x0c\x00\x01\x00\x01"...),
		"pointer behind the end":     append(header(1, 0), "\xff\xff\x00\x01\x00\x01"...),
		"half a pointer":             append(header(1, 0), 0xc0),
		"reserved label":             append(header(1, 0), "\x41a\x00\x00\x01\x00\x01"...),
		"name of 257 bytes":          append(header(1, 0), long+"\x00\x00\x01\x00\x01"...),
		"answers missing":            append(header(1, 9), question...),
		"A of three bytes":           append(header(0, 1), record(1, "abc")...),
		"A of sixteen bytes":         append(header(0, 1), record(1, strings.Repeat("a", 16))...),
		"AAAA of four bytes":         append(header(0, 1), record(28, "abcd")...),
		"text beyond its record":     append(header(0, 1), record(16, "\x05ab")...),
		"bytes behind a name":        append(header(0, 1), record(2, "\x01b\x00x")...),
		"name beyond its record":     append(header(0, 1), record(15, "\x00\x01\x01")...),
	} {
		_, err := Parse(b)
		require.Error(t, err, name)
	}
	m, err := Parse(append(header(0, 2), record(99, "what?")+record(1, "\x7f\x00\x00\x01")...))
	require.NoError(t, err)
	require.Len(t, m.Answers, 1, "an unknown type is left out")
}

// Truncated answers are not looked at: they may end anywhere.
func TestTruncated(t *testing.T) {
	b := append(header(1, 5), "\x01a\x00\x00\x01\x00\x01\x01"...)
	b[2] |= 2
	m, err := Parse(b)
	require.NoError(t, err)
	require.True(t, m.Truncated)
	require.Empty(t, m.Answers)
}

func TestNames(t *testing.T) {
	label := strings.Repeat("x", 63)
	for _, name := range []string{"", "..", ".a", "a..b", label + "x", label + "x.a", strings.Repeat(label+".", 4), `a\`, `a\25`, `a\256`, `\1x1`} {
		_, err := appendName(nil, name)
		require.Error(t, err, "%q", name)
		require.False(t, IsName(name), "%q", name)
	}
	for _, name := range []string{"a", "a.", label + "." + label + "." + label + "." + label[:61], "_x._tcp.a-b.C1.", "0/25.2.0.192.in-addr.arpa."} {
		_, err := appendName(nil, name)
		require.NoError(t, err, "%q", name)
		require.True(t, IsName(name), "%q", name)
	}
	for _, name := range []string{`a\.b`, "a b", "ä.example", "a\x00"} {
		require.False(t, IsName(name), "%q", name)
	}
	require.True(t, Equal("A.Example", "a.eXAMPLE."))
	require.False(t, Equal("a.example", "b.example"))
	require.False(t, Equal("a.example", "a.example.org"))
	require.Equal(t, "1.2.0.192.in-addr.arpa.", Reverse(netip.MustParseAddr("192.0.2.1")))
	require.Equal(t, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", Reverse(netip.MustParseAddr("2001:db8::1")))
}

func TestWhatCannotBeWritten(t *testing.T) {
	for _, r := range []Record{
		{Name: "a.", Type: A, Addr: netip.MustParseAddr("::1")}, {Name: "a.", Type: AAAA, Addr: netip.MustParseAddr("1.1.1.1")}, {Name: "a.", Type: A},
		{Name: "a.", Type: 99}, {Name: "a..", Type: A, Addr: netip.MustParseAddr("1.1.1.1")}, {Name: "a.", Type: MX, Target: ".."},
		{Name: "a.", Type: SRV}, {Name: "a.", Type: NS}, {Name: "a.", Type: TXT, Text: []string{strings.Repeat("x", 256)}},
	} {
		_, err := (&Message{Answers: []Record{r}}).Append(nil)
		require.Error(t, err, "%+v", r)
	}
}

// FuzzParse: no message makes Parse fail to end or read beyond it, and what it has read can be written and read again.
func FuzzParse(f *testing.F) {
	b, err := response.Append(nil)
	require.NoError(f, err)
	f.Add(b)
	f.Add(append(header(1, 1), "\x03www\x03org\x00\x00\x01\x00\x01\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x02\xc0\x10"...))
	f.Add(append(header(1, 0), "\xc0\x0c\x00\x01\x00\x01"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		again, err := m.Append(nil)
		require.NoError(t, err)
		same, err := Parse(again)
		require.NoError(t, err)
		require.Equal(t, m, same)
	})
}
