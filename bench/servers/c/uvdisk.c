// uvdisk.c is the file contestant on libuv: one loop that hands every file operation to libuv's pool of threads, as large as
// UV_THREADPOOL_SIZE says (4 by default). The files are those that disk/prepare makes.
#define _GNU_SOURCE // O_DIRECT, madvise
#include <limits.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <uv.h>

#include "bench.h"

enum { SMALL_FILES = 10000, SMALL_SIZE = 1024, RECORD = 512, PAGE = 4096, HUGE_PAGE = 2 << 20 };

// A flow has one operation in flight, which may take several requests.
struct flow {
	uv_fs_t req;
	char *data;
	uint64_t random, id, seq, block;
	uv_file fd;
};

static struct {
	const char *work, *file, *dir;
	bool direct, all, stopped;
	uint64_t depth, size, blocks, cursor, salt, done;
	uint64_t ops; // done within the window
	uv_file fd;
	struct sample before, after;
} job;

static const uint64_t base = 0x70726f6163746f72;

// word is what the 8 bytes at offset off of a file contain.
static uint64_t word(uint64_t off, uint64_t salt) { return (off ^ salt) * 0x9e3779b97f4a7c15; }

static uint64_t load(const char *at) {
	uint64_t value;
	memcpy(&value, at, sizeof value);
	return value;
}

static void store(char *at, uint64_t value) { memcpy(at, &value, sizeof value); }

static void fail(const char *what) {
	fprintf(stderr, "uvdisk: %s\n", what);
	exit(EXIT_FAILURE);
}

// verify looks at the first and the last word of a block, or at all of them.
static void verify(const char *data, uint64_t off, uint64_t salt, bool all) {
	uint64_t step = all ? 8 : job.size - 8;
	for (uint64_t i = 0; i < job.size; i += step)
		if (load(data + i) != word(off + i, salt)) {
			fprintf(stderr, "uvdisk: wrong bytes at offset %llu\n", (unsigned long long)(off + i));
			exit(EXIT_FAILURE);
		}
}

// result returns what a request moved and makes the request fit for another.
static ssize_t result(uv_fs_t *req) {
	ssize_t n = req->result;
	if (n < 0)
		fail(uv_strerror((int)n));
	uv_fs_req_cleanup(req);
	return n;
}

static void start(int error) {
	if (error < 0)
		fail(uv_strerror(error));
}

static bool is(const char *work) { return strcmp(job.work, work) == 0; }

static bool is_random(void) { return is("randread") || is("hotread"); }

static uint64_t next_block(struct flow *f) {
	if (!is_random())
		return job.cursor++ % job.blocks;
	uint64_t z = f->random += 0x9e3779b97f4a7c15; // splitmix64
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint64_t)((unsigned __int128)(z ^ z >> 31) * job.blocks >> 64);
}

static void next(struct flow *f);

static void finish(struct flow *f) {
	job.done++;
	if (!job.stopped)
		next(f);
}

static void on_read(uv_fs_t *req) {
	struct flow *f = req->data;
	if (result(req) != (ssize_t)job.size)
		fail("a short read");
	verify(f->data, f->block * job.size, base, job.all);
	finish(f);
}

static void on_written(uv_fs_t *req) {
	if (result(req) != (ssize_t)job.size)
		fail("a short write");
	finish(req->data);
}

static void on_synced(uv_fs_t *req) {
	result(req);
	finish(req->data);
}

static void on_appended(uv_fs_t *req) {
	if (result(req) != RECORD)
		fail("a short write");
	start(uv_fs_fdatasync(uv_default_loop(), req, job.fd, on_synced));
}

static void on_closed(uv_fs_t *req) {
	result(req);
	finish(req->data);
}

static void on_small_read(uv_fs_t *req) {
	struct flow *f = req->data;
	if (result(req) != SMALL_SIZE)
		fail("a short read");
	verify(f->data, f->block * SMALL_SIZE, base, job.all);
	start(uv_fs_close(uv_default_loop(), req, f->fd, on_closed));
}

