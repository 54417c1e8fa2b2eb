#include "oom.h"
#include "control.h"
#include "process.h"
#include "scope.h"
#include "shim.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

/* How long the kernel gets for the kill it has announced. */
enum { SETTLE_MS = 10, SETTLE_TRIES = 10 };

/* v1 has "no limit" as the largest multiple of the page size. */
#define UNLIMITED (1LL << 62)

static int open_file(const char *directory, const char *file, int flags)
{
	char path[4096];
	if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, file) >= sizeof path)
		return -1;
	return open(path, flags | O_CLOEXEC);
}

/* The number after `key` in text of `key number` lines; without a key the text itself. -1 when there is none. */
static long long find_number(const char *text, const char *key)
{
	if (!key)
		return *text >= '0' && *text <= '9' ? atoll(text) : -1;
	size_t length = strlen(key);
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, length) == 0 && line[length] == ' ')
			return atoll(line + length);
	}
	return -1;
}

static long long read_number_of(const char *directory, const char *file, const char *key)
{
	char text[1024];
	auto_close int fd = open_file(directory, file, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	return find_number(text, key);
}

static long long read_number(const struct oom *oom, const char *file, const char *key)
{
	return read_number_of(oom->directory, file, key);
}

static long long count_kills(const struct oom *oom)
{
	return oom->directory ? read_number(oom, oom->unified ? "memory.events" : "memory.oom_control", "oom_kill") : 0;
}

/* Which of the container's cgroups is the memory controller's. */
static bool find_directory(struct shim *shim)
{
	struct oom *oom = &shim->oom;
	for (int i = 0; i < shim->options.cgroup_count; i++)
		for (int unified = 0; unified < 2; unified++) {
			auto_close int fd = open_file(shim->options.cgroups[i], unified ? "memory.events" : "memory.oom_control", O_RDONLY);
			if (fd < 0)
				continue;
			oom->directory = shim->options.cgroups[i];
			oom->unified = unified;
			return true;
		}
	return false;
}

static long long read_limit(const struct oom *oom)
{
	return read_number(oom, oom->unified ? "memory.max" : "memory.limit_in_bytes", NULL);
}

static long long read_peak(const struct oom *oom)
{
	return read_number(oom, oom->unified ? "memory.peak" : "memory.max_usage_in_bytes", NULL);
}

bool oom_facts(const struct shim *shim, struct text *line)
{
	const struct oom *oom = &shim->oom;
	long long kills = count_kills(oom);
	bool gone = kills < oom->told;
	if (gone)
		kills = oom->told;
	if (kills <= 0)
		return false;
	long long limit = gone ? oom->limit : read_limit(oom);
	long long peak = gone ? oom->peak : read_peak(oom);
	text_printf(line, "{\"kills\":%lld", kills);
	if (limit >= 0 && limit < UNLIMITED)
		text_printf(line, ",\"limit\":%lld", limit);
	if (peak >= 0)
		text_printf(line, ",\"peak\":%lld", peak);
	text_printf(line, "}");
	return true;
}

static void tell(struct shim *shim, bool without_kill)
{
	auto_text line = {0};
	text_printf(&line, "{\"type\":\"oom\",\"facts\":");
	if (!oom_facts(shim, &line)) {
		if (!without_kill)
			return;
		text_printf(&line, "{\"kills\":0}");
	}
	text_printf(&line, "}\n");
	control_broadcast(shim, &line);
}

static bool tell_news(struct shim *shim)
{
	long long kills = count_kills(&shim->oom);
	if (kills <= shim->oom.told)
		return false;
	shim->oom.told = kills;
	shim->oom.limit = read_limit(&shim->oom);
	shim->oom.peak = read_peak(&shim->oom);
	tell(shim, false);
	return true;
}

static void on_settle(struct timer *timer)
{
	struct shim *shim = container_of(timer, struct shim, oom.settle);
	if (tell_news(shim))
		return;
	if (--shim->oom.tries > 0)
		loop_later(&shim->loop, timer, SETTLE_MS);
	else if (!shim->oom.unified)
		tell(shim, true); /* --oom-kill-disable: it hangs, nobody is killed */
}

static void on_oom(struct source *source, uint32_t events)
{
	struct shim *shim = container_of(source, struct shim, oom.source);
	char bytes[512];
	/* Reading is what rearms both kinds; a removed cgroup is an error. */
	ssize_t n = shim->oom.unified ? pread(source->fd, bytes, sizeof bytes, 0) : read(source->fd, bytes, sizeof(uint64_t));
	if (n <= 0 || (events & EPOLLHUP)) {
		loop_unwatch_close(&shim->loop, source);
		return;
	}
	/* memory.events changes for less, too. */
	if (shim->oom.unified) {
		tell_news(shim);
	} else {
		shim->oom.tries = SETTLE_TRIES;
		on_settle(&shim->oom.settle);
	}
}

/* Returns an eventfd that the kernel signals when the group is out of memory (cgroup-v1/memory.rst, 10). */
static int legacy_event(const char *directory)
{
	auto_close int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	auto_close int subject = open_file(directory, "memory.oom_control", O_RDONLY);
	auto_close int registry = open_file(directory, "cgroup.event_control", O_WRONLY);
	char words[32];
	int length = snprintf(words, sizeof words, "%d %d", event, subject);
	if (event < 0 || subject < 0 || registry < 0 || write(registry, words, (size_t)length) != length)
		return -1;
	return take_fd(&event);
}

void oom_prepare(struct shim *shim)
{
	struct oom *oom = &shim->oom;
	oom->limit = oom->peak = -1;
	for (int i = 0; i < shim->options.cgroup_count && !oom->ancestor; i++) {
		char *path = strdup(shim->options.cgroups[i]);
		for (char *slash = path ? strrchr(path, '/') : NULL; slash && slash != path; slash = strrchr(path, '/')) {
			*slash = '\0';
			oom->ancestor_kills = read_number_of(path, "memory.events", "oom_kill");
			if (oom->ancestor_kills >= 0) {
				oom->ancestor = path;
				path = NULL;
				break;
			}
		}
		free(path);
	}
}

/*
 * Where systemd removes a group as soon as it is empty, one that did not last has taken its counts along. The group above
 * has them: a process that was killed, while somebody below it was killed for lack of memory, is taken for him.
 */
static void ask_ancestor(struct shim *shim)
{
	struct oom *oom = &shim->oom;
	int status = shim->init->status;
	bool gone = !oom->directory || count_kills(oom) < 0;
	if (!oom->ancestor || !gone || oom->told > 0 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return;
	long long kills = read_number_of(oom->ancestor, "memory.events", "oom_kill") - oom->ancestor_kills;
	if (kills <= 0)
		return;
	oom->told = kills;
	tell(shim, false);
}

void oom_watch(struct shim *shim)
{
	struct oom *oom = &shim->oom;
	oom->source = (struct source){.fd = -1, .ready = on_oom};
	oom->settle.fire = on_settle;
	if (!find_directory(shim))
		return;
	oom->source.fd = oom->unified ? open_file(oom->directory, "memory.events", O_RDONLY) : legacy_event(oom->directory);
	/* The first reading arms the notification of v2. */
	char bytes[512];
	if (oom->unified && oom->source.fd >= 0)
		(void)!pread(oom->source.fd, bytes, sizeof bytes, 0);
	loop_watch(&shim->loop, &oom->source, oom->unified ? EPOLLPRI : EPOLLIN);
	tell_news(shim);
}

bool oom_end(struct shim *shim)
{
	struct oom *oom = &shim->oom;
	loop_cancel(&shim->loop, &oom->settle);
	if (oom->source.ready)
		loop_unwatch_close(&shim->loop, &oom->source);
	if (oom->directory || find_directory(shim))
		tell_news(shim);
	ask_ancestor(shim);
	return oom->told > 0;
}

struct oom_score oom_score_of(pid_t pid)
{
	struct oom_score score = {0};
	char path[48];
	snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	score.length = fd < 0 ? -1 : read(fd, score.text, sizeof score.text);
	return score;
}

void oom_score_set(const struct oom_score *score)
{
	auto_close int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && score->length > 0)
		(void)!write(fd, score->text, (size_t)score->length);
}
