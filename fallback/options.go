package fallback

// Options configure a [Queue]. The zero value is the best choice here.
type Options struct {
	// Poller is "epoll" (Linux) or "poll" (every Unix system). Empty: the best one here.
	Poller string

	// Entries bounds the submission list: so many entries can be pushed between two calls of
	// Enter. Default 1024.
	Entries int

	// Workers bounds the goroutines that execute what may block, started on demand. Default [DefaultWorkers].
	Workers int
}

// Defaults of [Options].
const (
	DefaultEntries = 1024
	DefaultWorkers = 16
)

func (o Options) withDefaults() Options {
	if o.Entries <= 0 {
		o.Entries = DefaultEntries
	}
	if o.Workers <= 0 {
		o.Workers = DefaultWorkers
	}
	return o
}

// Stats counts what a queue did since it was made. The system calls of a message are Waits, Controls and Attempts.
type Stats struct {
	Waits    uint64 // the poller was asked for events
	Controls uint64 // a registration with the poller was made, changed or removed
	Attempts uint64 // an operation was tried without blocking
	Refused  uint64 // attempts that ended with EAGAIN
	Jobs     uint64 // operations handed to the workers
}
