// select is an echo server on select(2), which serves no descriptor from FD_SETSIZE on: it refuses such connections.
#include "conn.h"

#include <sys/select.h>

static struct conn conns[FD_SETSIZE]; // by descriptor
static fd_set reading, writing;
static int highest;

static void accept_all(int listener) {
	static int told;
	for (int fd; (fd = accept_next(listener, SOCK_NONBLOCK)) >= 0;) {
		if (fd >= FD_SETSIZE) {
			close(fd);
			if (!told++)
				fprintf(stderr, "select: refuses connections: select(2) serves no more than %d descriptors\n", FD_SETSIZE);
			continue;
		}
		conns[fd] = (struct conn){.fd = fd};
		FD_SET(fd, &reading);
		if (fd > highest)
			highest = fd;
	}
}

static void serve(int fd) {
	enum wait wait = conn_serve(&conns[fd]);
	FD_CLR(fd, &reading);
	FD_CLR(fd, &writing);
	switch (wait) {
	case NO_WAIT:
	case WAIT_READ: FD_SET(fd, &reading); break;
	case WAIT_WRITE: FD_SET(fd, &writing); break;
	case ENDED:
		conn_close(&conns[fd]);
		while (!FD_ISSET(highest, &reading) && !FD_ISSET(highest, &writing))
			highest--;
	}
}

int main(int argc, char **argv) {
	prepare_process();
	int listener = listen_socket(argc, argv, SOCK_NONBLOCK);
	FD_SET(listener, &reading);
	highest = listener;
	for (;;) {
		fd_set readable = reading, writable = writing;
		int ready = select(highest + 1, &readable, &writable, NULL, NULL);
		if (ready < 0 && errno != EINTR)
			check(ready, "select");
		int accepting = ready > 0 && FD_ISSET(listener, &readable);
		ready -= accepting;
		for (int fd = 0; ready > 0; fd++) {
			if (fd != listener && (FD_ISSET(fd, &readable) || FD_ISSET(fd, &writable))) {
				ready--;
				serve(fd);
			}
		}
		if (accepting)
			accept_all(listener);
	}
}
