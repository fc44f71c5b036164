// liburing is an echo server on io_uring, the completion interface of Linux, tuned until nothing measurable was left: one
// thread enters the kernel once per turn, to submit the sends of the turn before and to wait for what has been received since.
//
// Two choices carry its speed. DEFER_TASKRUN lets the kernel complete only when the program asks for it, so that completions
// come in batches and interrupt nothing. And a provided buffer is large and comes back at the next turn: a message arrives in
// one piece, into memory that is still in the cache. That is why a send never waits for its peer while it holds a buffer.
#include "bench.h"

#include <liburing.h>
#include <stdbool.h>
#include <sys/uio.h>

enum {
	SUBMISSIONS = 4096,
	COMPLETIONS = 32768, // room for a turn of every connection, so that the queue does not overflow
	CONNECTIONS = 65536, // at most, and at most RLIMIT_NOFILE
	BUFFER_SIZE = 64 << 10,
	PROVIDED = 128,         // buffers to receive into in one turn: fewer run out, more leave the cache
	BUFFERS = 2 * PROVIDED, // while as many are sent
	HIGH_WATER = 256 << 10, // bytes that wait for a slow reader when the connection stops receiving
	GROUP = 0,
	NONE = -1,
};

// The kind of an operation is the upper half of its user_data, the slot of its connection the lower one.
enum kind { ACCEPT, RECV, SEND_BUFFERS, SEND_COPY, NO_MATTER };

// A list of buffers, linked by their indices.
struct list {
	int first, last;
};

struct bytes {
	char *data;
	size_t size, capacity;
};

struct conn {
	struct list received; // buffers to send
	struct list sending;  // buffers that a send holds
	struct bytes waiting; // what did not fit into the socket, and all that came after it
	struct bytes copy;    // what a send that waits for the peer holds; empty when there is none
	size_t copy_sent;
	bool receiving, canceled, ended, broken, touched;
	int next_touched;
};

static struct io_uring ring;
static struct conn *conns;
static int listener, touched = NONE;

static struct io_uring_buf_ring *provided;
static char (*memory)[BUFFER_SIZE];
static struct {
	uint32_t size; // bytes that were received
	int next;
} buffers[BUFFERS];
static int unused[BUFFERS], unused_count; // a stack: the buffer that was used last is used next
static int provided_count;

// The iovecs of the sends that one submission takes. The kernel has copied them when it returns.
static struct iovec vectors[BUFFERS];
static struct msghdr headers[BUFFERS];
static int vector_count, header_count;

static int check_ring(int result, const char *call) {
	errno = result < 0 ? -result : 0;
	return check(result < 0 ? -1 : result, call);
}

// next_entry returns an entry that the caller prepares. Preparing keeps user_data and sets the flags to 0.
static struct io_uring_sqe *next_entry(enum kind kind, int slot) {
	struct io_uring_sqe *entry;
	while ((entry = io_uring_get_sqe(&ring)) == NULL)
		check_ring(io_uring_submit(&ring), "io_uring_submit");
	entry->user_data = (uint64_t)kind << 32 | (uint32_t)slot;
	return entry;
}

static void accept_connections(void) {
	io_uring_prep_multishot_accept_direct(next_entry(ACCEPT, 0), listener, NULL, NULL, 0);
}

static void receive(int slot) {
	struct io_uring_sqe *entry = next_entry(RECV, slot);
	io_uring_prep_recv_multishot(entry, slot, NULL, 0, 0);
	entry->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
	entry->buf_group = GROUP;
	conns[slot].receiving = true;
}

static void cancel_receive(int slot) {
	struct io_uring_sqe *entry = next_entry(NO_MATTER, slot);
	io_uring_prep_cancel64(entry, (uint64_t)RECV << 32 | (uint32_t)slot, 0);
	entry->flags = IOSQE_CQE_SKIP_SUCCESS;
	conns[slot].canceled = true;
}

