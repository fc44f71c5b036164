// uvmicro is what libuv's timers, its wake-ups from other threads and its children cost.
#include "bench.h"

#include <sched.h>
#include <uv.h>

enum {
	LIVE = 1000000,   // timers of -work timers
	PAIRS = 64,       // between two looks at the clock
	FIRING = 10000,   // timers of -work fire
	QUEUED = 1024,    // items of -work post that may wait
	CHILDREN = 8,     // of -work spawn, under way
};

static uv_loop_t *loop;
static uint64_t ops;

static void check_uv(int result, const char *call) {
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", call, uv_strerror(result));
	exit(EXIT_FAILURE);
}

// start_timers makes timers that are due after a time between delay and delay + spread, in milliseconds.
static uv_timer_t *start_timers(int count, uv_timer_cb fired, uint64_t delay, uint64_t spread, uint64_t repeat) {
	uv_timer_t *timers = check_alloc(calloc((size_t)count, sizeof *timers));
	for (int i = 0; i < count; i++) {
		check_uv(uv_timer_init(loop, &timers[i]), "uv_timer_init");
		check_uv(uv_timer_start(&timers[i], fired, delay + (uint64_t)i * 7919 % spread, repeat), "uv_timer_start");
	}
	return timers;
}

static void fired_early(uv_timer_t *timer) {
	(void)timer;
	fprintf(stderr, "uvmicro: a timer of an hour has fired\n");
	exit(EXIT_FAILURE);
}

// work_timers stops one of a million live timers and starts it again, with another time, as a server does with the deadline
// of a connection. A pair is one operation.
static void work_timers(double seconds) {
	const uint64_t hour = 3600000;
	static uv_timer_t *timers;
	static uint64_t random = 88172645463325252u;
	if (timers == NULL)
		timers = start_timers(LIVE, fired_early, hour, hour, 0);
	for (double end = now() + seconds; now() < end; ops += PAIRS) {
		for (int i = 0; i < PAIRS; i++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17; // xorshift
			uv_timer_t *timer = &timers[random % LIVE];
			check_uv(uv_timer_stop(timer), "uv_timer_stop");
			check_uv(uv_timer_start(timer, fired_early, hour + (random >> 40) % hour, 0), "uv_timer_start");
		}
	}
}

static void on_deadline(uv_timer_t *timer) { uv_stop(timer->loop); }

static void run_loop(double seconds) {
	static uv_timer_t deadline;
	if (deadline.loop == NULL)
		check_uv(uv_timer_init(loop, &deadline), "uv_timer_init");
	uv_update_time(loop);
	check_uv(uv_timer_start(&deadline, on_deadline, (uint64_t)(seconds * 1e3), 0), "uv_timer_start");
	uv_run(loop, UV_RUN_DEFAULT);
}

static void fired(uv_timer_t *timer) {
	(void)timer;
	ops++;
}

// work_fire lets timers of a millisecond repeat. One that comes late is not made up for: ops shows what the loop can do.
static void work_fire(double seconds) {
	static uv_timer_t *timers;
	if (timers == NULL)
		timers = start_timers(FIRING, fired, 1, 1, 1);
	run_loop(seconds);
}

// A queue between the threads, as libuv asks its users to bring.
static struct {
	uv_mutex_t mutex;
	uv_cond_t room;
	uint64_t items[QUEUED];
	int count;
} queue;

static uv_async_t async;

static void post(void *argument) {
	(void)argument;
	for (uint64_t item = 0;; item++) {
		uv_mutex_lock(&queue.mutex);
		while (queue.count == QUEUED)
			uv_cond_wait(&queue.room, &queue.mutex);
		queue.items[queue.count++] = item;
		uv_mutex_unlock(&queue.mutex);
		check_uv(uv_async_send(&async), "uv_async_send");
	}
}

static void on_posted(uv_async_t *handle) {
	(void)handle;
	static uint64_t items[QUEUED], expected;
	uv_mutex_lock(&queue.mutex);
	int count = queue.count;
	memcpy(items, queue.items, (size_t)count * sizeof *items);
	queue.count = 0;
	uv_cond_signal(&queue.room);
	uv_mutex_unlock(&queue.mutex);
	for (int i = 0; i < count; i++) {
		if (items[i] != expected++) {
			fprintf(stderr, "uvmicro: an item came out of order\n");
			exit(EXIT_FAILURE);
		}
	}
	ops += (uint64_t)count;
}

