/* SPDX-License-Identifier: Apache-2.0 */
/* proto/text.c: charsets, UTF-8 and control characters. */
#include "proto/text.h"

#include <string.h>

/* The bits `first`..`last` of a 64-bit half of ASCII. */
#define SPAN(first, last)                                                                          \
    ((~UINT64_C(0) >> (63 - ((last) - (first)))) << ((first)&63))
#define DIGITS SPAN('0', '9')
#define LOWER SPAN('a', 'z')
#define UPPER SPAN('A', 'Z')
#define ONE(c) SPAN(c, c)

/* Of the charsets that are ASCII: the characters below 64, and those from 64 on. */
static const uint64_t charset_bits[][2] = {
    [STELE_CHARSET_ID] = {DIGITS | ONE('.') | ONE(':') | ONE('/') | ONE('-'),
                          UPPER | LOWER | ONE('_')},
    [STELE_CHARSET_NAME] = {DIGITS | ONE('.') | ONE('-'), LOWER | ONE('_')},
    [STELE_CHARSET_PSEUDONYM] = {DIGITS | ONE('.') | ONE(':') | ONE('/') | ONE('-') | ONE('+') |
                                     ONE('='),
                                 UPPER | LOWER | ONE('_')},
};

static const char *const charset_problem[] = {
    [STELE_CHARSET_ID] = "holds a character outside [A-Za-z0-9_.:/-]",
    [STELE_CHARSET_NAME] = "holds a character outside [a-z0-9._-]",
    [STELE_CHARSET_PSEUDONYM] =
        "holds a character outside [A-Za-z0-9_.:/+=-]; send a keyed hash, not a name or an address",
};

/* True if all eight bytes are from U+0020 to U+007F. A byte below 0x20 borrows, which sets its high bit. */
static bool printable_8(const uint8_t *at) {
    uint64_t x = 0;
    memcpy(&x, at, sizeof x);
    return ((x | (x - UINT64_C(0x2020202020202020))) & UINT64_C(0x8080808080808080)) == 0;
}

static bool printable(stele_view text) {
    size_t i = 0;
    if (text.size >= 8) {
        for (; i + 8 <= text.size; i += 8) {
            if (!printable_8(text.data + i)) {
                return false;
            }
        }
        return printable_8(text.data + text.size - 8);
    }
    for (; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

/* Bytes of the UTF-8 sequence at `at`, 0 if it is none (RFC 3629: no overlong form, no surrogate). */
static size_t utf8_sequence(const uint8_t *at, size_t left) {
    uint8_t a = at[0];
    if (a < 0x80) {
        return 1;
    }
    size_t size = a >= 0xf0 ? 4 : (a >= 0xe0 ? 3 : 2);
    if (a < 0xc2 || a > 0xf4 || left < size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (a == 0xe0 && at[1] < 0xa0) || (a == 0xf0 && at[1] < 0x90);
    bool surrogate = a == 0xed && at[1] >= 0xa0;
    bool too_great = a == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || too_great ? 0 : size;
}

static const char *unicode_problem(stele_view text, bool lines) {
    for (size_t i = 0; i < text.size;) {
        uint8_t c = text.data[i];
        if (c < 0x20 && !(lines && (c == '\t' || c == '\n' || c == '\r'))) {
            return lines ? "holds a control character other than tab, line feed and carriage return"
                         : "holds a control character";
        }
        size_t size = utf8_sequence(text.data + i, text.size - i);
        if (size == 0) {
            return "is not UTF-8";
        }
        i += size;
    }
    return NULL;
}

const char *stele_text_problem(stele_view text, stele_charset charset) {
    if (charset == STELE_CHARSET_PLAIN || charset == STELE_CHARSET_LINES) {
        return printable(text) ? NULL : unicode_problem(text, charset == STELE_CHARSET_LINES);
    }
    const uint64_t *bits = charset_bits[charset];
    uint64_t inside = 1;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        inside &= (bits[(c >> 6) & 1] >> (c & 63)) & (uint64_t)(c < 0x80);
    }
    return inside != 0 ? NULL : charset_problem[charset];
}
