// Package dns reads and writes the messages of the domain name system (RFC 1035), as far as a resolver needs them that asks recursive
// servers, and a server that its tests ask. It trusts nothing of what it reads: every length is checked, and a compressed name
// can only point backwards, so that none is endless.
package dns

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Type is the type of a record.
type Type uint16

// The types that have a meaning here. Of others only the head is read.
const (
	A     Type = 1
	NS    Type = 2
	CNAME Type = 5
	PTR   Type = 12
	MX    Type = 15
	TXT   Type = 16
	AAAA  Type = 28
	SRV   Type = 33
	opt   Type = 41 // the pseudo record of EDNS(0), RFC 6891
)

// RCode is how a server answered.
type RCode uint8

// The answers that are told apart.
const (
	Success     RCode = 0
	FormatError RCode = 1 // also what servers say that do not know EDNS(0)
	ServerError RCode = 2
	NameError   RCode = 3 // there is no such name
	Refused     RCode = 5
)

// MaxUDP is the size of a datagram that passes every usual network in one piece: what queries say that their sender takes.
const MaxUDP = 1232

// A Message is a query or a response.
type Message struct {
	ID                 uint16
	Response           bool
	Authoritative      bool
	Truncated          bool // the answers are not in here, and were not looked for
	RecursionDesired   bool
	RecursionAvailable bool
	RCode              RCode
	Asked              bool // there is a question
	Question           Question
	Answers            []Record
	Extended           bool // to write: say with EDNS(0) that MaxUDP bytes are taken
}

// A Question names the records that are asked for, of class IN.
type Question struct {
	Name string
	Type Type
}

// A Record is one resource record. Which fields it has depends on its type.
type Record struct {
	Name     string
	Type     Type
	TTL      uint32
	Addr     netip.Addr // A, AAAA
	Target   string     // NS, CNAME, PTR, MX, SRV
	Priority uint16     // MX: the preference; SRV
	Weight   uint16     // SRV
	Port     uint16     // SRV
	Text     []string   // TXT
}

const classIN = 1

// The bits of the header's flags.
const (
	bitResponse           = 1 << 15
	bitAuthoritative      = 1 << 10
	bitTruncated          = 1 << 9
	bitRecursionDesired   = 1 << 8
	bitRecursionAvailable = 1 << 7
	maskOpcode            = 0xf << 11
	maskRCode             = 0xf
)

var (
	errShort   = errors.New("dns: message ends early")
	errName    = errors.New("dns: malformed name")
	errData    = errors.New("dns: malformed record")
	errMessage = errors.New("dns: not a message of one question")
)

// Parse reads a message: header, question and answers. What comes behind them is not looked at.
func Parse(b []byte) (m Message, err error) {
	p := parser{b: b}
	m.ID = p.uint16()
	flags := p.uint16()
	questions, answers := p.uint16(), p.uint16()
	p.bytes(4) // how many records come behind the answers
	m.Response = flags&bitResponse != 0
	m.Authoritative = flags&bitAuthoritative != 0
	m.Truncated = flags&bitTruncated != 0
	m.RecursionDesired = flags&bitRecursionDesired != 0
	m.RecursionAvailable = flags&bitRecursionAvailable != 0
	m.RCode = RCode(flags & maskRCode)
	if flags&maskOpcode != 0 || questions > 1 {
		p.fail(errMessage)
	}
	if m.Asked = questions == 1; m.Asked {
		m.Question = Question{p.name(), Type(p.uint16())}
		if p.uint16() != classIN {
			p.fail(errMessage)
		}
	}
	for i := 0; i < int(answers) && !m.Truncated && p.err == nil; i++ {
		if r, known := p.record(); known {
			m.Answers = append(m.Answers, r)
		}
	}
	return m, p.err
}

