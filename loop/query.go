package loop

import (
	"crypto/rand"
	"encoding/binary"
	"net"
	"net/netip"
	"slices"

	"github.com/proactor-go/proactor/internal/dns"
)

// What a DNSError says, in the words of package net.
const (
	noSuchHost  = "no such host"
	misbehaving = "server misbehaving"
	timedOut    = "i/o timeout"
)

// maxHops is how many CNAME records may follow one another.
const maxHops = 16

// answer is the records that were asked for, and the name that has them.
type answer struct {
	name    string
	records []dns.Record
}

// A lookup is one operation of a Resolver: queries for all its types at the same time, for one candidate of the search list after another.
type lookup struct {
	*Pending
	r          *Resolver
	host       string // as the program gave it
	candidates []string
	types      []dns.Type
	queries    []*query // those of the present candidate
	waiting    int
	answer     answer
	err        *net.DNSError // the first that was not about a missing name
}

func (r *Resolver) start(action, host string, types []dns.Type, report func(answer, error)) Op {
	k := &lookup{r: r, host: host, types: types}
	k.Pending = r.l.compose(action, nil, k.end, func(err error) {
		if err != nil {
			k.answer = answer{}
		}
		report(k.answer, err)
	})
	if r.l.shut {
		return k.Op()
	}
	if _, err := netip.ParseAddr(host); err != nil && dns.IsName(host) { // an address is none
		k.candidates = slices.DeleteFunc(dns.Candidates(host, r.search, r.ndots), func(name string) bool { return !dns.IsName(name) })
	}
	k.next()
	return k.Op()
}

// end is called within Cancel, by a timeout, and by the close of the loop.
func (k *lookup) end() {
	for _, q := range k.queries {
		q.end()
	}
	k.Finish(ErrCanceled)
}

// next asks for the next candidate, if one is left.
func (k *lookup) next() {
	if len(k.candidates) == 0 {
		if k.err == nil {
			k.err = &net.DNSError{Err: noSuchHost, IsNotFound: true}
		}
		k.err.Name = k.host
		k.Finish(k.err)
		return
	}
	k.queries = make([]*query, len(k.types))
	k.waiting = len(k.types)
	name := k.candidates[0]
	k.candidates = k.candidates[1:]
	for i, t := range k.types {
		k.queries[i] = k.r.newQuery(k, name, t)
	}
	for _, q := range k.queries {
		q.try()
	}
}

// answered takes note that a query has ended. When all have, the look-up ends or goes on with the next name: not if nobody
// answers, for that would take as long again.
func (k *lookup) answered() {
	if k.waiting--; k.waiting > 0 {
		return
	}
	for _, q := range k.queries {
		switch {
		case q.err == nil:
			k.answer.name = q.name
			k.answer.records = append(k.answer.records, q.records...)
		case !q.err.IsNotFound && k.err == nil:
			k.err = q.err
		}
	}
	switch {
	case len(k.answer.records) > 0:
		k.Finish(nil)
	case k.err != nil && k.err.IsTimeout:
		k.candidates = nil
		k.next()
	default:
		k.next()
	}
}

// A query asks for the records of one type that one name has: one server after the other, until one knows.
type query struct {
	k       *lookup
	r       *Resolver
	name    string // where the CNAME records have led so far
	kind    dns.Type
	first   int // the server to begin with
	tries   int
	hops    int
	plain   bool // a server did not understand EDNS(0)
	attempt *attempt
	timer   *Timer
	records []dns.Record
	err     *net.DNSError
}

func (r *Resolver) newQuery(k *lookup, name string, t dns.Type) *query {
	q := &query{k: k, r: r, name: name, kind: t, first: r.first}
	if r.rotate {
		r.first = (r.first + 1) % len(r.servers)
	}
	q.timer = r.l.newTimeout(func() { q.failed(&net.DNSError{Err: timedOut, IsTimeout: true, IsTemporary: true}) })
	return q
}

// end gives the present attempt up.
func (q *query) end() {
	q.timer.Stop()
	if a := q.attempt; a != nil {
		q.attempt = nil
		a.end()
	}
}

// finish ends the query.
func (q *query) finish(err *net.DNSError) {
	q.end()
	q.err = err
	q.k.answered()
}

// failed goes on with the next server after one that gave no answer.
func (q *query) failed(err *net.DNSError) {
	if a := q.attempt; a != nil {
		err.Server = a.server.String()
	}
	q.err = err
	q.try()
}

// try asks the next server.
func (q *query) try() {
	for q.tries < q.r.attempts*len(q.r.servers) {
		q.end()
		server := q.r.servers[(q.first+q.tries)%len(q.r.servers)]
		q.tries++
		a := &attempt{q: q, l: q.r.l, server: server}
		q.attempt = a
		q.timer.Reset(q.r.timeout)
		err := a.start()
		if err == nil {
			return
		}
		q.err = &net.DNSError{Err: err.Error(), UnwrapErr: err, Server: server.String(), IsTemporary: true}
	}
	q.finish(q.err)
}

