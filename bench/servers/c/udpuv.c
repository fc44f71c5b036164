// udpuv is a UDP echo server on libuv. It receives many datagrams with one system call (recvmmsg), and tries to send each at once.
#include "bench.h"

#include <uv.h>

enum { SIZE = 64 << 10, BATCH = 20 }; // libuv takes a chunk of 64 KiB for each datagram, and at most 20 of them

static char chunks[BATCH * SIZE];

static void check_uv(int result, const char *call) {
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", call, uv_strerror(result));
	exit(EXIT_FAILURE);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
	(void)handle, (void)suggested;
	*buf = uv_buf_init(chunks, sizeof chunks);
}

static void on_received(uv_udp_t *handle, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags) {
	(void)flags;
	if (n < 0 || from == NULL)
		return;
	uv_buf_t answer = uv_buf_init(buf->base, (unsigned)n);
	uv_udp_try_send(handle, &answer, 1, from); // what cannot be sent is lost
}

int main(int argc, char **argv) {
	prepare_process();
	struct sockaddr_in addr = flag_addr(argc, argv);
	int size = sizeof addr;
	uv_loop_t *loop = uv_default_loop();
	uv_udp_t udp;
	check_uv(uv_udp_init_ex(loop, &udp, AF_INET | UV_UDP_RECVMMSG), "uv_udp_init_ex");
	check_uv(uv_udp_bind(&udp, (struct sockaddr *)&addr, 0), "uv_udp_bind");
	check_uv(uv_udp_recv_start(&udp, on_alloc, on_received), "uv_udp_recv_start");
	check_uv(uv_udp_getsockname(&udp, (struct sockaddr *)&addr, &size), "uv_udp_getsockname");
	announce(&addr);
	return uv_run(loop, UV_RUN_DEFAULT);
}
