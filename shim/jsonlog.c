#include "jsonlog.h"

#include <string.h>

typedef uint8_t block __attribute__((vector_size(16)));

/* Whether a block holds only bytes that stand for themselves. */
static inline int is_plain(const block *b)
{
	block special = (block)((*b < 0x20) | (*b >= 0x80) | (*b == '"') | (*b == '\\') | (*b == '<') | (*b == '>') | (*b == '&'));
	uint64_t half[2];
	memcpy(half, &special, sizeof half);
	return (half[0] | half[1]) == 0;
}

/* Length of the valid UTF-8 sequence at `s` (as Go's utf8.DecodeRune sees it), 0 when it is invalid. */
static size_t utf8_length(const uint8_t *s, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t length;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		length = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		length = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (length > n)
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

static size_t escape_ascii(char *dst, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	dst[0] = '\\';
	switch (c) {
	case '"':
	case '\\':
		dst[1] = (char)c;
		return 2;
	case '\n':
		dst[1] = 'n';
		return 2;
	case '\r':
		dst[1] = 'r';
		return 2;
	default:
		memcpy(dst + 1, "u00", 3);
		dst[4] = hex[c >> 4];
		dst[5] = hex[c & 15];
		return 6;
	}
}

static inline int is_plain_byte(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

size_t jsonlog_escape(char *dst, const uint8_t *src, size_t n)
{
	char *out = dst;
	const uint8_t *end = src + n;
	while (src < end) {
		while (end - src >= 16) {
			block b;
			memcpy(&b, src, sizeof b);
			if (!is_plain(&b))
				break;
			memcpy(out, &b, sizeof b);
			out += 16;
			src += 16;
		}
		/* What is special, and the rest of its block, byte by byte. */
		const uint8_t *stop = end - src > 16 ? src + 16 : end;
		while (src < stop) {
			if (is_plain_byte(*src)) {
				*out++ = (char)*src++;
			} else if (*src < 0x80) {
				out += escape_ascii(out, *src++);
			} else {
				size_t length = utf8_length(src, (size_t)(end - src));
				if (length == 0) {
					memcpy(out, "\\ufffd", 6);
					out += 6;
					src++;
				} else if (length == 3 && src[0] == 0xe2 && src[1] == 0x80 && (src[2] | 1) == 0xa9) {
					memcpy(out, src[2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
					out += 6;
					src += 3;
				} else {
					memcpy(out, src, length);
					out += length;
					src += length;
				}
			}
		}
	}
	return (size_t)(out - dst);
}
