package loop

import "github.com/proactor-go/proactor/ring"

// complete takes what the queue, or the loop itself, reports about o to the place that knows what it means: the one switch
// from completions to callbacks. Whatever it leads to retires o before it calls back, or leaves it in flight.
func (l *Loop) complete(o *op, c ring.CQE) {
	if o.then != ring.OpNop {
		o.polled()
		if c.Res >= 0 && o.cause == causeNone {
			if o.kind == kindRecvMultishot || o.kind == kindRecvPackets {
				o.h.self.(multishot).readable(o)
			} else {
				l.submit(o)
			}
			return
		}
		if c.Res >= 0 { // ready, but no longer wanted
			c.Res = -ecanceled
		}
	}
	switch o.kind {
	case kindRecv, kindRecvFull:
		o.h.self.(*Conn).received(o, c.Res)
	case kindRecvMultishot:
		o.h.self.(*Conn).receivedMultishot(o, c)
	case kindTransmit:
		o.h.self.(*Conn).transmitted(o, c.Res)
	case kindSend, kindShutdown, kindSendFile:
		o.h.self.(*Conn).sendDone(o, c.Res)
	case kindRead, kindWrite:
		o.h.self.(*File).moved(o, c.Res)
	case kindReadVec, kindWriteVec:
		o.h.self.(*File).movedVec(o, c.Res)
	case kindSync:
		o.h.self.(*File).synced(o, c.Res)
	case kindFlush:
		o.h.self.(*File).flushed(o, c.Res)
	case kindAccept:
		o.h.self.(*Listener).accepted(o, c)
	case kindConnect:
		l.connected(o, c.Res)
	case kindOpen:
		l.opened(o, c.Res)
	case kindStat:
		l.statted(o, c.Res)
	case kindFile:
		l.fileDone(o, c.Res)
	case kindPath:
		l.pathDone(o, c.Res)
	case kindWatch:
		l.watched(o, c.Res)
	case kindCall:
		l.called(o, c.Res)
	case kindReader:
		l.readerDone(o, c.Res)
	case kindMessage:
		l.messaged(o, c.Res)
	case kindFileWatch:
		o.h.self.(*FileWatcher).fileEvents(o, c.Res)
	case kindRecvFDs:
		o.h.self.(*Conn).receivedFDs(o, c.Res)
	case kindRecvPacket:
		o.h.self.(*PacketConn).received(o, c.Res)
	case kindRecvPackets:
		o.h.self.(*PacketConn).receivedMultishot(o, c)
	case kindSendPacket:
		o.h.self.(*PacketConn).sent(o, c.Res)
	case kindRecvFile:
		o.h.self.(*Conn).receivedForFile(o, c.Res)
	case kindReadDir:
		l.listed(o, c.Res)
	case kindExit:
		l.exited(o, c.Res)
	case kindPending:
		l.pendingDone(o, c.Res)
	case kindRaw:
		l.raw(o, c)
	case kindCancel:
		l.canceled(o, c.Res)
	case kindClose:
		l.closeDone(o, c.Res)
	case kindRelease:
		l.retire(o)
	default:
		panic("loop: completion of an operation of unknown kind")
	}
}
