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
	struct stat st;
	log->file_size = fstat(log->fd, &st) == 0 ? st.st_size : 0;
	/* A shim or a machine that died may have left half a line. */
	char last = '\n';
	if (log->file_size > 0 && pread(log->fd, &last, 1, log->file_size - 1) == 1 && last != '\n' && write(log->fd, "\n", 1) == 1)
		log->file_size++;
	log->size = log->file_size;
	return 0;
}

int logfile_open(struct logfile *log)
{
	log->attrs_length = log->attrs ? strlen(log->attrs) : 0;
	return open_file(log);
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
	if (log->failing && done > 0) {
		/* No half line may stay: keep what ends with a line feed. */
		while (done > 0 && log->out[done - 1] != '\n')
			done--;
		if (ftruncate(log->fd, log->file_size + (off_t)done) < 0)
			(void)!write(log->fd, "\n", 1);
	}
	log->file_size += (long long)done;
	log->size = log->file_size;
	log->out_length = 0;
}

static void rotate(struct logfile *log)
{
	flush(log);
	/* With one file only: a new one all the same, so that whoever reads the old one comes to its end. */
	if (log->max_files < 2 && unlink(log->path) < 0)
		return;
	auto_text from = {0}, to = {0};
	for (int i = log->max_files - 1; i >= 1; i--) {
		from.length = to.length = 0;
		if (i == 1)
			text_printf(&from, "%s", log->path);
		else
			text_printf(&from, "%s.%d", log->path, i - 1);
		text_printf(&to, "%s.%d", log->path, i);
		if (rename(from.data, to.data) < 0 && i == 1)
			return; /* go on with the file there is */
	}
	int old = log->fd;
	if (open_file(log) < 0)
		log->fd = old; /* the renamed file: nothing is lost */
	else
		close(old);
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
	if (log->max_size > 0 && log->size >= log->max_size)
		rotate(log);
	size_t most = n * JSONLOG_EXPANSION + log->attrs_length + 128;
	if (log->out_length + most > OUT_SIZE)
		flush(log);
	char *start = log->out + log->out_length, *p = start;
#define LITERAL(s) (memcpy(p, s, sizeof s - 1), p += sizeof s - 1)
	LITERAL("{\"log\":\"");
	p += jsonlog_escape(p, bytes, n);
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