// responded takes an answer to the question.
func (q *query) responded(m dns.Message) {
	switch {
	case m.RCode == dns.FormatError && !q.plain:
		q.plain = true
		q.tries-- // the same server again
		q.try()
		return
	case m.RCode == dns.NameError, m.RCode == dns.Success && !lame(m):
	default:
		q.failed(&net.DNSError{Err: misbehaving, IsTemporary: m.RCode == dns.ServerError})
		return
	}
	name, records := follow(m.Answers, q.name, q.kind)
	moved := !dns.Equal(name, q.name)
	q.name = name
	switch {
	case len(records) > 0:
		q.records = records
		q.finish(nil)
	case m.RCode == dns.Success && moved && !m.RecursionAvailable && q.hops < maxHops:
		// The server asks nobody: what its CNAME record names is left to us.
		q.hops++
		q.tries = 0
		q.try()
	default:
		q.finish(&net.DNSError{Err: noSuchHost, IsNotFound: true})
	}
}

// lame reports whether a server knows nothing and asks nobody.
func lame(m dns.Message) bool {
	return len(m.Answers) == 0 && !m.Authoritative && !m.RecursionAvailable
}

// follow goes from name through the CNAME records among the answers and returns where they lead, with the records of type t there.
func follow(answers []dns.Record, name string, t dns.Type) (string, []dns.Record) {
	for range maxHops {
		var found []dns.Record
		next := ""
		for _, record := range answers {
			switch {
			case !dns.Equal(record.Name, name):
			case record.Type == t && (record.Target == "" || dns.IsName(record.Target) || record.Target == "."):
				found = append(found, record)
			case record.Type == dns.CNAME && dns.IsName(record.Target):
				next = record.Target
			}
		}
		if len(found) > 0 || next == "" {
			return name, found
		}
		name = next
	}
	return name, nil
}

// An attempt is a query to one server: by UDP, and by TCP if that answer was truncated. It holds no reference to the loop: the look-up does.
type attempt struct {
	q      *query
	l      *Loop
	server netip.AddrPort
	id     uint16
	query  []byte
	udp    *PacketConn
	tcp    *Conn
	dial   Op
	over   bool
}

// start sends the query. The error says why this server cannot even be asked.
func (a *attempt) start() (err error) {
	var id [2]byte
	_, _ = rand.Read(id[:]) // never fails
	a.id = binary.BigEndian.Uint16(id[:])
	m := dns.Message{ID: a.id, RecursionDesired: true, Asked: true, Question: dns.Question{Name: a.q.name, Type: a.q.kind}, Extended: !a.q.plain}
	if a.query, err = m.Append(make([]byte, 2, 64)); err != nil { // two bytes for TCP, which sends the length first
		return err
	}
	binary.BigEndian.PutUint16(a.query, uint16(len(a.query)-2))
	if a.udp, err = a.l.DialPacket("udp", a.server.String()); err != nil {
		return err
	}
	a.udp.Send(a.query[2:], netip.AddrPort{}, func(_ []byte, err error) { a.check(err) }).Unref()
	a.receive(make([]byte, dns.MaxUDP))
	return nil
}

// end closes what the attempt has open.
func (a *attempt) end() {
	a.over = true
	if a.udp != nil {
		a.udp.Close(nil)
	}
	if a.tcp != nil {
		a.tcp.Close(nil)
	}
	quit(a.dial)
}

// check reports whether the attempt goes on after a step with this result. If that failed, the next server is asked.
func (a *attempt) check(err error) bool {
	if a.over {
		return false
	}
	if err != nil {
		a.q.failed(&net.DNSError{Err: err.Error(), UnwrapErr: err, IsTemporary: true})
		return false
	}
	return true
}

// receive waits for the answer. What is none is let pass: anybody may have sent it.
func (a *attempt) receive(b []byte) {
	a.udp.Recv(b, func(p Packet, err error) {
		if !a.check(err) {
			return
		}
		m, err := dns.Parse(p.Data)
		switch {
		case err == nil && a.answers(m):
			if m.Truncated {
				a.overTCP()
				return
			}
			a.q.responded(m)
		case p.Truncated:
			a.overTCP()
		default:
			a.receive(b)
		}
	}).Unref()
}

// answers reports whether m is an answer to this query. A server that does not understand it may leave the question out.
func (a *attempt) answers(m dns.Message) bool {
	if m.ID != a.id || !m.Response {
		return false
	}
	if !m.Asked {
		return m.RCode == dns.FormatError
	}
	return m.Question.Type == a.q.kind && dns.Equal(m.Question.Name, a.q.name)
}

// overTCP asks again, in the time that is left. The answer is preceded by its length.
func (a *attempt) overTCP() {
	a.udp.Close(nil)
	a.udp = nil
	a.dial = a.l.Dial("tcp", a.server.String(), func(c *Conn, err error) {
		if a.over && c != nil {
			c.Close(nil)
		}
		if !a.check(err) {
			return
		}
		a.tcp = c
		c.Send(a.query, func(_ []byte, err error) { a.check(err) }).Unref()
		c.RecvFull(make([]byte, 2), func(b []byte, err error) {
			if a.check(err) {
				c.RecvFull(make([]byte, binary.BigEndian.Uint16(b)), a.received).Unref()
			}
		}).Unref()
	}).Unref()
}

func (a *attempt) received(b []byte, err error) {
	if !a.check(err) {
		return
	}
	m, err := dns.Parse(b)
	if err != nil || !a.answers(m) || m.Truncated {
		a.q.failed(&net.DNSError{Err: misbehaving, IsTemporary: true})
		return
	}
	a.q.responded(m)
}
