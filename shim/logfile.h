/*
 * The container's log: json-file lines with rotation. Output is cut into lines, a line longer than 16 KiB
 * into pieces without a line feed at their end, as Docker does. A disk that is full loses whole lines and
 * harms nothing else.
 */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { LOG_PIECE = 16 * 1024 };

/* The unfinished line of one stream. */
struct log_line {
	uint8_t *bytes;
	size_t length;
};

struct logfile {
	int fd;
	const char *path;
	long long max_size; /* bytes; 0 or less: never rotated */
	int max_files;
	const char *attrs; /* JSON object, or NULL */
	size_t attrs_length;
	long long size;      /* of the file, the lines of `out` included */
	long long file_size; /* what is in the file */
	char *out;           /* whole lines not yet written */
	size_t out_length;
	struct log_line lines[3]; /* by stream: 1 stdout, 2 stderr */
	time_t second;            /* cache of the printed time */
	char second_text[24];
	bool failing; /* the last write failed */
};

/* Opens the log. Returns -1 with errno set when that fails. */
int logfile_open(struct logfile *log);
/* Takes output of `stream` (1 or 2) and writes its whole lines. */
void logfile_write(struct logfile *log, int stream, const uint8_t *bytes, size_t n);
/* Writes what is left of unfinished lines: the streams have ended. */
void logfile_end(struct logfile *log);

#endif
