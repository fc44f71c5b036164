// conn.h is a connection of the reactors (select, poll, epoll): the attempts to receive and send that follow a readiness event.
#ifndef CONN_H
#define CONN_H

#include "bench.h"

enum { CHUNK = 64 << 10 };

// All connections receive into the same buffer, which stays in the processor's cache: what has been received is sent at
// once, and only what a slow reader leaves is copied.
static char chunk[CHUNK];

struct conn {
	int fd;
	uint32_t sent, size; // of rest
	char *rest;          // what the peer could not take yet, or NULL
};

// What a connection waits for. One that has a rest receives nothing more, which bounds its memory. NO_WAIT: there may be more
// to receive at once. ENDED: it is to be closed.
enum wait { WAIT_READ, WAIT_WRITE, NO_WAIT, ENDED };

static int would_block(void) { return errno == EAGAIN || errno == EINTR; }

SHARED void conn_close(struct conn *c) {
	close(c->fd);
	free(c->rest);
	c->rest = NULL;
}

// conn_flush sends the rest.
static enum wait conn_flush(struct conn *c) {
	ssize_t n = send(c->fd, c->rest + c->sent, c->size - c->sent, 0);
	if (n < 0)
		return would_block() ? WAIT_WRITE : ENDED;
	c->sent += (uint32_t)n;
	if (c->sent < c->size)
		return WAIT_WRITE;
	free(c->rest);
	c->rest = NULL;
	return NO_WAIT;
}

// conn_echo receives once and sends that. Less than it asked for means that the socket is empty now.
static enum wait conn_echo(struct conn *c) {
	ssize_t n = recv(c->fd, chunk, CHUNK, 0);
	if (n <= 0)
		return n < 0 && would_block() ? WAIT_READ : ENDED;
	ssize_t sent = send(c->fd, chunk, (size_t)n, 0);
	if (sent == n)
		return n < CHUNK ? WAIT_READ : NO_WAIT;
	if (sent < 0) {
		if (!would_block())
			return ENDED;
		sent = 0;
	}
	c->sent = 0;
	c->size = (uint32_t)(n - sent);
	c->rest = check_alloc(malloc(c->size));
	memcpy(c->rest, chunk + sent, c->size);
	return WAIT_WRITE;
}

// conn_serve does what the readiness of a connection allows.
SHARED enum wait conn_serve(struct conn *c) { return c->rest != NULL ? conn_flush(c) : conn_echo(c); }

#endif