// send_received sends all that the connection has received. MSG_DONTWAIT: what does not fit into the socket now is copied, so
// that the buffers come back with the next completions, and slow readers hold none.
static void send_received(int slot) {
	struct conn *c = &conns[slot];
	struct io_uring_sqe *entry = next_entry(SEND_BUFFERS, slot);
	int first = c->received.first;
	if (first == c->received.last) {
		io_uring_prep_send(entry, slot, memory[first], buffers[first].size, MSG_DONTWAIT);
	} else {
		struct msghdr *header = &headers[header_count++];
		*header = (struct msghdr){.msg_iov = &vectors[vector_count]};
		for (int b = first; b != NONE; b = buffers[b].next, header->msg_iovlen++)
			vectors[vector_count++] = (struct iovec){memory[b], buffers[b].size};
		io_uring_prep_sendmsg(entry, slot, header, MSG_DONTWAIT);
	}
	entry->flags = IOSQE_FIXED_FILE;
	c->sending = c->received;
	c->received.first = NONE;
}

static void send_copy(int slot) {
	struct conn *c = &conns[slot];
	struct io_uring_sqe *entry = next_entry(SEND_COPY, slot);
	io_uring_prep_send(entry, slot, c->copy.data + c->copy_sent, c->copy.size - c->copy_sent, MSG_WAITALL);
	entry->flags = IOSQE_FIXED_FILE;
}

static void append(struct bytes *to, const char *data, size_t size) {
	if (to->size + size > to->capacity) {
		to->capacity = 2 * (to->size + size);
		to->data = check_alloc(realloc(to->data, to->capacity));
	}
	memcpy(to->data + to->size, data, size);
	to->size += size;
}

// release ends the use of a list of buffers. All but the first sent bytes of them go to the waiting ones, unless to is NULL.
static void release(struct list *list, struct bytes *to, size_t sent) {
	for (int b = list->first; b != NONE; b = buffers[b].next) {
		size_t size = buffers[b].size, skipped = sent < size ? sent : size;
		if (to != NULL && skipped < size)
			append(to, memory[b] + skipped, size - skipped);
		sent -= skipped;
		unused[unused_count++] = b;
	}
	list->first = NONE;
}

// provide gives the kernel the buffers that it lacks.
static void provide(void) {
	int added = 0;
	for (; provided_count < PROVIDED && unused_count > 0; provided_count++) {
		int b = unused[--unused_count];
		io_uring_buf_ring_add(provided, memory[b], BUFFER_SIZE, (unsigned short)b, BUFFERS - 1, added++);
	}
	io_uring_buf_ring_advance(provided, added);
}

static void touch(int slot) {
	if (conns[slot].touched)
		return;
	conns[slot].touched = true;
	conns[slot].next_touched = touched;
	touched = slot;
}

static void accepted(const struct io_uring_cqe *cqe) {
	if (cqe->res >= 0) {
		conns[cqe->res] = (struct conn){.received.first = NONE, .sending.first = NONE};
		receive(cqe->res);
	} else if (cqe->res == -EINVAL || cqe->res == -EBADF || cqe->res == -ENOTSOCK) {
		check_ring(cqe->res, "accept");
	}
	// A full table ends the accept with ENFILE, and the connection with it.
	if (!(cqe->flags & IORING_CQE_F_MORE))
		accept_connections();
}

