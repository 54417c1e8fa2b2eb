#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(struct text *t, size_t more)
{
	if (t->length + more <= t->capacity)
		return;
	size_t capacity = t->capacity ? t->capacity : 256;
	while (capacity < t->length + more)
		capacity *= 2;
	t->data = realloc(t->data, capacity);
	if (!t->data)
		abort();
	t->capacity = capacity;
}

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}

void text_add(struct text *t, const void *bytes, size_t n)
{
	if (n == 0)
		return;
	reserve(t, n);
	memcpy(t->data + t->length, bytes, n);
	t->length += n;
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	reserve(t, (size_t)n + 1);
	vsnprintf(t->data + t->length, (size_t)n + 1, format, again);
	va_end(again);
	t->length += (size_t)n;
}

void text_json(struct text *t, const void *bytes, size_t n)
{
	text_add(t, "\"", 1);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = ((const unsigned char *)bytes)[i];
		if (c == '"' || c == '\\')
			text_printf(t, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			text_printf(t, "\\u%04x", c);
		else
			text_add(t, &c, 1);
	}
	text_add(t, "\"", 1);
}

void text_json_string(struct text *t, const char *string)
{
	text_json(t, string, strlen(string));
}

void text_drop(struct text *t, size_t n)
{
	t->length -= n;
	if (t->length == 0)
		text_free(t);
	else
		memmove(t->data, t->data + n, t->length);
}

size_t time_rfc3339(char *out, const struct timespec *at)
{
	struct tm tm;
	gmtime_r(&at->tv_sec, &tm);
	size_t n = strftime(out, 36, "%Y-%m-%dT%H:%M:%S", &tm);
	if (at->tv_nsec) {
		n += (size_t)sprintf(out + n, ".%09ld", at->tv_nsec);
		while (out[n - 1] == '0')
			n--;
	}
	out[n++] = 'Z';
	out[n] = '\0';
	return n;
}
