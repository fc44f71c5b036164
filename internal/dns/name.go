package dns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// A name is text with a dot after each label, the root is ".". Dots and backslashes within a label are written with a backslash before
// them, bytes that are no printable ASCII as a backslash and three decimal digits.

const (
	maxName  = 255 // bytes of a name in a message
	maxLabel = 63
)

// parser reads a message from the front. After its first error everything it reads is zero.
type parser struct {
	b   []byte
	at  int
	err error
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// bytes reads n bytes, or none if there are not that many.
func (p *parser) bytes(n int) []byte {
	if p.err != nil || n > len(p.b)-p.at {
		p.fail(errShort)
		return nil
	}
	p.at += n
	return p.b[p.at-n : p.at]
}

func (p *parser) uint8() uint8 {
	if b := p.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (p *parser) uint16() uint16 {
	if b := p.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (p *parser) uint32() uint32 {
	if b := p.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// name reads a name, which may go on elsewhere in the message. Each pointer has to lead before the labels that it ends: what it compresses
// with was written earlier, and there can be no circle.
func (p *parser) name() string {
	text := make([]byte, 0, 64)
	start, end, size := p.at, -1, 1
	for p.err == nil {
		n := int(p.uint8())
		switch n >> 6 {
		case 0:
			if n == 0 {
				if end >= 0 {
					p.at = end
				}
				if len(text) == 0 && p.err == nil {
					return "."
				}
				return string(text)
			}
			if size += 1 + n; size > maxName {
				p.fail(errName)
			}
			text = append(appendLabel(text, p.bytes(n)), '.')
		case 3:
			to := n&0x3f<<8 | int(p.uint8())
			if end < 0 {
				end = p.at
			}
			if to >= start {
				p.fail(errName)
			}
			p.at, start = to, to
		default:
			p.fail(errName)
		}
	}
	return ""
}

func appendLabel(text, label []byte) []byte {
	for _, c := range label {
		switch {
		case c == '.' || c == '\\':
			text = append(text, '\\', c)
		case c <= ' ' || c > '~':
			text = append(text, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			text = append(text, c)
		}
	}
	return text
}

// appendName writes a name. The dot at its end may be missing.
func appendName(b []byte, name string) ([]byte, error) {
	start, length := len(b), len(b) // of the whole, and where the length of the present label stands
	b = append(b, 0)
	if name == "." {
		return b, nil
	}
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c == '.' {
			if n := len(b) - length - 1; n == 0 || n > maxLabel {
				return b, errName
			}
			b[length] = byte(len(b) - length - 1)
			length = len(b)
			b = append(b, 0)
			continue
		}
		if c == '\\' {
			n, used := unescape(name[i+1:])
			if used == 0 {
				return b, errName
			}
			c = n
			i += used
		}
		b = append(b, c)
	}
	if n := len(b) - length - 1; n > maxLabel {
		return b, errName
	} else if n > 0 {
		b[length] = byte(n)
		b = append(b, 0)
	}
	if n := len(b) - start; n > maxName || n == 1 {
		return b, errName
	}
	return b, nil
}

// unescape reads what follows a backslash: three digits or one other byte.
func unescape(s string) (c byte, used int) {
	if s == "" {
		return 0, 0
	}
	if s[0] < '0' || s[0] > '9' {
		return s[0], 1
	}
	n := 0
	for i := range 3 {
		if i >= len(s) || s[i] < '0' || s[i] > '9' {
			return 0, 0
		}
		n = n*10 + int(s[i]-'0')
	}
	if n > 255 {
		return 0, 0
	}
	return byte(n), 3
}

// Equal reports whether two names are the same, whatever their case and with or without the dot at their end.
func Equal(a, b string) bool {
	a, b = strings.TrimSuffix(a, "."), strings.TrimSuffix(b, ".")
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// IsName reports whether a name is made of letters, digits, "-", "_" and "/" only and fits a message: what is worth asking a server for, and
// what a program may use without being surprised.
func IsName(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= lower(c) && lower(c) <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '/', c == '.':
		default:
			return false
		}
	}
	_, err := appendName(nil, name)
	return err == nil
}

// Reverse returns the name that has the PTR records of an address.
func Reverse(ip netip.Addr) string {
	var name strings.Builder
	suffix := "ip6.arpa."
	if ip.Is4() {
		suffix = "in-addr.arpa."
	}
	for _, c := range slices.Backward(ip.AsSlice()) {
		if ip.Is4() {
			fmt.Fprintf(&name, "%d.", c)
		} else {
			fmt.Fprintf(&name, "%x.%x.", c&15, c>>4)
		}
	}
	return name.String() + suffix
}
