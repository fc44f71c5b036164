// udpmmsg is a UDP echo server on epoll that receives and sends up to 64 datagrams with a system call each: the best that readiness can
// do.
#include "bench.h"

#include <sys/epoll.h>

enum { BATCH = 64, SIZE = 2048 };

static char data[BATCH][SIZE];
static struct sockaddr_in from[BATCH];
static struct iovec vecs[BATCH];
static struct mmsghdr messages[BATCH];

// echo_all goes on until nothing is left. What cannot be sent is lost.
static void echo_all(int fd) {
	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			vecs[i].iov_len = SIZE;
			messages[i].msg_hdr.msg_namelen = sizeof from[i];
		}
		int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR)
			check(n, "recvmmsg");
		for (int i = 0; i < n; i++)
			vecs[i].iov_len = messages[i].msg_len;
		for (int sent = 0; sent < n;) {
			int k = sendmmsg(fd, messages + sent, (unsigned)(n - sent), MSG_DONTWAIT);
			sent += k > 0 ? k : 1;
		}
		if (n < BATCH)
			return;
	}
}

int main(int argc, char **argv) {
	prepare_process();
	int fd = datagram_socket(argc, argv);
	for (int i = 0; i < BATCH; i++) {
		vecs[i].iov_base = data[i];
		messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_iov = &vecs[i], .msg_iovlen = 1};
	}
	int epoll = check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	struct epoll_event event = {.events = EPOLLIN};
	check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
	for (;;) {
		int n = epoll_wait(epoll, &event, 1, -1);
		if (n < 0 && errno != EINTR)
			check(n, "epoll_wait");
		if (n > 0)
			echo_all(fd);
	}
}
