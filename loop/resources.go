package loop

import (
	"fmt"
	"runtime"
	"time"
)

// A Resource is something that keeps a loop alive.
type Resource struct {
	Kind  string // the method that started it, such as "Recv" or "Timer"
	FD    int    // its descriptor, or -1
	Where string // where it was started, with Options.Debug
}

// String returns kind, descriptor and place.
func (r Resource) String() string {
	text := r.Kind
	if r.FD >= 0 {
		text = fmt.Sprintf("%s on descriptor %d", r.Kind, r.FD)
	}
	if r.Where != "" {
		text += " started at " + r.Where
	}
	return text
}

// ActiveResources lists what keeps Run from returning: the answer to "why does my program not exit?". It belongs
// to the loop's goroutine and looks at every operation there is.
func (l *Loop) ActiveResources() []Resource {
	var list []Resource
	l.slots.all(func(o *op) {
		if o.unref {
			return
		}
		r := Resource{Kind: o.name(), FD: -1, Where: o.where()}
		if o.h != nil {
			r.FD = int(o.h.fd)
		} else if o.sqe.FD > 0 {
			r.FD = int(o.sqe.FD)
		}
		list = append(list, r)
	})
	for h := l.handles.head; h != nil; h = h.next {
		if h.closing {
			list = append(list, Resource{Kind: "closing", FD: int(h.fd)})
		}
	}
	for range l.closed {
		list = append(list, Resource{Kind: "closing", FD: -1})
	}
	for _, e := range l.timers.heap {
		if e.t.armed && !e.t.unref {
			list = append(list, Resource{Kind: "Timer", FD: -1})
		}
	}
	for i, hooks := range []*hookList{&l.idle, &l.prepare, &l.check} {
		for _, h := range hooks.hooks {
			if !h.unref {
				list = append(list, Resource{Kind: [...]string{"OnIdle", "OnPrepare", "OnCheck"}[i], FD: -1})
			}
		}
	}
	for i := l.immediates.head; i != nil; i = i.next {
		if !i.unref {
			list = append(list, Resource{Kind: "Immediate", FD: -1})
		}
	}
	if l.batch != nil || l.posts.waiting() {
		list = append(list, Resource{Kind: "Post", FD: -1})
	}
	for range l.holds {
		list = append(list, Resource{Kind: "Ref", FD: -1})
	}
	return list
}

// recordStart remembers the call stack of the operation's start, and when it was.
func (l *Loop) recordStart(o *op) {
	x := l.slots.more(o)
	if l.options.Debug {
		x.where = make([]uintptr, 16)
		x.where = x.where[:runtime.Callers(3, x.where)]
	}
	if l.options.Tracer != nil {
		x.began = time.Since(l.origin)
	}
}

// where names the first caller outside this package.
func (o *op) where() string {
	if o.extra == nil || len(o.extra.where) == 0 {
		return ""
	}
	for frames := runtime.CallersFrames(o.extra.where); ; {
		f, more := frames.Next()
		if !isOurs(f.Function) || !more {
			return fmt.Sprintf("%s:%d", f.File, f.Line)
		}
	}
}

const ours = "github.com/proactor-go/proactor/loop."

func isOurs(function string) bool {
	return len(function) > len(ours) && function[:len(ours)] == ours
}
