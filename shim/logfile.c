#include "logfile.h"
#include "jsonlog.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OUT_SIZE = 256 * 1024 };

static int open_file(struct logfile *log)
{
	log->fd = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log->fd < 0)
		return -1;
	struct stat st = {0};
	log->file_size = fstat(log->fd, &st) == 0 ? st.st_size : 0;
	log->inode = st.st_ino;
	/* A shim or a machine that died may have left half a line. */
	char last = '\n';
	if (log->file_size > 0 && pread(log->fd, &last, 1, log->file_size - 1) == 1 && last != '\n' && write(log->fd, "\n", 1) == 1)
		log->file_size++;
	log->size = log->file_size;
	log->file_lines = 0;
	return 0;
}

int logfile_open(struct logfile *log)
{
	log->attrs_length = log->attrs ? strlen(log->attrs) : 0;
	if (log->hold && log->max_files < 2)
		log->max_files = 2;
	if (log->hold && !log->lines_of && !(log->lines_of = calloc((size_t)log->max_files, sizeof *log->lines_of)))
		return -1;
	return open_file(log);
}

static unsigned long long count_lines(const char *bytes, size_t n)
{
	unsigned long long lines = 0;
	for (const char *end = bytes + n; bytes < end && (bytes = memchr(bytes, '\n', (size_t)(end - bytes))); bytes++)
		lines++;
	return lines;
}