// record reads one record. known is false for those of other types and classes.
func (p *parser) record() (r Record, known bool) {
	r.Name, r.Type = p.name(), Type(p.uint16())
	class := p.uint16()
	r.TTL = p.uint32()
	size := int(p.uint16())
	end := p.at + size
	if p.err != nil || end > len(p.b) {
		p.fail(errShort)
		return r, false
	}
	if known = class == classIN; known {
		known = p.data(&r, size, end)
	}
	switch {
	case p.err != nil:
		return r, false
	case !known:
		p.at = end
	case p.at != end:
		p.fail(errData)
	}
	return r, known
}

// data reads what follows the head of a record, size bytes up to end.
func (p *parser) data(r *Record, size, end int) (known bool) {
	switch r.Type {
	case A, AAAA:
		var ok bool
		r.Addr, ok = netip.AddrFromSlice(p.bytes(size))
		if !ok || r.Addr.Is4() != (r.Type == A) {
			p.fail(errData)
		}
	case NS, CNAME, PTR:
		r.Target = p.name()
	case MX:
		r.Priority, r.Target = p.uint16(), p.name()
	case SRV:
		r.Priority, r.Weight, r.Port, r.Target = p.uint16(), p.uint16(), p.uint16(), p.name()
	case TXT:
		for p.err == nil && p.at < end {
			r.Text = append(r.Text, string(p.bytes(int(p.uint8()))))
		}
	default:
		return false
	}
	return true
}

// Append writes m behind what b holds. It compresses nothing.
func (m *Message) Append(b []byte) ([]byte, error) {
	flags := uint16(m.RCode & maskRCode)
	for _, f := range []struct {
		set bool
		bit uint16
	}{{m.Response, bitResponse}, {m.Authoritative, bitAuthoritative}, {m.Truncated, bitTruncated},
		{m.RecursionDesired, bitRecursionDesired}, {m.RecursionAvailable, bitRecursionAvailable}} {
		if f.set {
			flags |= f.bit
		}
	}
	if len(m.Answers) > 1<<16-1 {
		return b, errMessage
	}
	for _, v := range []uint16{m.ID, flags, one(m.Asked), uint16(len(m.Answers)), 0, one(m.Extended)} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	var err error
	if m.Asked {
		if b, err = appendName(b, m.Question.Name); err != nil {
			return b, err
		}
		b = binary.BigEndian.AppendUint16(b, uint16(m.Question.Type))
		b = binary.BigEndian.AppendUint16(b, classIN)
	}
	for i := range m.Answers {
		if b, err = m.Answers[i].append(b); err != nil {
			return b, err
		}
	}
	if m.Extended {
		b = append(b, 0, 0, byte(opt), MaxUDP>>8, MaxUDP&0xff, 0, 0, 0, 0, 0, 0)
	}
	return b, nil
}

func one(set bool) uint16 {
	if set {
		return 1
	}
	return 0
}

func (r *Record) append(b []byte) ([]byte, error) {
	b, err := appendName(b, r.Name)
	if err != nil {
		return b, err
	}
	b = binary.BigEndian.AppendUint16(b, uint16(r.Type))
	b = binary.BigEndian.AppendUint16(b, classIN)
	b = binary.BigEndian.AppendUint32(b, r.TTL)
	b = append(b, 0, 0)
	start := len(b)
	switch r.Type {
	case A, AAAA:
		if r.Addr.Is4() != (r.Type == A) || !r.Addr.IsValid() {
			return b, errData
		}
		b = append(b, r.Addr.AsSlice()...)
	case NS, CNAME, PTR:
		b, err = appendName(b, r.Target)
	case MX:
		b, err = appendName(binary.BigEndian.AppendUint16(b, r.Priority), r.Target)
	case SRV:
		for _, v := range []uint16{r.Priority, r.Weight, r.Port} {
			b = binary.BigEndian.AppendUint16(b, v)
		}
		b, err = appendName(b, r.Target)
	case TXT:
		for _, text := range r.Text {
			if len(text) > 255 {
				return b, errData
			}
			b = append(append(b, byte(len(text))), text...)
		}
	default:
		return b, errData
	}
	if err != nil {
		return b, err
	}
	if len(b)-start > 1<<16-1 {
		return b, errData
	}
	binary.BigEndian.PutUint16(b[start-2:], uint16(len(b)-start))
	return b, nil
}
