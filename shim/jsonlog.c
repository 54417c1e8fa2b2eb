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

/* What each byte becomes when it does not begin a longer character: 7 bytes and their number. */
struct replacement {
	char text[7];
	uint8_t length;
};

static struct replacement replacements[256];

static void fill_replacements(bool exact)
{
	static const char hex[] = "0123456789abcdef";
	for (int c = 0; c < 256; c++) {
		struct replacement *r = &replacements[c];
		if (c >= 0x80) {
			memcpy(r->text, exact ? "\\udc00" : "\\ufffd", r->length = 6);
			if (exact) {
				r->text[4] = hex[c >> 4];
				r->text[5] = hex[c & 15];
			}
		} else if (c == '"' || c == '\\' || c == '\n' || c == '\r') {
			r->text[0] = '\\';
			r->text[1] = c == '\n' ? 'n' : c == '\r' ? 'r' : (char)c;
			r->length = 2;
		} else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
			memcpy(r->text, "\\u00", 4);
			r->text[4] = hex[c >> 4];
			r->text[5] = hex[c & 15];
			r->length = 6;
		} else {
			r->text[0] = (char)c;
			r->length = 1;
		}
	}
}

size_t jsonlog_escape(char *dst, const uint8_t *src, size_t n, bool exact)
{
	if (!replacements[0].length)
		fill_replacements(exact); /* a shim has one log */
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
			size_t length = *src >= 0xc2 ? utf8_length(src, (size_t)(end - src)) : 0;
			if (length == 0) {
				const struct replacement *r = &replacements[*src++];
				memcpy(out, r, sizeof *r); /* one store; what is too much is overwritten */
				out += r->length;
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
	return (size_t)(out - dst);
}
