/* A growing string of bytes: messages, queues. Running out of memory ends the shim: it has no better answer. */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <time.h>

struct text {
	char *data;
	size_t length, capacity;
};

void text_free(struct text *t);
void text_add(struct text *t, const void *bytes, size_t n);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds `bytes` as a JSON string, quotes included. Bytes that are not ASCII become \u00XX (Latin-1), so that nothing is lost. */
void text_json(struct text *t, const void *bytes, size_t n);
void text_json_string(struct text *t, const char *string);
/* Removes the first `n` bytes; an emptied text gives its memory back. */
void text_drop(struct text *t, size_t n);

#define auto_text __attribute__((cleanup(text_free))) struct text

/* RFC 3339 with nanoseconds as Go prints it (trailing zeros trimmed), UTC. `out` has room for 36 bytes. Returns the length. */
size_t time_rfc3339(char *out, const struct timespec *at);

#endif