// work_post has a second thread post as fast as it can.
static void work_post(double seconds) {
	static uv_thread_t poster;
	if (async.loop == NULL) {
		check_uv(uv_mutex_init(&queue.mutex), "uv_mutex_init");
		check_uv(uv_cond_init(&queue.room), "uv_cond_init");
		check_uv(uv_async_init(loop, &async, on_posted), "uv_async_init");
		check_uv(uv_thread_create(&poster, post, NULL), "uv_thread_create");
	}
	run_loop(seconds);
}

static uv_async_t there, back;
static cpu_set_t cores; // that the program was started with

// pin keeps the calling thread on the nth core.
static void pin(int n) {
	n %= CPU_COUNT(&cores);
	for (int core = 0; core < CPU_SETSIZE; core++) {
		if (!CPU_ISSET(core, &cores) || n-- > 0)
			continue;
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(core, &one);
		check(sched_setaffinity(0, sizeof one, &one), "sched_setaffinity");
		return;
	}
}

static void on_there(uv_async_t *handle) {
	(void)handle;
	check_uv(uv_async_send(&back), "uv_async_send");
}

static void on_back(uv_async_t *handle) {
	(void)handle;
	ops++;
	check_uv(uv_async_send(&there), "uv_async_send");
}

static void run_far(void *far) {
	pin(1);
	uv_run(far, UV_RUN_DEFAULT);
}

// work_crosspost has two loops wake each other in turns, each on a core of its own. A trip there and back is one operation.
static void work_crosspost(double seconds) {
	static uv_loop_t far;
	static uv_thread_t thread;
	if (back.loop == NULL) {
		check(sched_getaffinity(0, sizeof cores, &cores), "sched_getaffinity");
		pin(0);
		check_uv(uv_loop_init(&far), "uv_loop_init");
		check_uv(uv_async_init(&far, &there, on_there), "uv_async_init");
		check_uv(uv_async_init(loop, &back, on_back), "uv_async_init");
		check_uv(uv_thread_create(&thread, run_far, &far), "uv_thread_create");
		check_uv(uv_async_send(&there), "uv_async_send");
	}
	run_loop(seconds);
}

static int over; // no more children

static void on_ended(uv_process_t *child, int64_t status, int signal);

static void spawn(uv_process_t *child) {
	char *arguments[] = {"/bin/true", NULL};
	uv_process_options_t options = {.exit_cb = on_ended, .file = arguments[0], .args = arguments};
	check_uv(uv_spawn(loop, child, &options), "uv_spawn");
}

static void on_closed(uv_handle_t *handle) {
	if (!over)
		spawn((uv_process_t *)handle);
}

static void on_ended(uv_process_t *child, int64_t status, int signal) {
	if (status != 0 || signal != 0) {
		fprintf(stderr, "uvmicro: a child ended with %lld, signal %d\n", (long long)status, signal);
		exit(EXIT_FAILURE);
	}
	ops++;
	uv_close((uv_handle_t *)child, on_closed);
}

// work_spawn starts a child whenever one has ended.
static void work_spawn(double seconds) {
	static uv_process_t children[CHILDREN];
	for (int i = 0; i < CHILDREN && children[i].loop == NULL; i++)
		spawn(&children[i]);
	run_loop(seconds);
}

// end_spawn waits for the last ones.
static void end_spawn(void) {
	over = 1;
	uv_run(loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv) {
	static const struct {
		const char *name;
		void (*run)(double seconds);
		void (*end)(void);
	} works[] = {
		{"timers", work_timers, NULL},
		{"fire", work_fire, NULL},
		{"post", work_post, NULL},
		{"crosspost", work_crosspost, NULL},
		{"spawn", work_spawn, end_spawn},
	};
	const char *name = flag_value(argc, argv, "-work", "");
	loop = uv_default_loop();
	for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
		if (strcmp(name, works[i].name) != 0)
			continue;
		works[i].run(flag_seconds(argc, argv, "-warmup", "0.3s"));
		ops = 0;
		struct sample from = take_sample();
		works[i].run(flag_seconds(argc, argv, "-duration", "2s"));
		struct sample to = take_sample();
		print_result(ops, &from, &to);
		if (works[i].end != NULL)
			works[i].end();
		return EXIT_SUCCESS;
	}
	fprintf(stderr, "usage: uvmicro -work timers|fire|post|crosspost|spawn -duration 2s -warmup 0.3s\n");
	return EXIT_FAILURE;
}
