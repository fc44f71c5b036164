// bench.h is what every C contestant shares: its flags, its limits, its listening socket, and the JSON object of a workload.
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE // accept4
#endif

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

// The programs use different parts of this header.
#define SHARED __attribute__((unused)) static

// check ends the program when a system call has failed, and gives its result back otherwise.
SHARED int check(int result, const char *call) {
	if (result < 0) {
		perror(call);
		exit(EXIT_FAILURE);
	}
	return result;
}

SHARED void *check_alloc(void *memory) {
	if (memory == NULL) {
		perror("out of memory");
		exit(EXIT_FAILURE);
	}
	return memory;
}

// prepare_process lets writes to a closed connection fail instead of kill, and allows as many descriptors as the system does.
// It returns how many.
SHARED int prepare_process(void) {
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		check(-1, "signal");
	struct rlimit limit;
	check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	return limit.rlim_cur > 1 << 20 ? 1 << 20 : (int)limit.rlim_cur;
}

// flag_value finds "-name value" among the arguments.
SHARED const char *flag_value(int argc, char **argv, const char *name, const char *otherwise) {
	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return otherwise;
}

// flag_seconds reads a duration as Go writes it, in seconds or milliseconds: 2s, 0.3s, 300ms.
SHARED double flag_seconds(int argc, char **argv, const char *name, const char *otherwise) {
	const char *text = flag_value(argc, argv, name, otherwise);
	char *unit;
	double seconds = strtod(text, &unit);
	if (unit != text && strcmp(unit, "ms") == 0)
		return seconds / 1e3;
	if (unit != text && strcmp(unit, "s") == 0)
		return seconds;
	fprintf(stderr, "%s: not a duration: %s\n", name, text);
	exit(EXIT_FAILURE);
}

// flag_addr reads -addr, an IPv4 address and a port.
SHARED struct sockaddr_in flag_addr(int argc, char **argv) {
	const char *text = flag_value(argc, argv, "-addr", "127.0.0.1:7000");
	struct sockaddr_in addr = {.sin_family = AF_INET};
	char host[INET_ADDRSTRLEN];
	unsigned port;
	if (sscanf(text, "%15[0-9.]:%u", host, &port) != 2 || port > 65535 || inet_pton(AF_INET, host, &addr.sin_addr) != 1) {
		fprintf(stderr, "-addr: not an IPv4 address and port: %s\n", text);
		exit(EXIT_FAILURE);
	}
	addr.sin_port = htons((uint16_t)port);
	return addr;
}

// announce tells the runner that connections are accepted from now on.
SHARED void announce(const struct sockaddr_in *addr) {
	char host[INET_ADDRSTRLEN];
	inet_ntop(AF_INET, &addr->sin_addr, host, sizeof host);
	printf("listening on %s:%d\n", host, ntohs(addr->sin_port));
	check(fflush(stdout), "fflush");
}

// listen_socket returns the listening socket of -addr. TCP_NODELAY is set on it because accepted sockets inherit it: one
// system call, and none per connection.
SHARED int listen_socket(int argc, char **argv, int type_flags) {
	struct sockaddr_in addr = flag_addr(argc, argv);
	socklen_t size = sizeof addr;
	int one = 1;
	int listener = check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0), "socket");
	check(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), "SO_REUSEADDR");
	check(setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), "TCP_NODELAY");
	check(bind(listener, (struct sockaddr *)&addr, size), "bind");
	check(listen(listener, BACKLOG), "listen");
	check(getsockname(listener, (struct sockaddr *)&addr, &size), "getsockname");
	announce(&addr);
	return listener;
}

// datagram_socket returns the UDP socket of -addr, non-blocking.
SHARED int datagram_socket(int argc, char **argv) {
	struct sockaddr_in addr = flag_addr(argc, argv);
	socklen_t size = sizeof addr;
	int fd = check(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
	check(bind(fd, (struct sockaddr *)&addr, size), "bind");
	check(getsockname(fd, (struct sockaddr *)&addr, &size), "getsockname");
	announce(&addr);
	return fd;
}

// accept_next returns a connection, or -1 when nobody waits. At the limit of descriptors it gives up one that it keeps in
// reserve, to accept a connection and close it: one that nobody accepts would be reported for ever.
SHARED int accept_next(int listener, int type_flags) {
	static int reserve = -1;
	for (;;) {
		if (reserve < 0)
			reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | type_flags);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			close(reserve);
			fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | type_flags);
			reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
			if (fd >= 0 && reserve < 0) {
				close(fd);
				continue;
			}
		}
		if (fd >= 0)
			return fd;
		if (errno == EAGAIN || errno == EMFILE || errno == ENFILE)
			return -1;
		if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK || errno == EFAULT)
			check(-1, "accept4");
		// The rest are the errors of one connection that is gone already.
	}
}

SHARED double seconds_of(clockid_t clock) {
	struct timespec t;
	check(clock_gettime(clock, &t), "clock_gettime");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

SHARED double now(void) { return seconds_of(CLOCK_MONOTONIC); }

// A sample is what the process has used up to now.
struct sample {
	double time, cpu;
	struct rusage usage;
};

SHARED struct sample take_sample(void) {
	struct sample s = {.time = now(), .cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID)};
	check(getrusage(RUSAGE_SELF, &s.usage), "getrusage");
	return s;
}

SHARED double spent(struct timeval from, struct timeval to) {
	return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

// print_result writes the JSON object of a workload that did ops from one sample to the other.
SHARED void print_result(uint64_t ops, const struct sample *from, const struct sample *to) {
	long switches = to->usage.ru_nvcsw + to->usage.ru_nivcsw - from->usage.ru_nvcsw - from->usage.ru_nivcsw;
	printf("{\"ops\":%llu,\"seconds\":%.6f,\"errors\":0,\"cpu_s\":%.6f,\"cpu_user_s\":%.6f,\"cpu_sys_s\":%.6f,"
	       "\"ctx_switches\":%ld,\"rss_bytes\":%lld}\n",
	       (unsigned long long)ops, to->time - from->time, to->cpu - from->cpu,
	       spent(from->usage.ru_utime, to->usage.ru_utime), spent(from->usage.ru_stime, to->usage.ru_stime), switches,
	       (long long)to->usage.ru_maxrss * 1024);
	check(fflush(stdout), "fflush");
}

#endif
