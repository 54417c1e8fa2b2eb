/*
 * The container's log: json-file lines with rotation. Output is cut into lines, a line longer than 16 KiB
 * into pieces without a line feed at their end, as Docker does. A disk that is full loses whole lines and
 * harms nothing else; how many is told in the log as soon as there is room.
 *
 * The daemon may deliver the log to a server (`reader`): then a file that it has not read is not rotated away. With
 * LOG_BLOCK the log is `stalled` instead, and the container is to wait; with LOG_DROP the oldest file goes, and its
 * lines count as lost. PATH.n may be PATH.n.gz: the daemon compresses, and logfile_compressed puts the result in place.
 */
#ifndef LOGFILE_H
#define LOGFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { LOG_PIECE = 16 * 1024 };

enum log_hold {
	LOG_FREE,  /* nobody is waited for */
	LOG_DROP,
	LOG_BLOCK,
};

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
	bool exact; /* bytes that are no UTF-8 are kept, see jsonlog.h */
	enum log_hold hold;
	ino_t reader; /* the file that is being delivered: older ones are; 0: not known */
	bool stalled; /* nothing should be written now */
	const char *attrs; /* JSON object, or NULL */
	size_t attrs_length;
	ino_t inode;         /* of the current file */
	long long size;      /* of the file, the lines of `out` included */
	long long file_size; /* what is in the file */
	char *out;           /* whole lines not yet written */
	size_t out_length;
	struct log_line lines[3]; /* by stream: 1 stdout, 2 stderr */
	time_t second;            /* cache of the printed time */
	char second_text[24];
	long long file_lines;     /* of the current file, since this shim opened it */
	long long *lines_of;      /* the same of PATH.n, by n; NULL unless `hold` */
	unsigned long long lost;  /* lines, since the last that was told in the log */
	unsigned long long told;  /* how many of `lost` the first line of `out` tells of */
	size_t notice_length;     /* of that line */
	bool failing;             /* the last write failed */
	int error;                /* why */
	bool changed;             /* a file was rotated; the owner resets it */
	bool told_stalled, told_failing; /* what the owner has told of */
};

/* Opens the log. Returns -1 with errno set when that fails. */
int logfile_open(struct logfile *log);
/* Takes output of `stream` (1 or 2) and writes its whole lines. */
void logfile_write(struct logfile *log, int stream, const uint8_t *bytes, size_t n);
/* The daemon delivers the file with inode `reader` now. Returns whether the log has stopped being stalled. */
bool logfile_delivered(struct logfile *log, ino_t reader);
/* `PATH.<inode>.gz.tmp` is the whole rotated file `inode`, compressed: puts it in its place. Returns false when that file is no longer there. */
bool logfile_compressed(struct logfile *log, ino_t inode);
/* Writes what is left of unfinished lines: the streams have ended. */
void logfile_end(struct logfile *log);

#endif