static void received(int slot, const struct io_uring_cqe *cqe) {
	struct conn *c = &conns[slot];
	touch(slot);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		c->receiving = c->canceled = false;
	if (cqe->res > 0) {
		int b = (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
		buffers[b].size = (uint32_t)cqe->res;
		buffers[b].next = NONE;
		if (c->received.first == NONE)
			c->received.first = b;
		else
			buffers[c->received.last].next = b;
		c->received.last = b;
		provided_count--;
	} else if (cqe->res == 0) {
		c->ended = true;
	} else if (cqe->res != -ECANCELED && cqe->res != -ENOBUFS) {
		c->broken = true; // the two others end a receive that may start again
	}
}

static void sent_buffers(int slot, int result) {
	struct conn *c = &conns[slot];
	if (result < 0 && result != -EAGAIN && result != -EINTR)
		c->broken = true;
	release(&c->sending, c->broken ? NULL : &c->waiting, result > 0 ? (size_t)result : 0);
	touch(slot);
}

static void sent_copy(int slot, int result) {
	struct conn *c = &conns[slot];
	touch(slot);
	if (result < 0 && result != -EINTR)
		c->broken = true;
	else if (result > 0)
		c->copy_sent += (size_t)result;
	if (!c->broken && c->copy_sent < c->copy.size) {
		send_copy(slot);
		return;
	}
	free(c->copy.data);
	c->copy = (struct bytes){0};
}

// advance starts what a connection can do next, after all completions of the turn. One send at a time keeps the order.
static void advance(int slot) {
	struct conn *c = &conns[slot];
	c->touched = false;
	if (c->broken) {
		release(&c->received, NULL, 0);
		c->waiting.size = 0;
	}
	if (c->sending.first == NONE) {
		if (c->copy.size > 0 || c->waiting.size > 0)
			release(&c->received, &c->waiting, 0);
		else if (c->received.first != NONE)
			send_received(slot);
		if (c->copy.size == 0 && c->waiting.size > 0) {
			struct bytes empty = c->copy;
			c->copy = c->waiting;
			c->waiting = empty;
			c->copy_sent = 0;
			send_copy(slot);
		}
	}
	bool full = c->waiting.size > HIGH_WATER;
	if (c->receiving) {
		if ((full || c->broken) && !c->canceled)
			cancel_receive(slot);
	} else if (!c->ended && !c->broken) {
		if (!full)
			receive(slot);
	} else if (c->sending.first == NONE && c->copy.size == 0) {
		free(c->waiting.data);
		struct io_uring_sqe *entry = next_entry(NO_MATTER, slot);
		io_uring_prep_close_direct(entry, (unsigned)slot);
		entry->flags = IOSQE_CQE_SKIP_SUCCESS;
	}
}

static void dispatch(const struct io_uring_cqe *cqe) {
	int slot = (int)(uint32_t)cqe->user_data;
	switch ((enum kind)(cqe->user_data >> 32)) {
	case ACCEPT: accepted(cqe); break;
	case RECV: received(slot, cqe); break;
	case SEND_BUFFERS: sent_buffers(slot, cqe->res); break;
	case SEND_COPY: sent_copy(slot, cqe->res); break;
	case NO_MATTER: break;
	}
}

static void turn(void) {
	provide();
	vector_count = header_count = 0;
	int result = io_uring_submit_and_wait(&ring, 1);
	if (result != -EINTR)
		check_ring(result, "io_uring_submit_and_wait");
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;
	io_uring_for_each_cqe(&ring, head, cqe) {
		dispatch(cqe);
		count++;
	}
	io_uring_cq_advance(&ring, count);
	while (touched != NONE) {
		int slot = touched;
		touched = conns[slot].next_touched;
		advance(slot);
	}
}

// set_up makes the ring. Closed connections leave their slot of the file table, so that a slot is the name of a connection.
static void set_up(int slots) {
	struct io_uring_params params = {
		.flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS,
	};
	check_ring(io_uring_queue_init_params(SUBMISSIONS, &ring, &params), "io_uring_queue_init_params");
	check_ring(io_uring_register_ring_fd(&ring), "io_uring_register_ring_fd");
	check_ring(io_uring_register_files_sparse(&ring, (unsigned)slots), "io_uring_register_files_sparse");
	conns = check_alloc(calloc((size_t)slots, sizeof *conns));

	provided = check_alloc(aligned_alloc(4096, BUFFERS * sizeof(struct io_uring_buf)));
	memory = check_alloc(aligned_alloc(4096, BUFFERS * sizeof *memory));
	struct io_uring_buf_reg group = {.ring_addr = (uintptr_t)provided, .ring_entries = BUFFERS, .bgid = GROUP};
	check_ring(io_uring_register_buf_ring(&ring, &group, 0), "io_uring_register_buf_ring");
	io_uring_buf_ring_init(provided);
	while (unused_count < BUFFERS) {
		unused[unused_count] = unused_count;
		unused_count++;
	}
}

int main(int argc, char **argv) {
	int limit = prepare_process();
	set_up(limit < CONNECTIONS ? limit : CONNECTIONS);
	listener = listen_socket(argc, argv, 0);
	accept_connections();
	for (;;)
		turn();
}
