package dns

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Config is what resolv.conf(5) says. The zero value of a field means that it says nothing.
type Config struct {
	Servers  []netip.AddrPort
	Search   []string
	Ndots    int // -1: "ndots:0"
	Timeout  time.Duration
	Attempts int
	Rotate   bool
}

// The limits of the C library.
const (
	maxServers  = 3
	maxNdots    = 15
	maxTimeout  = 30
	maxAttempts = 5
)

// ParseConfig reads the text of a resolv.conf. What it does not understand it leaves out, as every resolver does.
func ParseConfig(text string) (c Config) {
	for line := range strings.Lines(text) {
		if i := strings.IndexAny(line, "#;"); i >= 0 {
			line = line[:i]
		}
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch keyword, args := fields[0], fields[1:]; keyword {
		case "nameserver":
			if ip, err := netip.ParseAddr(args[0]); err == nil && len(c.Servers) < maxServers {
				c.Servers = append(c.Servers, netip.AddrPortFrom(ip, 53))
			}
		case "domain":
			c.Search = args[:1]
		case "search": // the last of these two counts
			c.Search = args
		case "options":
			for _, option := range args {
				c.option(option)
			}
		}
	}
	return c
}

func (c *Config) option(option string) {
	name, value, _ := strings.Cut(option, ":")
	n, err := strconv.Atoi(value)
	switch {
	case name == "rotate":
		c.Rotate = true
	case err != nil || n < 0:
	case name == "ndots":
		if c.Ndots = min(n, maxNdots); n == 0 {
			c.Ndots = -1
		}
	case name == "timeout":
		c.Timeout = time.Duration(min(max(n, 1), maxTimeout)) * time.Second
	case name == "attempts":
		c.Attempts = min(max(n, 1), maxAttempts)
	}
}

// Candidates returns the names to ask for in turn when a program asks for name. A dot at the end of a name says that it is complete.
func Candidates(name string, search []string, ndots int) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	list := make([]string, 0, len(search)+1)
	for _, domain := range search {
		if domain = strings.TrimSuffix(domain, "."); domain != "" {
			list = append(list, name+"."+domain+".")
		}
	}
	if strings.Count(name, ".") >= ndots {
		return append([]string{name + "."}, list...)
	}
	return append(list, name+".")
}
