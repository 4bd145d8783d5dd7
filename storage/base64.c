/* SPDX-License-Identifier: Apache-2.0 */
/* storage/base64.c: every text has one decoding and every bytes one encoding; all
 * else is refused. */
#include "storage/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#define NO_VALUE 64u

static unsigned value_of(uint8_t c) {
    if (c >= 'A' && c <= 'Z') {
        return (unsigned)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (unsigned)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (unsigned)(c - '0') + 52;
    }
    return c == '+' ? 62 : (c == '/' ? 63 : NO_VALUE);
}

stele_status stele_base64_encode(stele_view bytes, stele_buf *out, stele_err *err) {
    if (bytes.size > SIZE_MAX / 4) {
        return STELE_FAIL(err, NO_MEMORY, "%zu bytes are too many for base64", bytes.size);
    }
    size_t groups = bytes.size / 3 + (bytes.size % 3 != 0);
    stele_status st = stele_buf_reserve(out, groups * 4, err);
    if (st != STELE_OK) {
        return st;
    }
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t n = bytes.size - i < 3 ? bytes.size - i : 3;
        uint32_t bits = (uint32_t)bytes.data[i] << 16;
        bits |= n > 1 ? (uint32_t)bytes.data[i + 1] << 8 : 0;
        bits |= n > 2 ? (uint32_t)bytes.data[i + 2] : 0;
        uint8_t *text = out->data + out->size;
        text[0] = (uint8_t)alphabet[bits >> 18];
        text[1] = (uint8_t)alphabet[(bits >> 12) & 63];
        text[2] = n > 1 ? (uint8_t)alphabet[(bits >> 6) & 63] : '=';
        text[3] = n > 2 ? (uint8_t)alphabet[bits & 63] : '=';
        out->size += 4;
    }
    return STELE_OK;
}

stele_status stele_base64_decode(stele_view text, stele_buf *out, stele_err *err) {
    if (text.size % 4 != 0) {
        return STELE_FAIL(err, INVALID,
                          "base64 of %zu characters: a multiple of 4 is needed, padded with '='",
                          text.size);
    }
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=') {
        padding++;
    }
    size_t digits = text.size - padding;
    uint32_t bits = 0;
    for (size_t i = 0; i < digits; i++) {
        if (value_of(text.data[i]) == NO_VALUE) {
            return STELE_FAIL(err, INVALID,
                              "character %zu is not of the base64 alphabet A-Za-z0-9+/", i);
        }
    }
    for (size_t i = digits & ~(size_t)3; i < digits; i++) {
        bits = bits << 6 | value_of(text.data[i]);
    }
    /* 2 digits carry 12 bits for 1 byte, 3 carry 18 for 2: the spare ones must be 0. */
    if (padding > 0 && (bits & (padding == 2 ? 0xfu : 0x3u)) != 0) {
        return STELE_FAIL(err, INVALID, "the last base64 digit has spare bits that are not 0");
    }
    stele_status st = stele_buf_reserve(out, text.size / 4 * 3, err);
    if (st != STELE_OK) {
        return st;
    }
    uint32_t group = 0;
    unsigned group_bits = 0;
    for (size_t i = 0; i < digits; i++) {
        group = (group << 6 | value_of(text.data[i])) & 0xffff;
        group_bits += 6;
        if (group_bits >= 8) {
            group_bits -= 8;
            out->data[out->size++] = (uint8_t)(group >> group_bits);
        }
    }
    return STELE_OK;
}
