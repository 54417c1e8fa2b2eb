/* One entry of Docker's json-file log, escaped byte for byte as moby's jsonlog does. */
#ifndef JSONLOG_H
#define JSONLOG_H

#include <stddef.h>
#include <stdint.h>

/* The most bytes that `n` bytes of output can become. */
#define JSONLOG_EXPANSION 6

/* Writes the inside of a JSON string for `n` bytes at `src`; `dst` has room for JSONLOG_EXPANSION * n + 16. Returns the length. */
size_t jsonlog_escape(char *dst, const uint8_t *src, size_t n);

#endif