static void on_statted(uv_fs_t *req) {
	struct flow *f = req->data;
	if (req->statbuf.st_size != SMALL_SIZE)
		fail("a file of another size");
	result(req);
	uv_buf_t buf = uv_buf_init(f->data, SMALL_SIZE);
	start(uv_fs_read(uv_default_loop(), req, f->fd, &buf, 1, 0, on_small_read));
}

static void on_opened(uv_fs_t *req) {
	struct flow *f = req->data;
	f->fd = (uv_file)result(req);
	start(uv_fs_fstat(uv_default_loop(), req, f->fd, on_statted));
}

static void append_record(struct flow *f, uv_buf_t *buf) {
	store(f->data, f->id);
	store(f->data + 8, f->seq);
	store(f->data + RECORD - 8, word(f->id << 40 | f->seq, base));
	f->seq++;
	start(uv_fs_write(uv_default_loop(), &f->req, job.fd, buf, 1, -1, on_appended));
}

static void next(struct flow *f) {
	uv_buf_t buf = uv_buf_init(f->data, (unsigned)job.size);
	if (is("append")) {
		append_record(f, &buf);
		return;
	}
	f->block = next_block(f);
	uint64_t off = f->block * job.size;
	if (is("small")) {
		char name[PATH_MAX];
		snprintf(name, sizeof name, "%s/%02d/%04d", job.dir, (int)(f->block / 100), (int)f->block);
		start(uv_fs_open(uv_default_loop(), &f->req, name, O_RDONLY, 0, on_opened));
	} else if (is("seqwrite")) {
		store(f->data, word(off, job.salt));
		store(f->data + job.size - 8, word(off + job.size - 8, job.salt));
		start(uv_fs_write(uv_default_loop(), &f->req, job.fd, &buf, 1, (int64_t)off, on_written));
	} else {
		start(uv_fs_read(uv_default_loop(), &f->req, job.fd, &buf, 1, (int64_t)off, on_read));
	}
}

static void on_warm(uv_timer_t *timer) {
	(void)timer;
	job.before = take_sample();
	job.ops = job.done;
}

static void on_end(uv_timer_t *timer) {
	(void)timer;
	job.after = take_sample();
	job.ops = job.done - job.ops;
	job.stopped = true;
}

// settle makes every run begin alike: with the file in the page cache, or none of it.
static void settle(void) {
	int fd = check(open(job.file, O_RDONLY | O_CLOEXEC), job.file);
	static char block[1 << 20];
	if (job.direct) {
		check(fsync(fd), "fsync");
		if (posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
			fail("posix_fadvise");
	} else {
		while (check((int)read(fd, block, sizeof block), "read") > 0)
			;
	}
	job.blocks = (uint64_t)check((int)(lseek(fd, 0, SEEK_END) / (off_t)job.size), "lseek");
	if (job.blocks == 0)
		fail("the file is empty");
	check(close(fd), "close");
}

static void open_file(void) {
	int flags = O_CLOEXEC | (job.direct ? O_DIRECT : 0);
	job.size = is_random() ? PAGE : 1 << 20;
	if (is("small")) {
		job.size = SMALL_SIZE;
		job.blocks = SMALL_FILES;
		return;
	}
	if (is("append")) {
		job.size = RECORD;
		flags |= O_WRONLY | O_APPEND | O_CREAT | O_TRUNC;
	} else {
		settle();
		flags |= is("seqwrite") ? O_WRONLY : O_RDONLY;
	}
	job.fd = check(open(job.file, flags, 0644), job.file);
}

// verify_log checks that each client's records are in the file once, in order and whole, and no others.
static void verify_log(const char *data, uint64_t *seqs) {
	uint64_t id = load(data), seq = load(data + 8);
	if (id >= job.depth || seq != seqs[id] || load(data + RECORD - 8) != word(id << 40 | seq, base))
		fail("a record is lost, doubled or torn");
	seqs[id]++;
}

// verify_file reads back what the run wrote.
static void verify_file(void) {
	uint64_t blocks = 0, *seqs = check_alloc(calloc(job.depth, sizeof *seqs));
	char *data = check_alloc(malloc(job.size));
	int fd = check(open(job.file, O_RDONLY | O_CLOEXEC), job.file);
	while (check((int)read(fd, data, job.size), "read") == (int)job.size && blocks < job.done) {
		if (is("append"))
			verify_log(data, seqs);
		else
			verify(data, blocks * job.size, job.salt, false); // only the ends were written anew
		blocks++;
	}
	if (is("append") && (blocks != job.done || lseek(fd, 0, SEEK_END) != (off_t)(blocks * RECORD)))
		fail("the file has not the records that were durable");
	check(close(fd), "close");
	free(data);
	free(seqs);
}

// take_switch removes a flag without a value from the arguments, which come in pairs otherwise.
static bool take_switch(int *argc, char **argv, const char *name) {
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], name) == 0) {
			memmove(argv + i, argv + i + 1, (size_t)(*argc - i) * sizeof *argv);
			--*argc;
			return true;
		}
	return false;
}

