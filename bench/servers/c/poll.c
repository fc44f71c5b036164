// poll is an echo server on poll(2): the array of all descriptors goes into the kernel and comes back, every time.
#include "conn.h"

#include <poll.h>

// Entry 0 is the listening socket, entry i the connection i.
static struct pollfd *entries;
static struct conn *conns;
static int count = 1;

static void accept_all(int limit) {
	for (int fd; (fd = accept_next(entries[0].fd, SOCK_NONBLOCK)) >= 0;) {
		if (count == limit) {
			close(fd);
			continue;
		}
		conns[count] = (struct conn){.fd = fd};
		entries[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
}

static void serve(int i) {
	switch (conn_serve(&conns[i])) {
	case NO_WAIT:
	case WAIT_READ: entries[i].events = POLLIN; break;
	case WAIT_WRITE: entries[i].events = POLLOUT; break;
	case ENDED:
		conn_close(&conns[i]);
		count--;
		conns[i] = conns[count];
		entries[i] = entries[count];
	}
}

int main(int argc, char **argv) {
	int limit = prepare_process();
	entries = check_alloc(calloc((size_t)limit, sizeof *entries));
	conns = check_alloc(calloc((size_t)limit, sizeof *conns));
	entries[0] = (struct pollfd){.fd = listen_socket(argc, argv, SOCK_NONBLOCK), .events = POLLIN};
	for (;;) {
		int ready = poll(entries, (nfds_t)count, -1);
		if (ready < 0 && errno != EINTR)
			check(ready, "poll");
		// Downwards: the last connection takes the place of one that ends, and has been served by then.
		for (int i = count - 1; i > 0 && ready > 0; i--) {
			if (entries[i].revents != 0) {
				ready--;
				serve(i);
			}
		}
		if (ready > 0)
			accept_all(limit);
	}
}
