/* SPDX-License-Identifier: Apache-2.0 */
/* proto/event_json_text.c: the spellings of enums, numbers, digests and addresses. */
#include "proto/event_json_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/event.h"

stele_status stele_json__parse_u64(stele_view text, uint64_t *ret, stele_err *err) {
    uint64_t value = 0;
    bool ok = text.size > 0;
    for (size_t i = 0; ok && i < text.size; i++) {
        uint8_t c = text.data[i];
        uint64_t digit = c >= '0' && c <= '9' ? (uint64_t)(c - '0') : 0;
        ok = c >= '0' && c <= '9' && value <= (UINT64_MAX - digit) / 10;
        value = ok ? value * 10 + digit : 0;
    }
    if (!ok) {
        return STELE_FAIL(err, INVALID, "no integer from 0 to 2^64 - 1");
    }
    *ret = value;
    return STELE_OK;
}

stele_status stele_json__parse_enum(const struct stele_enum *e, stele_view word, uint64_t *ret,
                                    stele_err *err) {
    uint32_t number = 0;
    if (word.size > 0 && word.data[0] == '#') {
        stele_status st =
            stele_json__parse_u64(stele_view_slice(word, 1, word.size - 1), ret, NULL);
        if (st != STELE_OK || *ret > UINT32_MAX) {
            return STELE_FAIL(err, INVALID, "after # a number of %s is expected", e->name);
        }
        return STELE_OK;
    }
    stele_status st = stele_event_enum_number(e->name, word, &number, err);
    if (st == STELE_OK) {
        *ret = number;
    }
    return st;
}

stele_status stele_json__parse_hex(stele_view text,
                                   uint8_t out[STELE_AT_LEAST(STELE_DIGEST_BYTES_MAX)],
                                   size_t *ret_size, stele_err *err) {
    if (text.size > 2 * STELE_DIGEST_BYTES_MAX || text.size % 2 != 0 ||
        stele_hex_decode(text, out, text.size / 2, NULL) != STELE_OK) {
        return STELE_FAIL(err, INVALID, "no hex of at most %d bytes", STELE_DIGEST_BYTES_MAX);
    }
    *ret_size = text.size / 2;
    return STELE_OK;
}

stele_status stele_json__parse_digest(stele_view text, uint64_t *ret_alg,
                                      uint8_t out[STELE_AT_LEAST(STELE_DIGEST_BYTES_MAX)],
                                      size_t *ret_size, stele_err *err) {
    char word[24]; /* the longest, hmac-sha256, has 11 */
    size_t colon = 0;
    while (colon < text.size && colon < sizeof word && text.data[colon] != ':') {
        word[colon] = (char)(text.data[colon] == '-' ? '_' : text.data[colon]);
        colon++;
    }
    if (colon >= text.size || colon == sizeof word) {
        return STELE_FAIL(err, INVALID, "no digest such as sha256:<hex>");
    }
    stele_status st = stele_json__parse_enum(&stele_enum_table[STELE_ENUM_HASH_ALG],
                                             stele_view_of(word, colon), ret_alg, err);
    if (st != STELE_OK) {
        return st;
    }
    return stele_json__parse_hex(stele_view_slice(text, colon + 1, text.size - colon - 1), out,
                                 ret_size, err);
}

stele_status stele_json__parse_ip(const char *text, uint8_t out[STELE_AT_LEAST(16)],
                                  size_t *ret_size, stele_err *err) {
    bool v4 = strchr(text, ':') == NULL;
    if (inet_pton(v4 ? AF_INET : AF_INET6, text, out) != 1) {
        return STELE_FAIL(err, INVALID, "no IP address");
    }
    *ret_size = v4 ? 4 : 16;
    return STELE_OK;
}

void stele_json__print_enum(const struct stele_enum *e, uint64_t number,
                            char out[STELE_AT_LEAST(STELE_JSON_WORD_BYTES)]) {
    if (!stele_enum_knows(e, number)) {
        (void)snprintf(out, STELE_JSON_WORD_BYTES, "#%llu", (unsigned long long)number);
        return;
    }
    (void)snprintf(out, STELE_JSON_WORD_BYTES, "%s",
                   number < e->n_word ? e->word[number] : "other");
}

/*
 * printf finds the digits; they are laid out here, so that neither the locale's point nor printf's
 * own choice of form shows: plain from 1e-4 to 1e16, else with an exponent.
 */
void stele_json__print_double(double value, char out[STELE_AT_LEAST(STELE_JSON_NUMBER_BYTES)]) {
    char text[40];
    char digits[20];
    int n = 0;
    for (int precision = 0; precision <= 16; precision++) { /* 17 digits are always enough */
        (void)snprintf(text, sizeof text, "%.*e", precision, value);
        n = precision + 1;
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    const char *at = text;
    bool negative = *at == '-';
    at += negative ? 1 : 0;
    digits[0] = *at++;
    if (n > 1) {
        memcpy(digits + 1, at + 1, (size_t)n - 1); /* after the locale's one-byte point */
        at += n;
    }
    int exponent = 0; /* at is "e", a sign and two or three digits */
    for (const char *digit = at + 2; *digit != '\0'; digit++) {
        exponent = exponent * 10 + (*digit - '0');
    }
    exponent = at[1] == '-' ? -exponent : exponent;
    const char *sign = negative ? "-" : "";
    if (exponent < -4 || exponent >= 16) {
        (void)snprintf(out, STELE_JSON_NUMBER_BYTES, "%s%c%s%.*se%+03d", sign, digits[0],
                       n > 1 ? "." : "", n - 1, digits + 1, exponent);
    } else if (exponent < 0) {
        (void)snprintf(out, STELE_JSON_NUMBER_BYTES, "%s0.%.*s%.*s", sign, -exponent - 1, "000", n,
                       digits);
    } else if (n > exponent + 1) {
        (void)snprintf(out, STELE_JSON_NUMBER_BYTES, "%s%.*s.%.*s", sign, exponent + 1, digits,
                       n - exponent - 1, digits + exponent + 1);
    } else {
        (void)snprintf(out, STELE_JSON_NUMBER_BYTES, "%s%.*s%.*s.0", sign, n, digits,
                       exponent + 1 - n, "0000000000000000");
    }
}
