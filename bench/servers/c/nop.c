// nop is the bare cost of io_uring: a batch of operations that do nothing is submitted and reaped, again and again.
#include "bench.h"

#include <liburing.h>

static int check_ring(int result, const char *call) {
	errno = result < 0 ? -result : 0;
	return check(result < 0 ? -1 : result, call);
}

// turn does batch operations.
static void turn(struct io_uring *ring, unsigned batch) {
	for (unsigned i = 0; i < batch; i++)
		io_uring_prep_nop(io_uring_get_sqe(ring));
	check_ring(io_uring_submit_and_wait(ring, batch), "io_uring_submit_and_wait");
	struct io_uring_cqe *cqe;
	unsigned head, count = 0;
	io_uring_for_each_cqe(ring, head, cqe) {
		check_ring(cqe->res, "nop");
		count++;
	}
	if (count != batch) {
		fprintf(stderr, "nop: %u completions of %u operations\n", count, batch);
		exit(EXIT_FAILURE);
	}
	io_uring_cq_advance(ring, count);
}

// run does turns for a while, and returns how many operations that were. It asks for the time rarely.
static uint64_t run(struct io_uring *ring, unsigned batch, double seconds) {
	uint64_t ops = 0;
	for (double end = now() + seconds; now() < end;)
		for (uint64_t stop = ops + 4096; ops < stop; ops += batch)
			turn(ring, batch);
	return ops;
}

int main(int argc, char **argv) {
	int batch = atoi(flag_value(argc, argv, "-batch", "16"));
	if (strcmp(flag_value(argc, argv, "-work", "nop"), "nop") != 0 || batch < 1 || batch > 4096) {
		fprintf(stderr, "usage: nop -work nop -batch 1..4096 -duration 2s -warmup 0.3s\n");
		return EXIT_FAILURE;
	}
	struct io_uring ring;
	unsigned flags = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_SUBMIT_ALL;
	check_ring(io_uring_queue_init((unsigned)batch, &ring, flags), "io_uring_queue_init");
	check_ring(io_uring_register_ring_fd(&ring), "io_uring_register_ring_fd");
	run(&ring, (unsigned)batch, flag_seconds(argc, argv, "-warmup", "0.3s"));
	struct sample from = take_sample();
	uint64_t ops = run(&ring, (unsigned)batch, flag_seconds(argc, argv, "-duration", "2s"));
	struct sample to = take_sample();
	print_result(ops, &from, &to);
	return EXIT_SUCCESS;
}
