// thread is an echo server with a thread per connection, which blocks: the oldest model, and the simplest to write.
#include "bench.h"

#include <pthread.h>

enum {
	CHUNK = 64 << 10, // on the stack too: only the pages that are used take memory
	STACK = 64 << 10,
};

static int send_all(int fd, const char *data, size_t size) {
	while (size > 0) {
		ssize_t n = send(fd, data, size, 0);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static void *serve(void *argument) {
	int fd = (int)(intptr_t)argument;
	char chunk[CHUNK];
	ssize_t n;
	do {
		n = recv(fd, chunk, sizeof chunk, 0);
	} while ((n < 0 && errno == EINTR) || (n > 0 && send_all(fd, chunk, (size_t)n) == 0));
	close(fd);
	return NULL;
}

static void check_thread(int error, const char *call) {
	errno = error;
	check(error == 0 ? 0 : -1, call);
}

int main(int argc, char **argv) {
	prepare_process();
	pthread_attr_t attributes;
	check_thread(pthread_attr_init(&attributes), "pthread_attr_init");
	check_thread(pthread_attr_setstacksize(&attributes, CHUNK + STACK), "pthread_attr_setstacksize");
	check_thread(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), "pthread_attr_setdetachstate");
	int listener = listen_socket(argc, argv, 0);
	for (;;) {
		int fd = accept_next(listener, 0);
		pthread_t thread;
		if (fd >= 0 && pthread_create(&thread, &attributes, serve, (void *)(intptr_t)fd) != 0)
			close(fd); // the limit of threads refuses this connection, and no other
	}
}
