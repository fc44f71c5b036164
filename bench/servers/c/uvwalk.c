// uvwalk.c walks a tree on libuv: it lists a few directories and describes many files at the same time, on libuv's pool of threads, as large as
// UV_THREADPOOL_SIZE says (4 by default). The tree is the one that disk/prepare makes.
#define _GNU_SOURCE
#include <limits.h>
#include <stdbool.h>
#include <uv.h>

#include "bench.h"

enum { WIDE_FILES = 100000, MAX_DIRS = 8 };

// A dir waits to be listed, is listed, and is then walked entry by entry.
struct dir {
	uv_fs_t req;
	struct dir *next;
	char name[PATH_MAX];
};

static struct {
	const char *root;
	struct dir *unread, *listed;
	uint64_t depth, reading, statting, files, done;
	uint64_t ops; // done within the window
	bool stopped;
	struct sample before, after;
} job;

static void fail(const char *what) {
	fprintf(stderr, "uvwalk: %s\n", what);
	exit(EXIT_FAILURE);
}

static void start(int error) {
	if (error < 0)
		fail(uv_strerror(error));
}

static void push(struct dir **list, struct dir *d) {
	d->next = *list;
	*list = d;
}

static struct dir *pop(struct dir **list) {
	struct dir *d = *list;
	*list = d->next;
	return d;
}

static void add(const char *parent, const char *name) {
	struct dir *d = check_alloc(calloc(1, sizeof *d));
	snprintf(d->name, sizeof d->name, "%s%s%s", parent, *name ? "/" : "", name);
	push(&job.unread, d);
}

static void advance(void);

static void on_described(uv_fs_t *req) {
	if (req->result < 0)
		fail(uv_strerror((int)req->result));
	uv_fs_req_cleanup(req);
	free(req);
	job.statting--;
	job.files++;
	job.done++;
	advance();
}

static void on_listed(uv_fs_t *req) {
	if (req->result < 0)
		fail(uv_strerror((int)req->result));
	job.reading--;
	push(&job.listed, req->data);
	advance();
}

static void describe(const struct dir *d, const char *entry) {
	char name[PATH_MAX];
	if (snprintf(name, sizeof name, "%s/%s", d->name, entry) >= (int)sizeof name)
		fail("a name is too long");
	job.statting++;
	start(uv_fs_lstat(uv_default_loop(), check_alloc(malloc(sizeof(uv_fs_t))), name, on_described));
}

// advance begins as much as may be under way.
static void advance(void) {
	uv_dirent_t entry;
	if (job.stopped)
		return;
	while (job.listed != NULL && job.statting < job.depth) {
		if (uv_fs_scandir_next(&job.listed->req, &entry) < 0) {
			struct dir *d = pop(&job.listed);
			uv_fs_req_cleanup(&d->req);
			free(d);
		} else if (entry.type == UV_DIRENT_DIR) {
			add(job.listed->name, entry.name);
		} else {
			describe(job.listed, entry.name);
		}
	}
	while (job.listed == NULL && job.unread != NULL && job.reading < MAX_DIRS) {
		struct dir *d = pop(&job.unread);
		d->req.data = d;
		job.reading++;
		start(uv_fs_scandir(uv_default_loop(), &d->req, d->name, 0, on_listed));
	}
	if (job.reading + job.statting > 0)
		return;
	if (job.files != WIDE_FILES)
		fail("a round has not found every file");
	job.files = 0;
	add(job.root, "");
	advance();
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

int main(int argc, char **argv) {
	double warmup = flag_seconds(argc, argv, "-warmup", "0.3s"), duration = flag_seconds(argc, argv, "-duration", "2s");
	const char *work = flag_value(argc, argv, "-work", "walk");
	job.root = flag_value(argc, argv, "-dir", "");
	job.depth = strtoull(flag_value(argc, argv, "-depth", "1"), NULL, 10);
	if (strcmp(work, "walk") != 0 || *job.root == 0 || job.depth < 1)
		fail("it takes -work walk, -dir and a positive -depth");
	prepare_process();
	uv_timer_t warm, end;
	start(uv_timer_init(uv_default_loop(), &warm));
	start(uv_timer_init(uv_default_loop(), &end));
	start(uv_timer_start(&warm, on_warm, (uint64_t)(warmup * 1000), 0));
	start(uv_timer_start(&end, on_end, (uint64_t)((warmup + duration) * 1000), 0));
	job.files = WIDE_FILES;
	advance();
	start(uv_run(uv_default_loop(), UV_RUN_DEFAULT));
	print_result(job.ops, &job.before, &job.after);
}
