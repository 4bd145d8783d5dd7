/* SPDX-License-Identifier: Apache-2.0 */
/* proto/text.c: charsets, UTF-8 and control characters. */
#include "proto/text.h"

#include <string.h>

/* One bit per ASCII charset, for every byte; the table is written out by the preprocessor. */
#define BIT_OF(charset) (1 << (charset))
#define WITHIN(c, first, last) ((c) >= (first) && (c) <= (last))
#define NAME(c)                                                                                    \
    (WITHIN(c, 'a', 'z') || WITHIN(c, '0', '9') || (c) == '.' || (c) == '_' || (c) == '-')
#define ID(c) (NAME(c) || WITHIN(c, 'A', 'Z') || (c) == ':' || (c) == '/')
#define PSEUDONYM(c) (ID(c) || (c) == '+' || (c) == '=')
#define BITS(c)                                                                                    \
    (uint8_t)((ID(c) ? BIT_OF(STELE_CHARSET_ID) : 0) |                                             \
              (NAME(c) ? BIT_OF(STELE_CHARSET_NAME) : 0) |                                         \
              (PSEUDONYM(c) ? BIT_OF(STELE_CHARSET_PSEUDONYM) : 0))
#define BITS_4(c) BITS(c), BITS((c) + 1), BITS((c) + 2), BITS((c) + 3)
#define BITS_16(c) BITS_4(c), BITS_4((c) + 4), BITS_4((c) + 8), BITS_4((c) + 12)
#define BITS_64(c) BITS_16(c), BITS_16((c) + 16), BITS_16((c) + 32), BITS_16((c) + 48)
static const uint8_t charset_bits[256] = {BITS_64(0), BITS_64(64)}; /* from 128 on: 0 */

static const char *const charset_problem[] = {
    [STELE_CHARSET_ID] = "holds a character outside [A-Za-z0-9_.:/-]",
    [STELE_CHARSET_NAME] = "holds a character outside [a-z0-9._-]",
    [STELE_CHARSET_PSEUDONYM] =
        "holds a character outside [A-Za-z0-9_.:/+=-]; send a keyed hash, not a name or an address",
};

/* True if all eight bytes are from U+0020 to U+007F. A byte below 0x20 borrows, which sets its high
 * bit. */
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

/* Bytes of the UTF-8 sequence at `at`, 0 if it is none (RFC 3629: no overlong form, no surrogate).
 */
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
    uint8_t inside = (uint8_t)BIT_OF(charset);
    for (size_t i = 0; i < text.size; i++) {
        inside &= charset_bits[text.data[i]];
    }
    return inside != 0 ? NULL : charset_problem[charset];
}