static void flush(struct logfile *log)
{
	size_t done = 0;
	while (done < log->out_length) {
		ssize_t n = write(log->fd, log->out + done, log->out_length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	log->failing = done < log->out_length;
	if (log->failing)
		log->error = errno;
	if (log->failing && done > 0) {
		/* No half line may stay: keep what ends with a line feed. */
		while (done > 0 && log->out[done - 1] != '\n')
			done--;
		if (ftruncate(log->fd, log->file_size + (off_t)done) < 0)
			(void)!write(log->fd, "\n", 1);
	}
	/* The notice is no line of the container's: it is not counted, and what it tells is told only when it was written. */
	size_t kept = done > log->notice_length ? done : log->notice_length;
	if (log->told && done >= log->notice_length)
		log->lost -= log->told;
	if (log->failing)
		log->lost += count_lines(log->out + kept, log->out_length - kept);
	log->told = 0;
	log->notice_length = 0;
	log->file_size += (long long)done;
	log->size = log->file_size;
	log->out_length = 0;
}

/* The name of the file that is `i` rotations old. */
static const char *name_of(const struct logfile *log, struct text *name, int i, const char *suffix)
{
	name->length = 0;
	text_printf(name, "%s", log->path);
	if (i > 0)
		text_printf(name, ".%d", i);
	text_printf(name, "%s", suffix);
	return name->data;
}

/* How many rotations old the file `inode` is; -1: it is not there. */
static int age_of(const struct logfile *log, ino_t inode)
{
	auto_text name = {0};
	struct stat st;
	for (int i = 0; i < log->max_files; i++)
		if (stat(name_of(log, &name, i, ""), &st) == 0 && st.st_ino == inode)
			return i;
	return -1;
}

/* Whether the oldest file may go. With LOG_DROP it does, and what was not delivered is lost. */
static bool may_drop_oldest(struct logfile *log)
{
	auto_text name = {0};
	int oldest = log->max_files - 1;
	if (!log->hold || access(name_of(log, &name, oldest, ""), F_OK) < 0)
		return true;
	int reader = log->reader ? age_of(log, log->reader) : oldest;
	if (reader >= 0 && reader < oldest)
		return true;
	if (log->hold == LOG_DROP)
		log->lost += (unsigned long long)log->lines_of[oldest];
	return log->hold == LOG_DROP;
}

static bool shift(struct logfile *log)
{
	auto_text from = {0}, to = {0};
	for (int i = log->max_files - 1; i >= 1; i--) {
		/* Only one of the two is there; the place has to be free of the other. */
		bool whole = rename(name_of(log, &from, i - 1, ""), name_of(log, &to, i, "")) == 0;
		if (!whole && i == 1)
			return false; /* go on with the file there is */
		bool compressed = i > 1 && rename(name_of(log, &from, i - 1, ".gz"), name_of(log, &to, i, ".gz")) == 0;
		if (whole && !compressed)
			unlink(name_of(log, &to, i, ".gz"));
		else if (compressed && !whole)
			unlink(name_of(log, &to, i, ""));
		if (log->lines_of)
			log->lines_of[i] = i == 1 ? log->file_lines : log->lines_of[i - 1];
	}
	return true;
}

static void rotate(struct logfile *log)
{
	flush(log);
	struct stat st;
	/* It was rotated before, but the disk had no room for a new file. */
	bool shifted = stat(log->path, &st) < 0;
	if (!shifted && !may_drop_oldest(log)) {
		log->stalled = true;
		return;
	}
	/* With one file only: a new one all the same, so that whoever reads the old one comes to its end. */
	if (!shifted && (log->max_files < 2 ? unlink(log->path) < 0 : !shift(log)))
		return;
	int old = log->fd;
	if (open_file(log) < 0)
		log->fd = old; /* the renamed file: nothing is lost */
	else
		close(old);
	log->changed = true;
}

bool logfile_delivered(struct logfile *log, ino_t reader)
{
	log->reader = reader;
	if (!log->stalled)
		return false;
	log->stalled = false;
	if (log->size >= log->max_size)
		rotate(log);
	return !log->stalled;
}

bool logfile_compressed(struct logfile *log, ino_t inode)
{
	auto_text from = {0}, to = {0};
	text_printf(&from, "%s.%llu.gz.tmp", log->path, (unsigned long long)inode);
	int age = age_of(log, inode);
	if (age < 1 || rename(from.data, name_of(log, &to, age, ".gz")) < 0) {
		unlink(from.data);
		return false;
	}
	unlink(name_of(log, &to, age, ""));
	return true;
}

static size_t print_time(struct logfile *log, char *out)
{
	struct timespec at;
	clock_gettime(CLOCK_REALTIME, &at);
	if (at.tv_sec != log->second || !log->second_text[0]) {
		char text[40];
		struct timespec whole = {.tv_sec = at.tv_sec};
		time_rfc3339(text, &whole);
		memcpy(log->second_text, text, 19);
		log->second = at.tv_sec;
	}
	memcpy(out, log->second_text, 19);
	size_t n = 19;
	if (at.tv_nsec) {
		unsigned long rest = (unsigned long)at.tv_nsec;
		out[n] = '.';
		for (int i = 9; i >= 1; i--, rest /= 10)
			out[n + (size_t)i] = (char)('0' + rest % 10);
		n += 10;
		while (out[n - 1] == '0')
			n--;
	}
	out[n++] = 'Z';
	return n;
}

/* Adds one entry: `n` bytes, at most LOG_PIECE, and a line feed when `whole`. */
static void add_entry(struct logfile *log, int stream, const uint8_t *bytes, size_t n, bool whole)
{
	if (log->max_size > 0 && log->size >= log->max_size && !log->stalled)
		rotate(log);
	size_t most = n * JSONLOG_EXPANSION + log->attrs_length + 128;
	if (log->out_length + most > OUT_SIZE)
		flush(log);
	char *start = log->out + log->out_length, *p = start;
#define LITERAL(s) (memcpy(p, s, sizeof s - 1), p += sizeof s - 1)
	LITERAL("{\"log\":\"");
	p += jsonlog_escape(p, bytes, n, log->exact);
	if (whole)
		LITERAL("\\n");
	if (stream == 2)
		LITERAL("\",\"stream\":\"stderr\",");
	else
		LITERAL("\",\"stream\":\"stdout\",");
	if (log->attrs_length) {
		LITERAL("\"attrs\":");
		memcpy(p, log->attrs, log->attrs_length);
		p += log->attrs_length;
		LITERAL(",");
	}
	LITERAL("\"time\":\"");
	p += print_time(log, p);
	LITERAL("\"}\n");
#undef LITERAL
	log->out_length += (size_t)(p - start);
	log->size += p - start;
	log->file_lines++;
}

/* Says in the log that lines are missing here. */
static void tell_lost(struct logfile *log)
{
	auto_text line = {0};
	unsigned long long lost = log->lost;
	text_printf(&line, "[wharf] %llu %s of this log %s lost: %s", lost, lost == 1 ? "line" : "lines", lost == 1 ? "was" : "were",
		    log->error ? strerror(log->error) : "the log server did not take them in time");
	add_entry(log, 2, (const uint8_t *)line.data, line.length, true);
	log->told = lost;
	log->notice_length = log->out_length;
	log->error = 0;
}

static void keep(struct log_line *line, const uint8_t *bytes, size_t n)
{
	if (!line->bytes && !(line->bytes = malloc(LOG_PIECE)))
		abort();
	memcpy(line->bytes + line->length, bytes, n);
	line->length += n;
}

void logfile_write(struct logfile *log, int stream, const uint8_t *bytes, size_t n)
{
	if (log->fd < 0)
		return;
	if (!log->out && !(log->out = malloc(OUT_SIZE)))
		return;
	if (log->lost)
		tell_lost(log);
	struct log_line *line = &log->lines[stream];
	while (n > 0) {
		size_t room = LOG_PIECE - line->length, look = n < room ? n : room;
		const uint8_t *feed = memchr(bytes, '\n', look);
		size_t used = feed ? (size_t)(feed - bytes) : look;
		if (!feed && used < room) {
			keep(line, bytes, used);
			break;
		}
		if (line->length > 0) {
			keep(line, bytes, used);
			add_entry(log, stream, line->bytes, line->length, feed != NULL);
			line->length = 0;
		} else {
			add_entry(log, stream, bytes, used, feed != NULL);
		}
		if (feed)
			used++;
		bytes += used;
		n -= used;
	}
	flush(log);
}

void logfile_end(struct logfile *log)
{
	if (log->fd < 0 || !log->out)
		return;
	if (log->lost)
		tell_lost(log);
	for (int stream = 1; stream <= 2; stream++) {
		struct log_line *line = &log->lines[stream];
		if (line->length > 0)
			add_entry(log, stream, line->bytes, line->length, false);
		line->length = 0;
		free(line->bytes);
		line->bytes = NULL;
	}
	flush(log);
}
