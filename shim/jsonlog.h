/* One entry of Docker's json-file log, escaped byte for byte as moby's jsonlog does. */
#ifndef JSONLOG_H
#define JSONLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes that `n` bytes of output can become. */
#define JSONLOG_EXPANSION 6

/*
 * Writes the inside of a JSON string for `n` bytes at `src`; `dst` has room for JSONLOG_EXPANSION * n + 16. Returns the length.
 * A byte that is no UTF-8 becomes U+FFFD, as in Docker; `exact`: the lone surrogate U+DC00 + byte, from which it can be had again.
 */
size_t jsonlog_escape(char *dst, const uint8_t *src, size_t n, bool exact);

#endif