static void parse(int argc, char **argv) {
	job.direct = take_switch(&argc, argv, "-direct");
	job.all = take_switch(&argc, argv, "-verify");
	job.work = flag_value(argc, argv, "-work", "randread");
	job.file = flag_value(argc, argv, "-file", "");
	job.dir = flag_value(argc, argv, "-dir", "");
	job.depth = strtoull(flag_value(argc, argv, "-depth", "1"), NULL, 10);
	job.salt = base ^ (uint64_t)getpid() << 32;
	job.direct = is("randread") || (job.direct && (is("seqread") || is("seqwrite")));
	if (job.depth < 1 || job.depth > 1 << 20)
		fail("-depth: not a sensible number");
	if (!is_random() && !is("seqread") && !is("seqwrite") && !is("append") && !is("small"))
		fail("-work: not one of randread, hotread, seqread, seqwrite, append, small");
	if (is("small") ? *job.dir == 0 : *job.file == 0)
		fail("-dir or -file is missing");
}

static uint64_t up(uint64_t size, uint64_t to) { return (size + to - 1) / to * to; }

// buffers returns memory for one block of each flow: on pages, and of one piece, so that large blocks lie in huge pages.
static char *buffers(void) {
	uint64_t size = job.depth * up(job.size, PAGE), align = size < HUGE_PAGE ? PAGE : HUGE_PAGE;
	char *data = check_alloc(aligned_alloc(align, up(size, align)));
	if (align == HUGE_PAGE)
		madvise(data, size, MADV_HUGEPAGE); // an advice, which may go unheard
	return data;
}

static struct flow *new_flow(uint64_t id, char *data) {
	struct flow *f = check_alloc(calloc(1, sizeof *f));
	f->data = data + id * up(job.size, PAGE);
	memset(f->data, 0, job.size);
	f->req.data = f;
	f->id = id;
	f->random = (id + 1) << 32;
	return f;
}

int main(int argc, char **argv) {
	double warmup = flag_seconds(argc, argv, "-warmup", "0.3s"), duration = flag_seconds(argc, argv, "-duration", "2s");
	parse(argc, argv);
	prepare_process();
	open_file();
	uv_timer_t warm, end;
	start(uv_timer_init(uv_default_loop(), &warm));
	start(uv_timer_init(uv_default_loop(), &end));
	start(uv_timer_start(&warm, on_warm, (uint64_t)(warmup * 1000), 0));
	start(uv_timer_start(&end, on_end, (uint64_t)((warmup + duration) * 1000), 0));
	char *data = buffers();
	for (uint64_t i = 0; i < job.depth; i++)
		next(new_flow(i, data));
	start(uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	if (is("seqwrite") || is("append"))
		verify_file();
	print_result(job.ops, &job.before, &job.after);
}
