// libuv is an echo server on libuv, as its experienced users write one: the same buffer for every read, an attempt to write at
// once, and a write request only for what is left.
#include "bench.h"

#include <uv.h>

enum { CHUNK = 64 << 10 };

// A read fills the buffer and calls back before the next one starts: one is enough.
static char chunk[CHUNK];

// A rest is what a slow reader has left. Its connection does not read until it is written, which bounds the memory.
struct rest {
	uv_write_t request;
	char data[];
};

static void check_uv(int result, const char *call) {
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", call, uv_strerror(result));
	exit(EXIT_FAILURE);
}

static void on_closed(uv_handle_t *conn) { free(conn); }

static void end(uv_stream_t *conn) {
	if (!uv_is_closing((uv_handle_t *)conn))
		uv_close((uv_handle_t *)conn, on_closed);
}

static void on_alloc(uv_handle_t *conn, size_t suggested, uv_buf_t *buf) {
	(void)conn, (void)suggested;
	*buf = uv_buf_init(chunk, CHUNK);
}

static void on_read(uv_stream_t *conn, ssize_t n, const uv_buf_t *buf);

static void on_written(uv_write_t *request, int status) {
	uv_stream_t *conn = request->handle;
	free(request->data);
	if (status < 0)
		end(conn);
	else
		check_uv(uv_read_start(conn, on_alloc, on_read), "uv_read_start");
}

static void write_rest(uv_stream_t *conn, const char *data, size_t size) {
	struct rest *rest = check_alloc(malloc(sizeof *rest + size));
	memcpy(rest->data, data, size);
	rest->request.data = rest;
	uv_buf_t buf = uv_buf_init(rest->data, (unsigned)size);
	uv_read_stop(conn);
	if (uv_write(&rest->request, conn, &buf, 1, on_written) < 0) {
		free(rest);
		end(conn);
	}
}

static void on_read(uv_stream_t *conn, ssize_t n, const uv_buf_t *buf) {
	if (n < 0)
		end(conn);
	if (n <= 0)
		return;
	uv_buf_t received = uv_buf_init(buf->base, (unsigned)n);
	int sent = uv_try_write(conn, &received, 1);
	if (sent == UV_EAGAIN)
		sent = 0;
	if (sent < 0)
		end(conn);
	else if (sent < n)
		write_rest(conn, buf->base + sent, (size_t)(n - sent));
}

static void on_connection(uv_stream_t *listener, int status) {
	if (status < 0)
		return; // the error of one connection that is gone already
	uv_tcp_t *conn = check_alloc(malloc(sizeof *conn));
	check_uv(uv_tcp_init(listener->loop, conn), "uv_tcp_init");
	if (uv_accept(listener, (uv_stream_t *)conn) < 0) {
		end((uv_stream_t *)conn);
		return;
	}
	uv_tcp_nodelay(conn, 1); // fails when the peer is gone already, and so will the read
	check_uv(uv_read_start((uv_stream_t *)conn, on_alloc, on_read), "uv_read_start");
}

int main(int argc, char **argv) {
	prepare_process();
	struct sockaddr_in addr = flag_addr(argc, argv);
	int size = sizeof addr;
	uv_loop_t *loop = uv_default_loop();
	uv_tcp_t listener;
	check_uv(uv_tcp_init(loop, &listener), "uv_tcp_init");
	check_uv(uv_tcp_bind(&listener, (struct sockaddr *)&addr, 0), "uv_tcp_bind"); // sets SO_REUSEADDR
	check_uv(uv_listen((uv_stream_t *)&listener, BACKLOG, on_connection), "uv_listen");
	check_uv(uv_tcp_getsockname(&listener, (struct sockaddr *)&addr, &size), "uv_tcp_getsockname");
	announce(&addr);
	return uv_run(loop, UV_RUN_DEFAULT);
}
